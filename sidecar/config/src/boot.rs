//! The boot document: what a sidecar is. Changing it needs a restart.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::parse::{self, Error};
use crate::postgres::Postgres;
use crate::routing::LONGEST_TIME;

/// What a sidecar is, from start to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Boot {
    /// The namespace of its components; part of the name of every consumer's progress. No default, since progress is lost with another name.
    pub namespace: String,
    /// Where it keeps what it owns.
    pub storage: Storage,
    /// How events travel.
    pub bus: Bus,
    /// Where it listens.
    #[serde(default)]
    pub ports: Ports,
    /// What it runs; at least one.
    pub components: Vec<Component>,
}

/// A store. In documents it is one object whose `type` names the kind of database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Database", into = "Database")]
pub enum Storage {
    /// An SQLite file that only this process opens.
    File(Sqlite),
    /// A database on a server that all sidecars of the EventStore share.
    Server(Box<Server>),
}

impl Storage {
    /// Reads a store by itself, as a boot document has it under `storage`, from YAML or JSON.
    ///
    /// # Errors
    /// [`Error`] names every unknown key, or the first value that has the wrong type.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let storage: Self = parse::read(text)?;
        storage.validate()?;
        Ok(storage)
    }

    fn validate(&self) -> Result<(), Error> {
        match self {
            Self::File(file) => file.validate("storage"),
            Self::Server(server) => server.validate("storage"),
        }
    }
}

/// A file of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sqlite {
    /// The database file; its folder must exist.
    pub path: PathBuf,
    /// How long to wait for the file while another process has it open, such as one that still drains; default 40s, which is longer than a drain
    /// takes by default, with what a pod needs besides. `0s` does not wait.
    #[serde(default = "file_wait", with = "humantime_serde")]
    pub wait: Duration,
}

impl Sqlite {
    /// A file with the default settings.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            wait: file_wait(),
        }
    }

    fn validate(&self, path: &str) -> Result<(), Error> {
        if self.wait > LONGEST_TIME {
            let rule = format!("is {:?}; give 0s to 24h", self.wait);
            return Err(Error::at(format!("{path}.wait"), rule));
        }
        Ok(())
    }
}

fn file_wait() -> Duration {
    Duration::from_secs(40)
}

/// A kind of server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// PostgreSQL.
    Postgres(Postgres),
}

/// A store as documents write it.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Database {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

impl From<Database> for Storage {
    fn from(database: Database) -> Self {
        match database {
            Database::Sqlite(file) => Self::File(file),
            Database::Postgres(settings) => Self::Server(Box::new(Server::Postgres(*settings))),
        }
    }
}

impl From<Storage> for Database {
    fn from(storage: Storage) -> Self {
        match storage {
            Storage::File(file) => Self::Sqlite(file),
            Storage::Server(server) => match *server {
                Server::Postgres(settings) => Self::Postgres(Box::new(settings)),
            },
        }
    }
}

impl Server {
    fn validate(&self, path: &str) -> Result<(), Error> {
        match self {
            Self::Postgres(settings) => settings.validate(path),
        }
    }
}

/// A bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Bus {
    /// Sidecars call each other; there is no broker.
    Direct,
}

/// Where a sidecar listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ports {
    /// The address to listen on; default 0.0.0.0, all of the pod's.
    pub bind: IpAddr,
    /// The port of the gRPC services; default 9000. 0 takes a free one.
    pub grpc: u16,
    /// The port of health, metrics and administration; default 9090. 0 takes a free one.
    pub admin: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            grpc: 9000,
            admin: 9090,
        }
    }
}

/// One thing that a sidecar runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Component {
    /// An aggregate: it takes the commands of a domain and owns its events.
    Aggregate(Aggregate),
    /// A projector.
    Projector(Projector),
    /// A saga.
    Saga(Saga),
}

