//! The state of one scenario: a history, the commands of a book, and the reply.

use std::{collections::VecDeque, sync::OnceLock};

use angzarr_proto::v1::{
    CommandBook, CommandPage, ContextualCommand, Cover, EventBook, EventPage, Snapshot,
    Uuid as RootId, business_logic_client::BusinessLogicClient, event_page::Sequence,
    saga_client::SagaClient,
};
use anyhow::{Context, ensure};
use cucumber::event::ScenarioFinished;
use prost_types::Any;
use tonic::{Status, transport::Channel};
use uuid::Uuid;

/// The program that the features of this process test.
struct Subject {
    name: String,
    channel: Channel,
}

static SUBJECT: OnceLock<Subject> = OnceLock::new();

/// Sets the tested program, once for the process.
pub(crate) fn set_subject(name: &str, channel: Channel) -> anyhow::Result<()> {
    let subject = Subject {
        name: name.to_owned(),
        channel,
    };
    ensure!(
        SUBJECT.set(subject).is_ok(),
        "a process tests only one program"
    );
    Ok(())
}

fn subject() -> anyhow::Result<&'static Subject> {
    SUBJECT.get().context("no program was started")
}

/// One scenario.
#[derive(Debug, Default, cucumber::World)]
pub(crate) struct World {
    /// The events of the root that are sent with a command, after the snapshot if there is one.
    pub(crate) history: Vec<Any>,
    /// The state of the snapshot, with the last sequence that it includes.
    pub(crate) snapshot: Option<(u32, Any)>,
    /// The commands of the book, or the events of the append, that is prepared.
    pub(crate) book: Vec<Any>,
    /// The reply. Checked parts are removed from it.
    pub(crate) answer: Option<Answer>,
}

/// The parts of a reply that no step has checked.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The logic of an aggregate recorded events, and may have requested a snapshot.
    Events {
        events: VecDeque<Any>,
        snapshot: Option<Any>,
    },
    /// A saga sent commands.
    Commands(VecDeque<CommandBook>),
    /// It was refused.
    Refused(Status),
    /// It was refused, and a step has checked the status.
    Checked,
}

impl World {
    /// Fails if the feature tests another program than the running one.
    pub(crate) fn require_subject(&self, name: &str) -> anyhow::Result<()> {
        let running = &subject()?.name;
        ensure!(running == name, "the running program is {running}");
        Ok(())
    }

    /// The sequence of the next event of the root.
    pub(crate) fn next_sequence(&self) -> u32 {
        let kept = self.snapshot.as_ref().map_or(0, |(last, _)| last + 1);
        kept + self.history.len() as u32
    }

    /// Sends the book of commands to the logic of an aggregate.
    pub(crate) async fn send(&mut self) -> anyhow::Result<()> {
        let subject = subject()?;
        let cover = cover_of(&subject.name);
        let next_sequence = self.next_sequence();
        let first = next_sequence - self.history.len() as u32;
        let events = EventBook {
            cover: Some(cover.clone()),
            snapshot: self.snapshot.take().map(snapshot_of),
            pages: pages_of(self.history.drain(..), first),
            next_sequence,
            ..EventBook::default()
        };
        let command = command_book(cover, next_sequence, self.book.drain(..));
        let call = ContextualCommand {
            events: Some(events),
            command: Some(command),
        };
        let mut client = BusinessLogicClient::new(subject.channel.clone());
        self.answer = Some(match client.handle(call).await {
            Ok(response) => events_of(response.into_inner())?,
            Err(status) => Answer::Refused(status),
        });
        Ok(())
    }

    /// Sends a saga the events of one append.
    pub(crate) async fn deliver(&mut self) -> anyhow::Result<()> {
        let append = EventBook {
            cover: Some(cover_of("order")),
            pages: pages_of(self.book.drain(..), 0),
            ..EventBook::default()
        };
        let mut client = SagaClient::new(subject()?.channel.clone());
        self.answer = Some(match client.handle_sync(append).await {
            Ok(response) => Answer::Commands(response.into_inner().commands.into()),
            Err(status) => Answer::Refused(status),
        });
        Ok(())
    }
}

fn cover_of(domain: &str) -> Cover {
    Cover {
        domain: domain.to_owned(),
        root: Some(RootId {
            value: Uuid::from_u128(1).into_bytes().to_vec().into(),
        }),
        correlation_id: "a feature".to_owned(),
        edition: None,
    }
}

fn snapshot_of((sequence, state): (u32, Any)) -> Snapshot {
    Snapshot {
        sequence,
        state: Some(state),
        ..Snapshot::default()
    }
}

fn pages_of(events: impl Iterator<Item = Any>, first: u32) -> Vec<EventPage> {
    let page = |(sequence, event)| EventPage {
        sequence: Some(Sequence::Num(sequence)),
        event: Some(event),
        ..EventPage::default()
    };
    (first..).zip(events).map(page).collect()
}

fn command_book(cover: Cover, sequence: u32, commands: impl Iterator<Item = Any>) -> CommandBook {
    let page = |command| CommandPage {
        sequence,
        command: Some(command),
        ..CommandPage::default()
    };
    CommandBook {
        cover: Some(cover),
        pages: commands.map(page).collect(),
        command_id: "a command".to_owned(),
        ..CommandBook::default()
    }
}

/// Decodes a reply; fields that the coordinator fills in must be unset.
fn events_of(book: EventBook) -> anyhow::Result<Answer> {
    ensure!(book.cover.is_none(), "the reply has a cover");
    let mut events = VecDeque::new();
    for page in book.pages {
        ensure!(page.sequence.is_none(), "the reply has a sequence");
        ensure!(page.created_at.is_none(), "the reply has a time");
        events.push_back(page.event.context("the reply has a page without event")?);
    }
    Ok(Answer::Events {
        events,
        snapshot: book.snapshot_state,
    })
}

/// Fails a scenario that did not check the whole reply.
pub(crate) async fn check_unseen(finished: &ScenarioFinished, world: Option<&mut World>) {
    if !matches!(finished, ScenarioFinished::StepPassed) {
        return;
    }
    let answer = world.and_then(|world| world.answer.as_ref());
    let seen = match answer {
        Some(Answer::Events { events, snapshot }) => events.is_empty() && snapshot.is_none(),
        Some(Answer::Commands(commands)) => commands.is_empty(),
        Some(Answer::Refused(_)) => false,
        Some(Answer::Checked) => true,
        None => false,
    };
    assert!(
        seen,
        "the scenario did not check the whole reply: {answer:?}"
    );
}
