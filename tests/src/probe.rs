//! Logic that checks what it is given: an aggregate that counts, a projector that keeps a ledger, a saga that mirrors.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use angzarr_proto::v1;
use angzarr_proto::v1::business_logic_server::{BusinessLogic, BusinessLogicServer};
use angzarr_proto::v1::event_page::Sequence;
use angzarr_proto::v1::projector_server::{Projector, ProjectorServer};
use angzarr_proto::v1::saga_server::{Saga, SagaServer};
use prost_types::Any;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

/// How many events lie between two snapshots.
const SNAPSHOT_EVERY: u64 = 5;
const MOST: usize = 32 << 20;

/// Names a message of the probes.
pub fn any(name: &str, value: Vec<u8>) -> Any {
    Any {
        type_url: format!("type.googleapis.com/probe.v1.{name}"),
        value,
    }
}

/// The number in an event or a state.
pub fn number(any: &Any) -> u64 {
    u64::from_le_bytes(any.value[..8].try_into().unwrap())
}

/// All probes on one port, until it is dropped.
pub struct Probes {
    /// The port.
    pub port: u16,
    /// What the projector saw.
    pub ledger: Ledger,
    stop: CancellationToken,
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Probes {
    /// Serves them on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ledger = Ledger::default();
        let stop = CancellationToken::new();
        let router = Server::builder()
            .add_service(BusinessLogicServer::new(Counter).max_decoding_message_size(MOST))
            .add_service(ProjectorServer::new(ledger.clone()))
            .add_service(SagaServer::new(Mirror));
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(
            router.serve_with_incoming_shutdown(TcpListenerStream::new(listener), stopped),
        );
        Self { port, ledger, stop }
    }

    /// The components of a boot document that uses every probe.
    pub fn components(&self) -> String {
        let at = format!("127.0.0.1:{}", self.port);
        format!(
            "- {{kind: aggregate, domain: tally, logic: '{at}'}}
- {{kind: aggregate, domain: mirror, logic: '{at}'}}
- {{kind: projector, name: ledger, mode: sync, sources: [{{domain: tally}}], logic: '{at}'}}
- {{kind: saga, name: mirror, sources: [{{domain: tally}}], startFrom: beginning, logic: '{at}'}}
"
        )
    }

    /// A component that has nothing to do with the domains of [`Probes::components`].
    pub fn bystander(&self) -> String {
        let at = self.port;
        format!("- {{kind: aggregate, domain: other, logic: '127.0.0.1:{at}'}}\n")
    }
}

/// Counts its events; each event holds how many came before it, so a wrong history shows.
struct Counter;

fn count(book: &v1::EventBook) -> Result<u64, Status> {
    let mut count = 0;
    if let Some(snapshot) = &book.snapshot {
        count = number(snapshot.state.as_ref().unwrap());
        if count != u64::from(snapshot.sequence) + 1 {
            return Err(Status::internal(
                "the snapshot is not the state after its sequence",
            ));
        }
    }
    for page in &book.pages {
        let is_next = page.sequence == Some(Sequence::Num(u32::try_from(count).unwrap()));
        if !is_next || number(page.event.as_ref().unwrap()) != count {
            return Err(Status::internal("the history has a gap"));
        }
        count += 1;
    }
    if count != u64::from(book.next_sequence) {
        return Err(Status::internal("the history is not whole"));
    }
    Ok(count)
}

fn added(count: u64) -> v1::EventPage {
    v1::EventPage {
        event: Some(any("Added", count.to_le_bytes().to_vec())),
        ..v1::EventPage::default()
    }
}

#[tonic::async_trait]
impl BusinessLogic for Counter {
    type HandleStreamStream = tokio_stream::Empty<Result<v1::HandleStreamResponse, Status>>;

