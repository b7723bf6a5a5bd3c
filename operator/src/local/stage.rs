//! Who runs, on which ports, with which command. Documents are written before anything starts, and again when a port has to change or something
//! else is declared.
//!
//! # Design
//! A process that ended is asked for the ports that it had before it starts again: one that another program has taken meanwhile is chosen again,
//! and all sidecars are informed. So no port has to be watched, and a port is left only when it cannot be had.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use url::Url;

use super::changes::{Changes, Performance};
use super::connections;
use super::declared::Declared;
use super::folder::{Address, Folder};
use super::history;
use super::images::{Command, Image};
use super::member::{Given, Member, local, place};
use super::ports::Ports;
use super::programs::Lookup;
use super::restarts::Restarts;
use crate::model::{Key, System};
use crate::plan::{DirectoryKey, Place, documents};

/// Everything that is to run.
pub(super) struct Stage {
    /// The folder of `local.yaml`.
    beside: PathBuf,
    sidecar: PathBuf,
    folder: Folder,
    cast: Mutex<Cast>,
}

/// What changes while it runs.
#[derive(Clone)]
struct Cast {
    declared: Declared,
    /// The folders that say how to reach stores on servers.
    connections: BTreeMap<Key, PathBuf>,
    ports: Ports,
    members: BTreeMap<Key, Member>,
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

/// The programs of this machine and folders that a stage works with.
pub(super) struct Places<'a> {
    /// The folder of `local.yaml`.
    pub(super) beside: &'a Path,
    /// The data folder.
    pub(super) data: &'a Path,
    /// The program of the sidecar.
    pub(super) sidecar: &'a Path,
}

impl Stage {
    /// Chooses ports and writes documents into the data folder.
    ///
    /// # Errors
    /// What is missing, with its name.
    pub(super) fn prepare(declared: Declared, places: &Places) -> Result<Self> {
        let folder = Folder::open(places.data)?;
        let cast = Cast {
            connections: BTreeMap::new(),
            ports: Ports::open(&folder.path)?,
            members: BTreeMap::new(),
            declared,
        };
        let stage = Self {
            beside: places.beside.to_owned(),
            sidecar: places.sidecar.to_owned(),
            folder,
            cast: Mutex::new(cast),
        };
        {
            let mut cast = stage.locked();
            *cast = stage.filled(cast.clone(), &BTreeMap::new())?;
        }
        Ok(stage)
    }

    /// Takes over what is declared now; returns what has to change among the processes.
    ///
    /// # Errors
    /// What is missing, with its name; then nothing has changed.
    pub(super) fn take_over(&self, declared: Declared) -> Result<Changes> {
        let mut cast = self.locked();
        let before = self.performances(&cast)?;
        let next = Cast {
            declared,
            connections: BTreeMap::new(),
            ports: cast.ports.clone(),
            members: BTreeMap::new(),
        };
        let next = self.filled(next, &cast.members)?;
        let after = self.performances(&next)?;
        let known = cast.declared.notices.iter();
        let known: BTreeSet<_> = known.cloned().collect();
        let notices = next.declared.notices.iter();
        let notices = notices.filter(|it| !known.contains(*it)).cloned();
        let changes = Changes {
            notices: notices.collect(),
            ..Changes::between(&before, &after)
        };
        *cast = next;
        Ok(changes)
    }

    /// The programs of all processes, each with the processes that it runs in; also the files that a command names.
    pub(super) fn programs(&self, lookup: &Lookup) -> BTreeMap<PathBuf, Vec<(Key, Part)>> {
        let cast = self.locked();
        let mut programs: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for key in cast.members.keys() {
            let sidecar = programs.entry(self.sidecar.clone()).or_default();
            sidecar.push((key.clone(), Part::Sidecar));
            let files = image(&cast, key).map(|image| lookup.files(image));
            for file in files.into_iter().flatten() {
                let logic = programs.entry(file).or_default();
                logic.push((key.clone(), Part::Logic));
            }
        }
        programs
    }

    /// What was skipped or replaced, a sentence each.
    pub(super) fn notices(&self) -> Vec<String> {
        self.locked().declared.notices.clone()
    }

