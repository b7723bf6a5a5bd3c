//! Recording facts that happened elsewhere: no logic is asked.

use tokio::time::Instant;
use tracing::Instrument;

use super::{Error, Executor, span};
use crate::model::{AppendId, Executed, Facts, NewEvent};
use crate::port::writer::{Outcome, Proposal};

impl Executor {
    /// Records facts that happened elsewhere; those that are known already are left out.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn record(&self, facts: Facts, deadline: Instant) -> Result<Executed, Error> {
        let began = Instant::now();
        let recorded = self.record_in_turn(facts, deadline).await;
        self.report_end(&recorded, began.elapsed());
        recorded
    }

    async fn record_in_turn(&self, facts: Facts, deadline: Instant) -> Result<Executed, Error> {
        let sizes = facts.events.iter().map(NewEvent::size);
        self.validate(&facts.stream, sizes)?;
        let _in_flight = self.admit()?;
        let _turn = self.turn(&facts.stream, deadline).await?;
        if Instant::now() >= deadline {
            return Err(Error::Late("before the append"));
        }
        let count = facts.events.len();
        let (stream, expected) = (facts.stream.clone(), facts.expected);
        let persisting = span::persist(&stream, &facts.correlation_id);
        let proposal = propose(facts, deadline);
        let appending = self.append(proposal).instrument(persisting);
        match appending.await? {
            Outcome::Appended { append, known } => {
                let is_replayed = known.len() == count;
                Ok(Executed {
                    append,
                    is_replayed,
                    known,
                })
            }
            Outcome::Duplicate(append) => Ok(Executed {
                append,
                is_replayed: true,
                known: Vec::new(),
            }),
            Outcome::KeyReused { key } => Err(Error::KeyReused { key }),
            Outcome::Late => Err(Error::Late("before the append")),
            Outcome::Conflict { actual } => Err(Error::Conflict {
                stream,
                expected: expected.unwrap_or(actual),
                actual,
            }),
            refused @ (Outcome::Unstorable { .. } | Outcome::Fenced { .. } | Outcome::Stepped) => {
                Err(Error::refused(refused))
            }
        }
    }
}

fn propose(facts: Facts, deadline: Instant) -> Proposal {
    Proposal {
        id: AppendId::random(),
        stream: facts.stream,
        expected: facts.expected,
        key: None,
        deadline: Some(deadline),
        correlation_id: facts.correlation_id,
        trace_parent: facts.trace_parent,
        events: facts.events,
        snapshot: None,
    }
}
