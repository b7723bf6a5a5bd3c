//! What runs, on which ports, with which command. Documents are written before anything starts, and again when a port has to change.
//!
//! # Design
//! A process that ended is asked for the ports that it had before it starts again: one that another program has taken meanwhile is chosen again,
//! and all sidecars are informed. So no port has to be watched, and a port is left only when it cannot be had.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use angzarr_config::boot::Ports as Listening;
use angzarr_config::endpoint::Endpoint;
use anyhow::{Context, Result, anyhow};
use tokio::sync::Notify;
use url::Url;

use super::connections;
use super::folder::{Address, Folder};
use super::images::{Command, Image, Images};
use super::ports::{self, Ports};
use crate::model::{Key, StoreKey, System};
use crate::plan::{DirectoryKey, Place, documents};

/// Everything that is to run.
pub(super) struct Stage {
    system: System,
    images: BTreeMap<String, Image>,
    /// The folders that say how to reach stores on servers.
    connections: BTreeMap<StoreKey, PathBuf>,
    /// The folder of `local.yaml`.
    beside: PathBuf,
    sidecar: PathBuf,
    folder: Folder,
    allocation: Mutex<Allocation>,
    signals: BTreeMap<Key, Signals>,
}

/// The signals between the processes of a component.
#[derive(Default)]
struct Signals {
    /// The sidecar was started.
    started: Notify,
    /// The logic has moved, so the sidecar has to start over.
    moved: Notify,
}

struct Allocation {
    ports: Ports,
    given: BTreeMap<Key, Given>,
}

/// The ports of one component.
#[derive(Debug, Clone)]
struct Given {
    grpc: u16,
    admin: u16,
    logic: u16,
    /// The further ports of the logic, by name.
    further: BTreeMap<String, u16>,
}

/// Which process of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Sidecar,
    Logic,
}

/// What a process runs.
pub(super) struct Start {
    pub(super) command: Command,
    /// Whether another port had to be chosen.
    pub(super) has_moved: bool,
}

impl Stage {
    /// Chooses ports and writes documents into the data folder; `beside` holds `local.yaml`.
    pub(super) fn prepare(
        system: System,
        beside: &Path,
        data: &Path,
        sidecar: &Path,
    ) -> Result<Self> {
        let folder = Folder::open(data)?;
        let Images { images, secrets } = read_images(&beside.join("local.yaml"), &system)?;
        let connections = connections::write(&system, &secrets, &folder.path)?;
        let mut allocation = Allocation {
            ports: Ports::open(&folder.path)?,
            given: BTreeMap::new(),
        };
        let mut signals = BTreeMap::new();
        for (key, image) in running(&system) {
            let ports = &mut allocation.ports;
            let (grpc, admin) = give_sidecar(ports, key)?;
            let (logic, further) = give_logic(ports, key, &images[image])?;
            let given = Given {
                grpc,
                admin,
                logic,
                further,
            };
            allocation.given.insert(key.clone(), given);
            signals.insert(key.clone(), Signals::default());
        }
        let stage = Self {
            system,
            images,
            connections,
            beside: beside.to_owned(),
            sidecar: sidecar.to_owned(),
            folder,
            allocation: Mutex::new(allocation),
            signals,
        };
        stage.write(&stage.locked())?;
        Ok(stage)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.signals.keys()
    }

    /// What a process is to run now. Ports that another program has taken are chosen again; then all documents are rewritten.
    pub(super) fn start(&self, key: &Key, part: Part) -> Result<Start> {
        let mut allocation = self.locked();
        let has_moved = self.reallocate(&mut allocation, key, part)?;
        if has_moved {
            self.write(&allocation)?;
        }
        if has_moved && part == Part::Logic {
            self.signals[key].moved.notify_one();
        }
        let given = &allocation.given[key];
        let command = match part {
            Part::Sidecar => self.sidecar_command(key, given),
            Part::Logic => self.logic_command(key, given)?,
        };
        Ok(Start { command, has_moved })
    }

    /// Waits until the logic of a component has moved.
    pub(super) async fn moved(&self, key: &Key) {
        self.signals[key].moved.notified().await;
    }

    /// Notes that the sidecar of a component was started.
    pub(super) fn note_start(&self, key: &Key) {
        self.signals[key].started.notify_one();
    }

    /// Waits until the sidecar of a component was started, unless it was since the last time.
    pub(super) async fn started(&self, key: &Key) {
        self.signals[key].started.notified().await;
    }

    /// The address of a sidecar's admin port.
    pub(super) fn admin(&self, key: &Key) -> Url {
        let address = local(self.locked().given[key].admin);
        Url::parse(&address).expect("a host and a port are a URL")
    }

    /// Where a component is reached, for people.
    pub(super) fn addresses(&self, key: &Key) -> String {
        let allocation = self.locked();
        let given = &allocation.given[key];
        let further = given
            .further
            .iter()
            .map(|(name, port)| format!(", {name} http://127.0.0.1:{port}"));
        format!(
            "grpc 127.0.0.1:{}, admin http://127.0.0.1:{}{}",
            given.grpc,
            given.admin,
            further.collect::<String>()
        )
    }