    async fn handle(
        &self,
        request: Request<v1::ContextualCommand>,
    ) -> Result<Response<v1::EventBook>, Status> {
        let asked = request.into_inner();
        let count = count(&asked.events.unwrap())?;
        let command = asked.command.unwrap();
        let name = command.pages[0].command.as_ref().unwrap().type_url.clone();
        let mut book = v1::EventBook::default();
        match name.rsplit('.').next().unwrap() {
            "Add" => book.pages.push(added(count)),
            "Twice" => book.pages.extend([added(count), added(count + 1)]),
            "Nothing" => {}
            "Refuse" => return Err(Status::failed_precondition("the counter refuses")),
            "Odd" => return Err(Status::unknown("the counter does not know")),
            "Away" => return Err(Status::unavailable("the counter is away")),
            "Hang" => std::future::pending().await,
            "Gap" => book.pages.push(v1::EventPage {
                sequence: Some(Sequence::Num(u32::try_from(count).unwrap() + 5)),
                ..added(count)
            }),
            "Elsewhere" => {
                book.pages.push(added(count));
                book.cover = Some(v1::Cover {
                    root: Some(v1::Uuid {
                        value: vec![9; 16].into(),
                    }),
                    ..v1::Cover::default()
                });
            }
            "Huge" => book.pages.push(v1::EventPage {
                event: Some(any("Added", vec![0; 2 << 20])),
                ..v1::EventPage::default()
            }),
            other => return Err(Status::invalid_argument(format!("{other} is no command"))),
        }
        let after = count + book.pages.len() as u64;
        if after > count && after.is_multiple_of(SNAPSHOT_EVERY) {
            book.snapshot_state = Some(any("Count", after.to_le_bytes().to_vec()));
        }
        Ok(Response::new(book))
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

/// Keeps how many events of each root came, and what was wrong with them.
#[derive(Clone, Default)]
pub struct Ledger {
    rows: Arc<Mutex<Rows>>,
}

#[derive(Default)]
struct Rows {
    next: BTreeMap<Vec<u8>, u32>,
    faults: Vec<String>,
    poisoned: Option<Vec<u8>>,
}

impl Ledger {
    /// How many events of a root came.
    pub fn count(&self, root: &[u8]) -> u32 {
        self.rows
            .lock()
            .unwrap()
            .next
            .get(root)
            .copied()
            .unwrap_or(0)
    }

    /// What was wrong.
    pub fn faults(&self) -> Vec<String> {
        self.rows.lock().unwrap().faults.clone()
    }

    /// Refuses every event of a root, or none.
    pub fn poison(&self, root: Option<Vec<u8>>) {
        self.rows.lock().unwrap().poisoned = root;
    }

    fn note(&self, book: &v1::EventBook) -> Result<u32, Status> {
        let root = book
            .cover
            .as_ref()
            .unwrap()
            .root
            .as_ref()
            .unwrap()
            .value
            .to_vec();
        let mut rows = self.rows.lock().unwrap();
        if rows.poisoned.as_ref() == Some(&root) {
            return Err(Status::failed_precondition(
                "the ledger does not take this root",
            ));
        }
        let mut next = rows.next.get(&root).copied().unwrap_or(0);
        for page in &book.pages {
            let Some(Sequence::Num(sequence)) = page.sequence else {
                rows.faults.push("a page has no sequence".to_owned());
                continue;
            };
            if sequence > next {
                rows.faults
                    .push(format!("sequence {sequence} came, {next} is missing"));
            }
            if sequence == next {
                next += 1;
            }
        }
        rows.next.insert(root, next);
        Ok(next)
    }
}

#[tonic::async_trait]
impl Projector for Ledger {
    async fn handle(&self, request: Request<v1::EventBook>) -> Result<Response<()>, Status> {
        self.note(request.get_ref())?;
        Ok(Response::new(()))
    }

    async fn handle_sync(
        &self,
        request: Request<v1::EventBook>,
    ) -> Result<Response<v1::Projection>, Status> {
        let next = self.note(request.get_ref())?;
        Ok(Response::new(v1::Projection {
            cover: request.into_inner().cover,
            projector: "ledger".to_owned(),
            sequence: next.saturating_sub(1),
            projection: Some(any("Count", u64::from(next).to_le_bytes().to_vec())),
        }))
    }
}

/// Adds one to the same root of the domain `mirror` for each append.
struct Mirror;

#[tonic::async_trait]
impl Saga for Mirror {
    async fn handle(&self, _: Request<v1::EventBook>) -> Result<Response<()>, Status> {
        Err(Status::unimplemented("the mirror answers with commands"))
    }

    async fn handle_sync(
        &self,
        request: Request<v1::EventBook>,
    ) -> Result<Response<v1::SagaResponse>, Status> {
        let cover = v1::Cover {
            domain: "mirror".to_owned(),
            ..request.into_inner().cover.unwrap()
        };
        let command = v1::CommandBook {
            cover: Some(cover),
            pages: vec![v1::CommandPage {
                command: Some(any("Add", Vec::new())),
                ..v1::CommandPage::default()
            }],
            ..v1::CommandBook::default()
        };
        Ok(Response::new(v1::SagaResponse {
            commands: vec![command],
            events: Vec::new(),
        }))
    }
}
