//! Clients that send invalid or too many requests, or disconnect: each gets a clear error, nothing is stored partially, other clients continue.

mod delivery;
mod floods;
mod memory;
mod ports;
mod requests;
mod stalls;
mod texts;

use angzarr_proto::v1;
use angzarr_tests::client::{command, execute, pages, root, sequences};
use angzarr_tests::probe::Probes;
use angzarr_tests::sidecar::{Place, Process};
use tonic::Status;

use crate::PROGRAM;

/// A sidecar with well-behaved logic.
struct System {
    place: Place,
    process: Process,
    _probes: Probes,
}

impl System {
    async fn start() -> Self {
        Self::start_with("\"timeouts\":{\"command\":\"3s\"}").await
    }

    async fn start_with(settings: &str) -> Self {
        let probes = Probes::start().await;
        let place = Place::new(PROGRAM, &probes.components());
        place.route(&format!("{{\"schemaVersion\":1,{settings}}}"));
        let process = place.start_ready().await;
        Self {
            place,
            process,
            _probes: probes,
        }
    }

    async fn ask(&self, name: &str, to: u8, id: &str) -> Result<v1::CommandResponse, Status> {
        execute(self.place.channel(), command(name, root(to), id)).await
    }

    async fn stored(&self, number: u8) -> Vec<v1::EventPage> {
        let read = pages(self.place.channel(), "tally", root(number)).await;
        read.unwrap()
    }

    /// A command to a root takes effect after all stored events; the logic checks that history.
    async fn expect_whole(&self, number: u8) {
        let stored = u32::try_from(self.stored(number).await.len()).unwrap();
        let id = format!("whole-{stored}");
        let answer = self.ask("Add", number, &id).await.unwrap();
        assert!(sequences(&answer)[0] >= stored);
    }

    /// The resident memory of the process.
    fn memory_bytes(&self) -> usize {
        self.process.memory_bytes()
    }
}
