//! An aggregate that counts its events and checks every history that it gets.

use angzarr_proto::v1;
use angzarr_proto::v1::business_logic_server::BusinessLogic;
use angzarr_proto::v1::event_page::Sequence;
use prost_types::Any;
use tonic::{Request, Response, Status, Streaming};

use super::any;
use super::tally::Tally;

/// The number of events between two snapshots.
const SNAPSHOT_EVERY: u64 = 5;

/// Counts its events. The name of a command selects the reply; its payload, or else its id, is the note in the events.
pub(super) struct Counter {
    /// Whether it has its own process, which it may exit.
    pub(super) is_alone: bool,
}

fn page(event: Any) -> v1::EventPage {
    v1::EventPage {
        event: Some(event),
        ..v1::EventPage::default()
    }
}

fn note(command: &v1::CommandBook) -> &[u8] {
    let payload = &command.pages[0].command.as_ref().unwrap().value;
    if payload.is_empty() {
        command.command_id.as_bytes()
    } else {
        payload
    }
}

/// The cover of another root.
fn elsewhere() -> v1::Cover {
    v1::Cover {
        root: Some(v1::Uuid {
            value: vec![9; 16].into(),
        }),
        ..v1::Cover::default()
    }
}

/// Replies to a command by its name, from the state before it.
async fn answer(name: &str, note: &[u8], before: Tally) -> Result<v1::EventBook, Status> {
    let mut tally = before;
    let mut book = v1::EventBook::default();
    match name {
        "Add" => book.pages.push(page(tally.add(note))),
        "Twice" => {
            let events = [tally.add(note), tally.add(note)];
            book.pages.extend(events.map(page));
        }
        "Nothing" => {}
        "Refuse" => return Err(Status::failed_precondition("the counter refuses")),
        "Odd" => return Err(Status::unknown("the counter does not know")),
        "Away" => return Err(Status::unavailable("the counter is away")),
        "Hang" => std::future::pending().await,
        "Gap" => book.pages.push(v1::EventPage {
            sequence: Some(Sequence::Num(u32::try_from(before.count).unwrap() + 5)),
            ..page(tally.add(note))
        }),
        "Elsewhere" => {
            book.pages.push(page(tally.add(note)));
            book.cover = Some(elsewhere());
        }
        "Huge" => book.pages.push(page(any("Added", vec![0; 2 << 20]))),
        other => return Err(Status::invalid_argument(format!("{other} is no command"))),
    }
    if tally != before && tally.count.is_multiple_of(SNAPSHOT_EVERY) {
        book.snapshot_state = Some(tally.write());
    }
    Ok(book)
}

#[tonic::async_trait]
impl BusinessLogic for Counter {
    type HandleStreamStream = tokio_stream::Empty<Result<v1::HandleStreamResponse, Status>>;

    async fn handle(
        &self,
        request: Request<v1::ContextualCommand>,
    ) -> Result<Response<v1::EventBook>, Status> {
        let asked = request.into_inner();
        let before = Tally::of(&asked.events.unwrap()).map_err(Status::internal)?;
        let command = asked.command.unwrap();
        let name = command.pages[0].command.as_ref().unwrap().type_url.clone();
        let name = name.rsplit('.').next().unwrap();
        if name == "Abort" && self.is_alone {
            std::process::abort();
        }
        answer(name, note(&command), before)
            .await
            .map(Response::new)
    }

    async fn handle_stream(
        &self,
        _: Request<Streaming<v1::HandleStreamRequest>>,
    ) -> Result<Response<Self::HandleStreamStream>, Status> {
        Err(Status::unimplemented("the counter has no stream"))
    }

    async fn replay(
        &self,
        _: Request<v1::ReplayRequest>,
    ) -> Result<Response<v1::ReplayResponse>, Status> {
        Err(Status::unimplemented("the counter does not replay"))
    }
}
