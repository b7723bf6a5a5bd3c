//! The routing document: where other sidecars are, and the settings that change while a sidecar runs.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::directory::Directory;
use crate::endpoint::Endpoint;
use crate::parse::{self, Error};

/// The version of this document that this release writes and reads.
pub const SCHEMA_VERSION: u32 = 1;

/// The most bytes of one message between sidecar and logic, and between sidecars: a history, a command, and [`ROOM_BYTES`].
pub const MESSAGE_BYTES: usize = (20 << 20) + ROOM_BYTES;

/// What a message has room for beside what limits count: covers, ids, and the lengths before each.
pub const ROOM_BYTES: usize = 1 << 20;

/// The longest time that a setting can have.
pub const LONGEST_TIME: Duration = Duration::from_hours(24);

/// Where other sidecars are, and the settings that change while a sidecar runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Routing {
    /// The version of the document; this release reads 1.
    pub schema_version: u32,
    /// The id that a store on a server must have, as the directory has it; default is any.
    #[serde(default)]
    pub store_id: Option<Uuid>,
    /// Who owns a domain: its sidecars' gRPC endpoints. Domains that this sidecar runs itself need not be listed here.
    #[serde(default)]
    pub owners: BTreeMap<String, Vec<Endpoint>>,
    /// Where the events of a domain that is read here come from; default is its owner. In a cluster these addresses also lead to pods that are not
    /// ready yet, so that consumers do not wait for each other.
    #[serde(default)]
    pub sources: BTreeMap<String, Vec<Endpoint>>,
    /// The synchronous projectors of the domains that this sidecar owns, with their sidecars' endpoints.
    #[serde(default)]
    pub projectors: BTreeMap<String, BTreeMap<String, Vec<Endpoint>>>,
    /// How much is allowed.
    #[serde(default)]
    pub limits: Limits,
    /// How long to wait.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How consumers deliver.
    #[serde(default)]
    pub delivery: Delivery,
    /// How much each consumer sends at a time, and how much may wait to be sent.
    #[serde(default)]
    pub outgoing: Outgoing,
    /// The owners that this document named before a directory added more.
    #[serde(skip)]
    named: Option<BTreeSet<String>>,
}

/// How much is allowed.
///
/// Sizes in bytes are those of whole messages: a page counts as its type, its value, its external id and 64 bytes for all other fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// One command page or event; default 1 MiB.
    pub page_bytes: usize,
    /// All events of an append, or a snapshot; default 4 MiB.
    pub append_bytes: usize,
    /// Events of an append, or pages of a command; default 1,000, which is also the most.
    pub append_pages: usize,
    /// History that the logic is sent, and the book of a query; default 16 MiB. With `appendBytes` at most 20 MiB, since both are one message.
    pub history_bytes: usize,
    /// Commands that may wait for one root; default 1,024.
    pub in_flight_per_root: usize,
    /// Commands in flight in a domain; default 4,096.
    pub in_flight: usize,
    /// Bytes of the calls that the sidecar serves at a time, queries aside: so many of those to its own domains, of those through its gateway, and of the
    /// histories that commands are judged on; default 32 MiB. What finds no room waits.
    pub in_flight_bytes: usize,
    /// Bytes of events that the queries under way hold; default 64 MiB. What finds no room waits.
    pub query_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            page_bytes: 1 << 20,
            append_bytes: 4 << 20,
            append_pages: 1_000,
            history_bytes: 16 << 20,
            in_flight_per_root: 1_024,
            in_flight: 4_096,
            in_flight_bytes: 32 << 20,
            query_bytes: 64 << 20,
        }
    }
}

