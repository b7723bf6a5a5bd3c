//! The configuration that a person writes for one process, as the pitch shows it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::boot::{
    Aggregate, Boot, Bus, Component, Mode, Ports, Projector, Saga, Server, Source, Sqlite, Start,
    Storage,
};
use crate::endpoint::Endpoint;
use crate::parse::{self, Error};
use crate::postgres::{Connection, Postgres};
use crate::secret::Secret;

/// The file as written; each list may be absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct File {
    storage: StorageEntry,
    bus: BusEntry,
    #[serde(default)]
    business_logic: Vec<LogicEntry>,
    #[serde(default)]
    projectors: Vec<ProjectorEntry>,
    #[serde(default)]
    sagas: Vec<SagaEntry>,
    #[serde(default)]
    ports: Option<Ports>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StorageEntry {
    r#type: String,
    /// A file, or a URL that may hold credentials.
    path: Option<Secret>,
    database: Option<String>,
    #[serde(default, with = "humantime_serde")]
    wait: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct BusEntry {
    r#type: String,
    url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LogicEntry {
    domain: String,
    address: Endpoint,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ProjectorEntry {
    name: String,
    address: Endpoint,
    #[serde(default)]
    synchronous: bool,
    #[serde(default)]
    sources: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SagaEntry {
    name: String,
    address: Endpoint,
    #[serde(default)]
    sources: Vec<String>,
}

/// Reads a configuration file of either form: a boot document, which has `components`, or one written by hand, which has `business_logic`,
/// `projectors` or `sagas`.
///
/// # Errors
/// [`Error`] names every unknown key, or the first value that is wrong.
pub fn parse(text: &str) -> Result<Boot, Error> {
    let value = parse::value(text)?;
    if value.get("components").is_some() {
        return Boot::parse(text);
    }
    check_type(&value, "storage", &["sqlite", "postgres"])?;
    check_type(&value, "bus", &["direct"])?;
    let boot = resolve(parse::typed(&value)?)?;
    boot.validate()?;
    Ok(boot)
}

/// A file for a store or bus of another version may hold credentials in unknown places, so the types are checked first.
fn check_type(value: &Value, key: &str, known: &[&str]) -> Result<(), Error> {
    let named = value.get(key).and_then(|it| it.get("type"));
    let named = named.and_then(Value::as_str);
    if named.is_some_and(|named| known.contains(&named)) {
        return Ok(());
    }
    let wrong = named.map_or_else(|| "missing".to_owned(), |named| format!("{named:?}"));
    let known = known.join(" and ");
    let message = format!("is {wrong}; this version has {known}");
    Err(Error::at(format!("{key}.type"), message))
}

fn resolve(file: File) -> Result<Boot, Error> {
    let storage = resolve_storage(file.storage)?;
    if file.bus.url.is_some() {
        return Err(Error::at(
            "bus.url",
            "has no meaning for the direct bus; remove it",
        ));
    }
    let all: Vec<_> = file
        .business_logic
        .iter()
        .map(|it| it.domain.clone())
        .collect();
    let mut components = Vec::new();
    for it in file.business_logic {
        components.push(Component::Aggregate(Aggregate {
            domain: it.domain,
            logic: it.address,
            snapshot_version: 0,
        }));
    }
    for (index, it) in file.projectors.into_iter().enumerate() {
        let mode = if it.synchronous {
            Mode::Sync
        } else {
            Mode::Async
        };
        let sources = sources(it.sources, &all, &format!("projectors[{index}].sources"))?;
        components.push(Component::Projector(Projector {
            name: it.name,
            mode,
            sources,
            start_from: Start::Beginning,
            logic: it.address,
        }));
    }
    for (index, it) in file.sagas.into_iter().enumerate() {
        let sources = sources(it.sources, &all, &format!("sagas[{index}].sources"))?;
        components.push(Component::Saga(Saga {
            name: it.name,
            sources,
            start_from: Start::Now,
            logic: it.address,
        }));
    }
    Ok(Boot {
        namespace: "default".to_owned(),
        storage,
        bus: Bus::Direct,
        ports: file.ports.unwrap_or_default(),
        components,
    })
}

fn resolve_storage(entry: StorageEntry) -> Result<Storage, Error> {
    if entry.r#type == "postgres" {
        if entry.wait.is_some() {
            return Err(Error::at(
                "storage.wait",
                "has no meaning for postgres; remove it",
            ));
        }
        let missing = "is missing; write postgres://user:password@host:port/database";
        let url = entry
            .path
            .ok_or_else(|| Error::at("storage.path", missing))?;
        return Ok(Storage::Server(Box::new(Server::Postgres(Postgres {
            database: entry.database,
            ..Postgres::new(Connection::Url { url })
        }))));
    }
    if entry.database.is_some() {
        return Err(Error::at(
            "storage.database",
            "has no meaning for sqlite; remove it",
        ));
    }
    let path = entry
        .path
        .ok_or_else(|| Error::at("storage.path", "is missing; name the database file"))?;
    let file = Sqlite::new(path.reveal());
    Ok(Storage::File(Sqlite {
        wait: entry.wait.unwrap_or(file.wait),
        ..file
    }))
}

/// A consumer without sources takes all domains of the file.
fn sources(named: Vec<String>, all: &[String], path: &str) -> Result<Vec<Source>, Error> {
    let domains = if named.is_empty() {
        all.to_vec()
    } else {
        named
    };
    if domains.is_empty() {
        return Err(Error::at(
            path,
            "is empty and the file has no business_logic; name at least one domain",
        ));
    }
    let all_events = |domain| Source {
        domain,
        event_types: Vec::new(),
    };
    Ok(domains.into_iter().map(all_events).collect())
}
