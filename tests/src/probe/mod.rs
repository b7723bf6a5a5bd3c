//! Logic that checks what it is given: an aggregate that counts, two projectors that keep ledgers, a saga that mirrors.

mod counter;
mod ledger;
mod mirror;
mod tally;

use angzarr_proto::v1::business_logic_server::BusinessLogicServer;
use angzarr_proto::v1::projector_server::ProjectorServer;
use angzarr_proto::v1::saga_server::SagaServer;
use prost_types::Any;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

pub use ledger::{Behaviour, Ledger};
pub use tally::{Tally, note, number};

use counter::Counter;
use ledger::Ledgers;
use mirror::Mirror;

const MOST: usize = 32 << 20;

/// Names a message of the probes.
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
    /// What the synchronous projector saw.
    pub ledger: Ledger,
    /// What the asynchronous projector saw.
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
        let router = Server::builder()
            .add_service(BusinessLogicServer::new(Counter).max_decoding_message_size(MOST))
            .add_service(ProjectorServer::new(ledgers))
            .add_service(SagaServer::new(Mirror));
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

    /// The components of a boot document that uses every probe.
    pub fn components(&self) -> String {
        let at = format!("127.0.0.1:{}", self.port);
        format!(
            "- {{kind: aggregate, domain: tally, logic: '{at}'}}
- {{kind: aggregate, domain: mirror, logic: '{at}'}}
- {{kind: aggregate, domain: notes, logic: '{at}'}}
- {{kind: projector, name: ledger, mode: sync, sources: [{{domain: tally}}], logic: '{at}'}}
- {{kind: projector, name: journal, mode: async, sources: [{{domain: tally}}], logic: '{at}'}}
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