/// How long to wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Timeouts {
    /// A command without a deadline of its own, and the most that one may ask for; default 30s.
    #[serde(with = "humantime_serde")]
    pub command: Duration,
    /// A consumer's call to its logic; default 30s.
    #[serde(with = "humantime_serde")]
    pub logic: Duration,
    /// The synchronous stage of a command; default 10s.
    #[serde(with = "humantime_serde")]
    pub sync: Duration,
    /// How long a stopping sidecar has to finish its work; default 25s.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
    /// How long a client may take nothing of a reply, or send nothing of a request, while that holds memory; then the call ends. Default 20s.
    #[serde(with = "humantime_serde")]
    pub client: Duration,
    /// How long a consumer's lease outlives its last renewal, and so how long the consumer may pause when its sidecar dies; default 15s.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            command: seconds(30),
            logic: seconds(30),
            sync: seconds(10),
            drain: seconds(25),
            client: seconds(20),
            lease: seconds(15),
        }
    }
}

/// How consumers deliver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Delivery {
    /// How often the logic may return an error for an append before its root is parked; default 5.
    pub max_attempts: u32,
    /// The pause after the first failure; it doubles. Default 100ms.
    #[serde(with = "humantime_serde")]
    pub backoff_initial: Duration,
    /// The longest pause; default 30s.
    #[serde(with = "humantime_serde")]
    pub backoff_max: Duration,
    /// Roots that are handled concurrently; default 16.
    pub concurrency: usize,
    /// Appends under way per source; default 256.
    pub credit: u32,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            backoff_initial: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
            concurrency: 16,
            credit: 256,
        }
    }
}

/// How much each consumer sends at a time, and how much may wait to be sent.
///
/// One command may always be under way to each domain, however large it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Outgoing {
    /// Commands and records of facts under way to one domain; default 16.
    pub per_target: usize,
    /// Their bytes; default 4 MiB.
    pub target_bytes: usize,
    /// Bytes under way to all domains; default 32 MiB.
    pub bytes: usize,
    /// Commands and records of facts that wait in the store before the consumer takes in no more events; default 10,000. Of each, about 400 bytes are in
    /// memory.
    pub waiting: usize,
    /// Their bytes, likewise; default 256 MiB.
    pub waiting_bytes: usize,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self {
            per_target: 16,
            target_bytes: 4 << 20,
            bytes: 32 << 20,
            waiting: 10_000,
            waiting_bytes: 256 << 20,
        }
    }
}

impl Default for Routing {
    /// No other sidecars, and the default settings.
    fn default() -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            store_id: None,
            owners: BTreeMap::new(),
            sources: BTreeMap::new(),
            projectors: BTreeMap::new(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            delivery: Delivery::default(),
            outgoing: Outgoing::default(),
            named: None,
        }
    }
}

