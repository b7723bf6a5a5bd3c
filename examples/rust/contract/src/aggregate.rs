//! Adapts the gRPC service of an aggregate to pure functions: rebuild the state, decide, return events.

use std::{marker::PhantomData, pin::Pin, time::SystemTime};

use angzarr_proto::v1::{
    ContextualCommand, EventBook, EventPage, HandleStreamRequest, HandleStreamResponse,
    ReplayRequest, ReplayResponse,
    business_logic_server::{BusinessLogic, BusinessLogicServer},
};
use prost::Name;
use prost_types::{Any, Timestamp};
use tonic::{Request, Response, Status, Streaming, codegen::tokio_stream::Stream};

use crate::{Refusal, book, serve::MAX_MESSAGE_BYTES};

/// The rules of one domain, without gRPC and without a clock.
pub trait Aggregate: Send + Sync + 'static {
    /// The state of one root; the default is that of a root without events.
    type State: Name + Default;

    /// The number of events of a root after which a snapshot is requested. Default: never.
    const SNAPSHOT_EVERY: Option<usize> = None;

    /// Applies an event to the state. Returns false if the event does not belong to this domain.
    ///
    /// # Errors
    ///
    /// Refuses an event that cannot be read.
    fn apply(state: &mut Self::State, event: &Any) -> Result<bool, Refusal>;

    /// Decides on a command: returns its events, or `None` if the command does not belong to this domain.
    ///
    /// # Errors
    ///
    /// Refuses a command that is wrong or that the state forbids.
    fn decide(
        state: &Self::State,
        command: &Any,
        now: Timestamp,
    ) -> Result<Option<Vec<Any>>, Refusal>;
}

/// Serves the rules of a domain by the contract.
#[derive(Debug)]
pub struct AggregateService<A>(PhantomData<A>);

impl<A: Aggregate> AggregateService<A> {
    /// The gRPC service.
    pub fn server() -> BusinessLogicServer<Self> {
        BusinessLogicServer::new(Self(PhantomData))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }
}

/// Handles a call: folds the history, then decides on the commands in order, each on the state that the previous one left.
fn handle<A: Aggregate>(call: &ContextualCommand, now: Timestamp) -> Result<EventBook, Refusal> {
    let history = call.events.clone().unwrap_or_default();
    let (mut state, known) = rebuild::<A>(&history)?;
    let mut events = Vec::new();
    for page in call.command.iter().flat_map(|book| &book.pages) {
        let Some(command) = &page.command else {
            return Err(Refusal::invalid("a page has no command"));
        };
        let decided = A::decide(&state, command, now)?.ok_or_else(|| unknown(command))?;
        for event in decided {
            fold::<A>(&mut state, &event)?;
            events.push(event);
        }
    }
    let due = A::SNAPSHOT_EVERY.is_some_and(|every| (known + events.len()) / every > known / every);
    Ok(EventBook {
        snapshot_state: due.then(|| book::encode(&state)),
        pages: events.into_iter().map(page_of).collect(),
        ..EventBook::default()
    })
}

/// The state after a history, and how many events the root has.
fn rebuild<A: Aggregate>(history: &EventBook) -> Result<(A::State, usize), Refusal> {
    let mut state = A::State::default();
    let mut known = history.pages.len();
    if let Some(snapshot) = &history.snapshot {
        let kept = snapshot.state.as_ref().map(book::decode::<A::State>);
        state = kept
            .transpose()?
            .flatten()
            .ok_or_else(|| Refusal::unreadable("the snapshot has another type of state"))?;
        known += snapshot.sequence as usize + 1;
    }
    for event in history.pages.iter().filter_map(|page| page.event.as_ref()) {
        fold::<A>(&mut state, event)?;
    }
    Ok((state, known))
}

/// An unknown event would be missing from the state, so no decision is made on such a history.
fn fold<A: Aggregate>(state: &mut A::State, event: &Any) -> Result<(), Refusal> {
    if A::apply(state, event)? {
        return Ok(());
    }
    let name = book::type_name(event);
    Err(Refusal::unreadable(format!(
        "the history has an unknown event {name}"
    )))
}

fn unknown(command: &Any) -> Refusal {
    Refusal::invalid(format!("unknown command: {}", book::type_name(command)))
}

fn page_of(event: Any) -> EventPage {
    EventPage {
        event: Some(event),
        ..EventPage::default()
    }
}

#[tonic::async_trait]
impl<A: Aggregate> BusinessLogic for AggregateService<A> {
    type HandleStreamStream =
        Pin<Box<dyn Stream<Item = Result<HandleStreamResponse, Status>> + Send>>;

    async fn handle(
        &self,
        request: Request<ContextualCommand>,
    ) -> Result<Response<EventBook>, Status> {
        let events = handle::<A>(request.get_ref(), SystemTime::now().into())?;
        Ok(Response::new(events))
    }

    async fn handle_stream(
        &self,
        _: Request<Streaming<HandleStreamRequest>>,
    ) -> Result<Response<Self::HandleStreamStream>, Status> {
        Err(Status::unimplemented("use Handle for commands"))
    }

    async fn replay(&self, _: Request<ReplayRequest>) -> Result<Response<ReplayResponse>, Status> {
        Err(Status::unimplemented("use Handle for commands"))
    }
}