    fn locked(&self) -> MutexGuard<'_, Allocation> {
        // Ports are put in whole, so a panic elsewhere does not spoil them.
        self.allocation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Chooses the ports of a process again that it cannot have any more; returns whether there were any.
    fn reallocate(&self, allocation: &mut Allocation, key: &Key, part: Part) -> Result<bool> {
        let Allocation { ports, given } = allocation;
        let given = given.get_mut(key).context("find the ports")?;
        let had = given.clone();
        match part {
            Part::Sidecar if ports::are_free(&[had.grpc, had.admin]) => return Ok(false),
            Part::Sidecar => (given.grpc, given.admin) = give_sidecar(ports, key)?,
            Part::Logic => {
                let all: Vec<_> = had.further.into_values().chain([had.logic]).collect();
                if ports::are_free(&all) {
                    return Ok(false);
                }
                let image = self.image(key).context("find the image")?;
                (given.logic, given.further) = give_logic(ports, key, image)?;
            }
        }
        Ok(true)
    }

    fn image(&self, key: &Key) -> Option<&Image> {
        self.images.get(self.system.components.get(key)?.image()?)
    }

    /// Writes ports, documents and addresses.
    fn write(&self, allocation: &Allocation) -> Result<()> {
        allocation.ports.keep()?;
        let mut places = BTreeMap::new();
        for (key, given) in &allocation.given {
            let folder = self.folder.of(key);
            fs::create_dir_all(&folder)
                .with_context(|| format!("make the folder {}", folder.display()))?;
            let connection = self.connections.get(&self.system.components[key].store);
            let connection = connection.cloned().unwrap_or_default();
            let placed = place(given, folder.join("store.db"), connection)?;
            places.insert(key.clone(), placed);
        }
        let planned = documents(&self.system, &places);
        for (key, documents) in &planned.components {
            let directory = DirectoryKey::of(key, &self.system.components[key]);
            let directory = &planned.directories[&directory];
            self.folder.write_documents(key, documents, directory)?;
        }
        let reached = allocation.given.iter().map(|(key, given)| Address {
            kind: key.kind.as_str(),
            namespace: &key.namespace,
            name: &key.name,
            grpc: local(given.grpc),
            admin: local(given.admin),
            ports: &given.further,
        });
        self.folder.write_addresses(reached)
    }

    fn sidecar_command(&self, key: &Key, given: &Given) -> Command {
        let path = |path: PathBuf| path.display().to_string();
        let log = std::env::var("ANGZARR_LOG").unwrap_or_else(|_| "warn".to_owned());
        let env = [
            ("ANGZARR_CONFIG", path(self.folder.boot(key))),
            ("ANGZARR_ROUTING", path(self.folder.routing(key))),
            ("ANGZARR_SERVICE_ENDPOINT", local(given.grpc)),
            ("ANGZARR_START_CLOSED", "true".to_owned()),
            ("ANGZARR_LOG", log),
            ("ANGZARR_LOG_FORMAT", "text".to_owned()),
        ];
        Command {
            program: self.sidecar.clone(),
            arguments: Vec::new(),
            folder: self.folder.of(key),
            env: env.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    }

    fn logic_command(&self, key: &Key, given: &Given) -> Result<Command> {
        let image = self.image(key).context("find the image")?;
        let mut values = BTreeMap::from([
            ("PORT".to_owned(), given.logic.to_string()),
            ("DATA".to_owned(), self.folder.of(key).display().to_string()),
        ]);
        let further = given.further.iter();
        values.extend(further.map(|(name, port)| (format!("PORT_{name}"), port.to_string())));
        image
            .resolve(&self.beside, &values)
            .with_context(|| format!("the command of {}", title(key)))
    }
}

/// The name of a component on the terminal.
pub(super) fn title(key: &Key) -> String {
    format!("{}/{}", key.kind.short(), key.name)
}

/// The components that run here, with the images of their logic; stopped ones do not.
fn running(system: &System) -> impl Iterator<Item = (&Key, &str)> {
    system
        .components
        .iter()
        .filter(|(_, component)| component.scale.most() > 0)
        .filter_map(|(key, component)| Some((key, component.image()?)))
}

fn read_images(file: &Path, system: &System) -> Result<Images> {
    let text = fs::read_to_string(file).with_context(|| {
        format!(
            "read {}; it maps the images of the resources to commands of this machine",
            file.display()
        )
    })?;
    let local = Images::parse(&text).with_context(|| file.display().to_string())?;
    let missing: Vec<_> = running(system)
        .map(|(_, image)| image)
        .filter(|image| !local.images.contains_key(*image))
        .collect();
    if !missing.is_empty() {
        return Err(anyhow!(
            "{} has no command for {}; add it under images",
            file.display(),
            missing.join(", ")
        ));
    }
    Ok(local)
}

fn use_of(key: &Key, name: &str) -> String {
    format!("{}/{}/{name}", key.namespace, key.base_name())
}

fn give_sidecar(ports: &mut Ports, key: &Key) -> Result<(u16, u16)> {
    let grpc = ports.give(&use_of(key, "grpc"))?;
    Ok((grpc, ports.give(&use_of(key, "admin"))?))
}

fn give_logic(ports: &mut Ports, key: &Key, image: &Image) -> Result<(u16, BTreeMap<String, u16>)> {
    let mut further = BTreeMap::new();
    for name in image.port_names() {
        let port = ports.give(&use_of(key, &name))?;
        further.insert(name, port);
    }
    Ok((ports.give(&use_of(key, "logic"))?, further))
}

fn place(given: &Given, store: PathBuf, connection: PathBuf) -> Result<Place> {
    let at = |port: u16| Endpoint::try_from(local(port));
    Ok(Place {
        grpc: at(given.grpc)?,
        peers: at(given.grpc)?,
        logic: at(given.logic)?,
        ports: Listening {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            grpc: given.grpc,
            admin: given.admin,
        },
        store,
        connection,
    })
}

fn local(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