impl Routing {
    /// Reads a routing document from YAML or JSON.
    ///
    /// # Errors
    /// [`Error`] names every unknown key, or the first value that is wrong.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let routing: Self = parse::read(text)?;
        check_version(routing.schema_version)?;
        routing.validate_counts()?;
        routing.validate_outgoing()?;
        routing.validate_times()?;
        Ok(routing)
    }

    /// Refuses numbers that allow nothing, or more than a process can hold.
    fn validate_counts(&self) -> Result<(), Error> {
        let (limits, delivery) = (&self.limits, &self.delivery);
        let message = MESSAGE_BYTES - ROOM_BYTES;
        // The largest call with the largest history must fit.
        let memory = 32 << 20..=1 << 40;
        let counts = [
            ("limits.pageBytes", limits.page_bytes, 1..=message),
            ("limits.appendBytes", limits.append_bytes, 1..=message),
            ("limits.appendPages", limits.append_pages, 1..=1_000),
            ("limits.historyBytes", limits.history_bytes, 1..=message),
            (
                "limits.inFlightPerRoot",
                limits.in_flight_per_root,
                1..=65_536,
            ),
            ("limits.inFlight", limits.in_flight, 1..=65_536),
            (
                "limits.inFlightBytes",
                limits.in_flight_bytes,
                memory.clone(),
            ),
            ("limits.queryBytes", limits.query_bytes, memory),
            (
                "delivery.maxAttempts",
                delivery.max_attempts as usize,
                1..=1_000_000,
            ),
            ("delivery.concurrency", delivery.concurrency, 1..=10_000),
            ("delivery.credit", delivery.credit as usize, 1..=65_536),
        ];
        check_counts(counts)?;
        let sum = limits.history_bytes + limits.append_bytes;
        if sum > message {
            let rule = format!(
                "and limits.appendBytes are {sum} together; give at most {message}, since both are sent in one message"
            );
            return Err(Error::at("limits.historyBytes", rule));
        }
        Ok(())
    }

    fn validate_outgoing(&self) -> Result<(), Error> {
        let outgoing = &self.outgoing;
        let bytes = 1..=1 << 40;
        check_counts([
            ("outgoing.perTarget", outgoing.per_target, 1..=10_000),
            ("outgoing.targetBytes", outgoing.target_bytes, bytes.clone()),
            ("outgoing.bytes", outgoing.bytes, bytes.clone()),
            ("outgoing.waiting", outgoing.waiting, 1..=1_000_000),
            ("outgoing.waitingBytes", outgoing.waiting_bytes, bytes),
        ])
    }

    /// Refuses times that are none, or that nobody lives to see.
    fn validate_times(&self) -> Result<(), Error> {
        let (delivery, timeouts) = (&self.delivery, &self.timeouts);
        let some = Duration::from_nanos(1);
        let times = [
            ("timeouts.command", timeouts.command, some),
            ("timeouts.logic", timeouts.logic, some),
            ("timeouts.sync", timeouts.sync, some),
            ("timeouts.drain", timeouts.drain, Duration::ZERO),
            ("timeouts.client", timeouts.client, some),
            ("timeouts.lease", timeouts.lease, Duration::from_secs(1)),
            ("delivery.backoffInitial", delivery.backoff_initial, some),
            ("delivery.backoffMax", delivery.backoff_max, some),
        ];
        for (field, time, least) in times {
            if time < least && least == some {
                return Err(Error::at(field, "must be longer than 0s"));
            }
            if time < least || time > LONGEST_TIME {
                let rule = format!("is {time:?}; give {least:?} to 24h");
                return Err(Error::at(field, rule));
            }
        }
        Ok(())
    }

    /// Adds the owners that a directory names, and the id of the store; those of this document stay.
    pub fn with_directory(mut self, directory: Directory) -> Self {
        let own = self.owners.keys().cloned();
        self.named = Some(self.named.unwrap_or_else(|| own.collect()));
        self.store_id = self.store_id.or(directory.store_id);
        for (domain, endpoints) in directory.owners {
            self.owners.entry(domain).or_insert(endpoints);
        }
        self
    }

    /// The domains that sagas of this sidecar command: those whose owners the document names itself, apart from a directory.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        let is_named = |domain: &&String| self.named.as_ref().is_none_or(|it| it.contains(*domain));
        self.owners.keys().filter(is_named).map(String::as_str)
    }

    /// The document as canonical JSON: the same text for the same meaning.
    pub fn canonical(&self) -> String {
        serde_json::to_string(self).expect("configuration is plain data")
    }

    /// A hash over the meaning, as 16 hexadecimal digits.
    pub fn hash(&self) -> String {
        let digest = Sha256::digest(self.canonical());
        digest
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

fn check_counts<const N: usize>(
    counts: [(&str, usize, RangeInclusive<usize>); N],
) -> Result<(), Error> {
    for (field, count, allowed) in counts {
        if !allowed.contains(&count) {
            let (least, most) = allowed.into_inner();
            let rule = format!("is {count}; give {least} to {most}");
            return Err(Error::at(field, rule));
        }
    }
    Ok(())
}

/// This release reads one version of routing and directory.
pub(crate) fn check_version(found: u32) -> Result<(), Error> {
    if found == SCHEMA_VERSION {
        return Ok(());
    }
    Err(Error::at(
        "schemaVersion",
        format!("is {found}; this sidecar reads {SCHEMA_VERSION}"),
    ))
}