    /// The components that run.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.locked().members.keys().cloned().collect()
    }

    /// What the processes of a component are told.
    pub(super) fn restarts(&self, key: &Key) -> Option<Arc<Restarts>> {
        let cast = self.locked();
        Some(Arc::clone(&cast.members.get(key)?.restarts))
    }

    /// What a process is to run now. Ports that another program has taken are chosen again; then all documents are rewritten.
    ///
    /// # Errors
    /// No port is free, or a file cannot be written.
    pub(super) fn start(&self, key: &Key, part: Part) -> Result<Start> {
        let mut cast = self.locked();
        let image = image(&cast, key).cloned().context("find the image")?;
        let Cast { ports, members, .. } = &mut *cast;
        let member = members.get_mut(key).context("it is not declared")?;
        let has_moved = member.reallocate((key, part), &image, ports)?;
        if has_moved {
            self.write(&cast)?;
        }
        let member = cast.members.get(key).context("it is not declared")?;
        if has_moved && part == Part::Logic {
            member.restarts.want(Part::Sidecar, "its logic has moved");
        }
        let command = match part {
            Part::Sidecar => self.sidecar_command(key, &member.given),
            Part::Logic => self.logic_command(&cast, key)?,
        };
        Ok(Start { command, has_moved })
    }

    /// The address of a sidecar's admin port, if its component runs.
    pub(super) fn admin(&self, key: &Key) -> Option<Url> {
        let address = local(self.locked().members.get(key)?.given.admin);
        Some(Url::parse(&address).expect("a host and a port are a URL"))
    }

    /// Where a component is reached, for people.
    pub(super) fn addresses(&self, key: &Key) -> String {
        let cast = self.locked();
        let Some(Member { given, .. }) = cast.members.get(key) else {
            return "nowhere".to_owned();
        };
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

    fn locked(&self) -> MutexGuard<'_, Cast> {
        // Members are put in whole, so a panic elsewhere does not spoil them.
        self.cast.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives each component that runs its ports, those that it has if it is known, and writes everything.
    fn filled(&self, mut cast: Cast, known: &BTreeMap<Key, Member>) -> Result<Cast> {
        let notices = history::validate(&self.folder, &cast.declared)?;
        cast.declared.notices.extend(notices);
        let Declared { system, images, .. } = &cast.declared;
        cast.connections = connections::write(system, &images.secrets, &self.folder.path)?;
        for (key, image) in running(system) {
            let image = images.images.get(image).context("find the image")?;
            let member = match known.get(key) {
                Some(member) => member.with_ports_of(key, image, &mut cast.ports)?,
                None => Member::new(key, image, &mut cast.ports)?,
            };
            cast.members.insert(key.clone(), member);
        }
        self.write(&cast)?;
        Ok(cast)
    }

    /// What each component runs.
    fn performances(&self, cast: &Cast) -> Result<BTreeMap<Key, Performance>> {
        let planned = documents(&cast.declared.system, &self.places(cast)?);
        let mut performances = BTreeMap::new();
        for (key, documents) in planned.components {
            let performance = Performance {
                boot: documents.boot,
                logic: self.logic_command(cast, &key)?,
            };
            performances.insert(key, performance);
        }
        Ok(performances)
    }

    /// Writes ports, documents and addresses.
    fn write(&self, cast: &Cast) -> Result<()> {
        cast.ports.keep()?;
        let system = &cast.declared.system;
        let planned = documents(system, &self.places(cast)?);
        for (key, documents) in &planned.components {
            let directory = DirectoryKey::of(key, &system.components[key]);
            let directory = &planned.directories[&directory];
            self.folder.write_documents(key, documents, directory)?;
            history::keep(&self.folder, key, &cast.declared)?;
        }
        let reached = cast
            .members
            .iter()
            .map(|(key, Member { given, .. })| Address {
                kind: key.kind.as_str(),
                namespace: &key.namespace,
                name: &key.name,
                grpc: local(given.grpc),
                admin: local(given.admin),
                ports: &given.further,
            });
        self.folder.write_addresses(reached)
    }

    fn places(&self, cast: &Cast) -> Result<BTreeMap<Key, Place>> {
        let mut places = BTreeMap::new();
        for (key, Member { given, .. }) in &cast.members {
            let folder = self.folder.of(key);
            fs::create_dir_all(&folder)
                .with_context(|| format!("make the folder {}", folder.display()))?;
            let connection = cast.connections.get(key).cloned().unwrap_or_default();
            let placed = place(given, folder.join(history::STORE), connection)?;
            places.insert(key.clone(), placed);
        }
        Ok(places)
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

    fn logic_command(&self, cast: &Cast, key: &Key) -> Result<Command> {
        let image = image(cast, key).context("find the image")?;
        let Given { logic, further, .. } = &cast.members[key].given;
        let mut values = BTreeMap::from([
            ("PORT".to_owned(), logic.to_string()),
            ("DATA".to_owned(), self.folder.of(key).display().to_string()),
        ]);
        let further = further.iter();
        values.extend(further.map(|(name, port)| (format!("PORT_{name}"), port.to_string())));
        image
            .resolve(&self.beside, &values)
            .with_context(|| format!("the command of {}", title(key)))
    }
}

fn image<'a>(cast: &'a Cast, key: &Key) -> Option<&'a Image> {
    let Declared { system, images, .. } = &cast.declared;
    images.images.get(system.components.get(key)?.image()?)
}

/// The name of a component on the terminal.
pub(super) fn title(key: &Key) -> String {
    format!("{}/{}", key.kind.short(), key.name)
}

/// The components that run here, with the images of their logic; stopped ones do not.
pub(super) fn running(system: &System) -> impl Iterator<Item = (&Key, &str)> {
    system
        .components
        .iter()
        .filter(|(_, component)| component.scale.most() > 0)
        .filter_map(|(key, component)| Some((key, component.image()?)))
}
