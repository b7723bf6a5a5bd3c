//! Logic that checks its input: a counting aggregate, two projectors that keep ledgers, and a mirroring saga.

mod counter;
mod ledger;
mod mirror;
mod tally;

use std::net::SocketAddr;

use angzarr_proto::v1::business_logic_server::BusinessLogicServer;
use angzarr_proto::v1::projector_server::ProjectorServer;
use angzarr_proto::v1::saga_server::SagaServer;
use prost_types::Any;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Router;

pub use ledger::{Behaviour, Ledger};
pub use tally::{Tally, note, number};

use counter::Counter;
use ledger::Ledgers;
use mirror::Mirror;

use crate::client::MOST;

/// A message of the probes in an `Any`.
pub fn any(name: &str, value: Vec<u8>) -> Any {
    Any {
        type_url: format!("type.googleapis.com/probe.v1.{name}"),
        value,
    }
}

/// All probes on one port, until it is dropped.
pub struct Probes {
    /// The port.
    pub port: u16,
    /// The ledger of the synchronous projector.
    pub ledger: Ledger,
    /// The ledger of the asynchronous projector.
    pub journal: Ledger,
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
        let (ledger, journal) = (Ledger::default(), Ledger::default());
        let stop = CancellationToken::new();
        let ledgers = Ledgers {
            ledger: ledger.clone(),
            journal: journal.clone(),
        };
        let router = router(Counter { is_alone: false }, ledgers);
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(
            router.serve_with_incoming_shutdown(TcpListenerStream::new(listener), stopped),
        );
        Self {
            port,
            ledger,
            journal,
            stop,
        }
    }

    /// Ends them, as an outage would.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// The components of a boot document that uses every probe.
    pub fn components(&self) -> String {
        let mut components = aggregates(self.port);
        components.push_str(&consumers(self.port));
        components
    }

    /// A component that has nothing to do with the domains of [`Probes::components`].
    pub fn bystander(&self) -> String {
        let at = self.port;
        format!("- {{kind: aggregate, domain: other, logic: '127.0.0.1:{at}'}}\n")
    }
}

/// The aggregates of a boot document, with their logic at a port.
pub fn aggregates(at: u16) -> String {
    let domains = ["tally", "mirror", "notes"];
    let aggregates = domains.map(|domain| {
        format!("- {{kind: aggregate, domain: {domain}, logic: '127.0.0.1:{at}'}}\n")
    });
    aggregates.concat()
}

/// The consumers of a boot document, with their logic at a port.
pub fn consumers(at: u16) -> String {
    let components = [
        "kind: projector, name: ledger, mode: sync",
        "kind: projector, name: journal, mode: async",
        "kind: saga, name: mirror, startFrom: beginning",
    ];
    let consumers = components.map(|component| {
        format!("- {{{component}, sources: [{{domain: tally}}], logic: '127.0.0.1:{at}'}}\n")
    });
    consumers.concat()
}

fn router(counter: Counter, ledgers: Ledgers) -> Router {
    Server::builder()
        .add_service(BusinessLogicServer::new(counter).max_decoding_message_size(MOST))
        .add_service(ProjectorServer::new(ledgers))
        .add_service(SagaServer::new(Mirror))
}

/// Serves all probes in this process; the synchronous ledger exits on an event of the root, if one is given.
///
/// # Panics
/// When the port is in use.
pub async fn serve_alone(port: u16, deadly: Option<Vec<u8>>) {
    let ledgers = Ledgers {
        ledger: Ledger::default(),
        journal: Ledger::default(),
    };
    ledgers
        .ledger
        .behave(deadly.map_or(Behaviour::Takes, Behaviour::Dies));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    router(Counter { is_alone: true }, ledgers)
        .serve(address)
        .await
        .unwrap();
}
