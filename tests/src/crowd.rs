//! A sidecar with many roots that are parked for one consumer, the projector `journal`.

use std::process::ExitStatus;

use futures::StreamExt;
use futures::stream;

use crate::client::{command, execute};
use crate::probe::{Behaviour, Probes};
use crate::sidecar::{Place, Process, until};

/// Every failure parks at once.
const ROUTING: &str = "{\"schemaVersion\":1,\"delivery\":{\"maxAttempts\":1,\"backoffInitial\":\"10ms\",\"backoffMax\":\"20ms\"}}";
/// Commands in flight.
const CONCURRENT: usize = 16;

/// A sidecar with many parked roots.
pub struct Crowd {
    /// Its logic; the journal refuses everything at first.
    pub probes: Probes,
    /// Where it is.
    pub place: Place,
    /// The process.
    pub process: Process,
    /// How many roots are parked.
    pub roots: u16,
}

impl Crowd {
    /// Parks so many roots at sequence 0, each with so many events.
    ///
    /// # Panics
    /// When they are not parked in time.
    pub async fn park(program: &str, roots: u16, events: u16) -> Self {
        let probes = Probes::start().await;
        probes.journal.behave(Behaviour::RefusesAll);
        let at = probes.port;
        let components = format!(
            "- {{kind: aggregate, domain: tally, logic: '127.0.0.1:{at}'}}
- {{kind: projector, name: journal, sources: [{{domain: tally}}], logic: '127.0.0.1:{at}'}}
"
        );
        let place = Place::new(program, &components);
        place.route(ROUTING);
        let process = place.start_ready().await;
        let crowd = Self {
            probes,
            place,
            process,
            roots,
        };
        let channel = crowd.place.channel();
        let commands = (0..roots).map(|number| {
            let channel = channel.clone();
            async move {
                for event in 0..events {
                    let add = command("Add", member(number), &format!("{number}-{event}"));
                    execute(channel.clone(), add).await.unwrap();
                }
            }
        });
        let sent = stream::iter(commands).buffer_unordered(CONCURRENT);
        sent.collect::<Vec<_>>().await;
        let all = u64::from(roots) * u64::from(events);
        until(async || {
            let status = crowd.place.status().await;
            let consumer = &status["consumers"][0];
            consumer["parked"] == roots && consumer["sources"][0]["cursor"] == all
        })
        .await;
        crowd
    }

    /// Runs `parked` with words; returns its exit status and everything that it printed.
    pub async fn ask(&self, words: &[&str]) -> (ExitStatus, String) {
        self.place.ask(&[&["parked"], words].concat()).await
    }

    /// How many roots are parked.
    ///
    /// # Panics
    /// When the sidecar does not reply.
    pub async fn parked(&self) -> usize {
        let (status, said) = self.ask(&["list", "--json"]).await;
        assert!(status.success(), "{said}");
        let listed: serde_json::Value = serde_json::from_str(&said).unwrap();
        listed[0]["roots"].as_array().unwrap().len()
    }
}

/// A root by its number; the list has them in this order.
pub fn member(number: u16) -> Vec<u8> {
    u128::from(number).to_be_bytes().to_vec()
}

/// A root as the list shows it.
pub fn title(number: u16) -> String {
    format!("tally/{}", uuid::Uuid::from_u128(number.into()))
}
