//! Projectors that record received events and faults in them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use angzarr_proto::v1;
use angzarr_proto::v1::event_page::Sequence;
use angzarr_proto::v1::projector_server::Projector;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::any;
use super::tally::Tally;

/// How a ledger handles events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// It accepts everything.
    #[default]
    Takes,
    /// It refuses every event of a root.
    Refuses(Vec<u8>),
    /// It refuses every event.
    RefusesAll,
    /// It refuses every event of a root with a message.
    RefusesWith(Vec<u8>, String),
    /// It accepts everything, after a delay.
    Delays(Duration),
    /// It accepts everything, and its projections have so many bytes.
    Inflates(usize),
    /// It never replies.
    Hangs,
    /// It exits its process on an event of a root.
    Dies(Vec<u8>),
}

/// Keeps the fold of the events of each root, and faults in them.
#[derive(Clone, Default)]
pub struct Ledger {
    rows: Arc<Mutex<Rows>>,
}

#[derive(Default)]
struct Rows {
    tallies: BTreeMap<Vec<u8>, Tally>,
    faults: Vec<String>,
    behaviour: Behaviour,
}

impl Ledger {
    /// The number of received events of a root.
    pub fn count(&self, root: &[u8]) -> u32 {
        u32::try_from(self.tally(root).count).unwrap()
    }

    /// The fold of the received events of a root.
    pub fn tally(&self, root: &[u8]) -> Tally {
        let rows = self.rows.lock().unwrap();
        rows.tallies.get(root).copied().unwrap_or_default()
    }

    /// The faults.
    pub fn faults(&self) -> Vec<String> {
        self.rows.lock().unwrap().faults.clone()
    }

    /// Changes the behaviour from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        self.rows.lock().unwrap().behaviour = behaviour;
    }

    /// Refuses every event of a root, or none.
    pub fn poison(&self, root: Option<Vec<u8>>) {
        self.behave(root.map_or(Behaviour::Takes, Behaviour::Refuses));
    }

    async fn take(&self, book: &v1::EventBook) -> Result<Tally, Status> {
        let root = root(book);
        let behaviour = self.rows.lock().unwrap().behaviour.clone();
        match behaviour {
            Behaviour::Takes | Behaviour::Inflates(_) => {}
            Behaviour::Refuses(refused) if refused == root => {
                return Err(Status::failed_precondition(
                    "the ledger does not take this root",
                ));
            }
            Behaviour::RefusesAll => {
                return Err(Status::internal("the ledger takes nothing"));
            }
            Behaviour::Dies(deadly) if deadly == root => std::process::abort(),
            Behaviour::RefusesWith(refused, message) if refused == root => {
                return Err(Status::invalid_argument(message));
            }
            Behaviour::Refuses(_) | Behaviour::RefusesWith(..) | Behaviour::Dies(_) => {}
            Behaviour::Delays(delay) => tokio::time::sleep(delay).await,
            Behaviour::Hangs => std::future::pending().await,
        }
        Ok(self.note(root, book))
    }

    fn note(&self, root: Vec<u8>, book: &v1::EventBook) -> Tally {
        let mut rows = self.rows.lock().unwrap();
        let mut tally = rows.tallies.get(&root).copied().unwrap_or_default();
        for page in &book.pages {
            let Some(Sequence::Num(sequence)) = page.sequence else {
                rows.faults.push("a page has no sequence".to_owned());
                continue;
            };
            let next = tally.count;
            if u64::from(sequence) > next {
                let fault = format!("sequence {sequence} of {root:?} came, {next} is missing");
                rows.faults.push(fault);
            } else if u64::from(sequence) == next {
                let taken = tally.take(page.event.as_ref().unwrap());
                rows.faults.extend(taken.err());
            }
        }
        rows.tallies.insert(root, tally);
        tally
    }
}

fn root(book: &v1::EventBook) -> Vec<u8> {
    let cover = book.cover.as_ref().unwrap();
    cover.root.as_ref().unwrap().value.to_vec()
}

/// The projectors on one port, distinguished by the metadata with their name.
pub(super) struct Ledgers {
    pub(super) ledger: Ledger,
    pub(super) journal: Ledger,
}

impl Ledgers {
    fn named(&self, metadata: &MetadataMap) -> Result<&Ledger, Status> {
        let name = metadata.get("x-angzarr-projector");
        match name.and_then(|name| name.to_str().ok()) {
            Some("ledger") => Ok(&self.ledger),
            Some("journal") => Ok(&self.journal),
            other => Err(Status::not_found(format!("{other:?} is no projector"))),
        }
    }
}

#[tonic::async_trait]
impl Projector for Ledgers {
    async fn handle(&self, request: Request<v1::EventBook>) -> Result<Response<()>, Status> {
        let ledger = self.named(request.metadata())?;
        ledger.take(request.get_ref()).await?;
        Ok(Response::new(()))
    }

    async fn handle_sync(
        &self,
        request: Request<v1::EventBook>,
    ) -> Result<Response<v1::Projection>, Status> {
        let ledger = self.named(request.metadata())?;
        let count = ledger.take(request.get_ref()).await?.count;
        let mut state = count.to_le_bytes().to_vec();
        if let Behaviour::Inflates(bytes) = ledger.rows.lock().unwrap().behaviour {
            state.resize(bytes, 0);
        }
        let sequence = u32::try_from(count.saturating_sub(1)).unwrap();
        Ok(Response::new(v1::Projection {
            cover: request.into_inner().cover,
            projector: "ledger".to_owned(),
            sequence,
            projection: Some(any("Count", state)),
        }))
    }
}
