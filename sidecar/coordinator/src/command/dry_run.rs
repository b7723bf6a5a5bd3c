//! Commands that are tried: the logic is asked, nothing is stored.

use tokio::time::Instant;

use super::{Error, Executor, conflict};
use crate::budget::Share;
use crate::model::{Append, AppendId, Command, Event, Executed, History, Position, Sequence};
use crate::port::log::{Load, Loaded};

/// The point in a stream at which a command is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// After the last event there is.
    Now,
    /// After this event.
    Through(Sequence),
    /// Before the first event.
    BeforeFirst,
}

impl Executor {
    /// Asks the logic what it would decide at a point; nothing is stored, so the positions in the result are those before the first.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn dry_run(
        &self,
        command: Command,
        point: Point,
        deadline: Instant,
    ) -> Result<Executed, Error> {
        self.validate(
            &command.stream,
            command.pages.iter().map(|page| page.size()),
        )?;
        let _in_flight = self.admit()?;
        let (history, _share) = self.history_at(&command, point, deadline).await?;
        let next = history.next_sequence;
        if command.required_sequence().is_some_and(|it| it != next) {
            return Err(conflict(&command, next));
        }
        let checked = self.decide(history, &command, deadline).await?;
        let events = checked
            .events
            .into_iter()
            .enumerate()
            .map(|(index, event)| Event {
                sequence: next.plus(index),
                position: Position::ORIGIN,
                payload: event.payload,
                created_at: event.created_at,
                external_id: None,
            });
        let append = Append {
            id: AppendId::random(),
            stream: command.stream,
            first_sequence: next,
            last_position: Position::ORIGIN,
            correlation_id: command.correlation_id,
            command_id: Some(command.id),
            trace_parent: command.trace_parent,
            events: events.collect(),
        };
        Ok(Executed {
            append,
            is_replayed: false,
            known: Vec::new(),
        })
    }

    /// The history before a point, and the share of memory that it takes.
    async fn history_at(
        &self,
        command: &Command,
        point: Point,
        deadline: Instant,
    ) -> Result<(History, Option<Share>), Error> {
        let through = match point {
            Point::Now => None,
            Point::Through(sequence) => Some(sequence),
            Point::BeforeFirst => {
                return Ok((History::empty(&command.stream), None));
            }
        };
        let load = Load {
            through,
            expected: None,
            ..self.load_of(command, None)
        };
        let (loaded, share) = self.load(load, deadline).await?;
        let Loaded::History {
            snapshot,
            events,
            next_sequence,
        } = loaded
        else {
            return Err(self.too_large(&command.stream));
        };
        if let Some(through) = through.filter(|through| *through >= next_sequence) {
            return Err(Error::Invalid(format!(
                "as_of_sequence is {}, the stream has {} events",
                through.0, next_sequence.0
            )));
        }
        let history = History {
            stream: command.stream.clone(),
            snapshot,
            events,
            next_sequence: through.map_or(next_sequence, |through| through.plus(1)),
        };
        Ok((history, Some(share)))
    }
}