/// An aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Aggregate {
    /// The domain that it belongs to.
    pub domain: String,
    /// The address of its logic.
    pub logic: Endpoint,
    /// The version of its snapshots; another one makes old snapshots unread. Default 0.
    #[serde(default)]
    pub snapshot_version: u32,
}

/// A projector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Projector {
    /// Its name.
    pub name: String,
    /// Which rpc of the logic is called. Default `async`.
    #[serde(default)]
    pub mode: Mode,
    /// What it reads; at least one.
    pub sources: Vec<Source>,
    /// Where it starts in a source that it has never read. Default `beginning`.
    #[serde(default = "beginning")]
    pub start_from: Start,
    /// The address of its logic.
    pub logic: Endpoint,
}

/// A saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Saga {
    /// Its name.
    pub name: String,
    /// What it reads; at least one.
    pub sources: Vec<Source>,
    /// Where it starts in a source that it has never read. Default `now`: a new saga does not command over old history.
    #[serde(default = "now")]
    pub start_from: Start,
    /// The address of its logic.
    pub logic: Endpoint,
}

fn beginning() -> Start {
    Start::Beginning
}

fn now() -> Start {
    Start::Now
}

/// Which rpc of a projector's logic is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// `Handle`; commands do not wait for it.
    #[default]
    Async,
    /// `HandleSync`; commands in mode SIMPLE wait for it and get its projection.
    Sync,
}

/// A domain that a consumer reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// The domain.
    pub domain: String,
    /// The full names of the event types that it wants; none means all.
    #[serde(default)]
    pub event_types: Vec<String>,
}

/// Where a consumer starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Start {
    /// With the first event.
    Beginning,
    /// After the last event there is.
    Now,
}

impl Boot {
    /// Reads a boot document from YAML.
    ///
    /// # Errors
    /// [`Error`] names every unknown key, or the first value that has the wrong type.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let boot: Self = parse::read(text)?;
        boot.validate()?;
        Ok(boot)
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        self.storage.validate()?;
        if self.components.is_empty() {
            return Err(Error::at(
                "components",
                "is empty; list at least one component",
            ));
        }
        validate_name("namespace", &self.namespace)?;
        let mut seen = BTreeSet::new();
        for (index, component) in self.components.iter().enumerate() {
            let (kind, name, sources) = match component {
                Component::Aggregate(it) => ("aggregate", &it.domain, None),
                Component::Projector(it) => ("projector", &it.name, Some(&it.sources)),
                Component::Saga(it) => ("saga", &it.name, Some(&it.sources)),
            };
            if !seen.insert((kind, name)) {
                return Err(Error::at(
                    format!("components[{index}]"),
                    format!("is a second {kind} {name}; each may occur once"),
                ));
            }
            match sources {
                None => validate_name(&format!("components[{index}].domain"), name)?,
                Some(sources) => {
                    validate_name(&format!("components[{index}].name"), name)?;
                    validate_sources(&format!("components[{index}].sources"), sources)?;
                }
            }
        }
        Ok(())
    }
}

/// Names become parts of keys, which join them with slashes.
fn validate_name(path: &str, name: &str) -> Result<(), Error> {
    let is_plain = |c: char| !c.is_control() && !c.is_whitespace() && c != '/';
    if name.is_empty() || name.len() > 253 || !name.chars().all(is_plain) {
        return Err(Error::at(
            path,
            format!(
                "is {name:?}; give 1 to 253 bytes without spaces, slashes and control characters"
            ),
        ));
    }
    Ok(())
}

fn validate_sources(path: &str, sources: &[Source]) -> Result<(), Error> {
    if sources.is_empty() {
        return Err(Error::at(path, "is empty; name at least one domain"));
    }
    let mut seen = BTreeSet::new();
    for (index, source) in sources.iter().enumerate() {
        if !seen.insert(&source.domain) {
            return Err(Error::at(
                format!("{path}[{index}]"),
                format!(
                    "names {} a second time; each domain may occur once",
                    source.domain
                ),
            ));
        }
    }
    Ok(())
}
