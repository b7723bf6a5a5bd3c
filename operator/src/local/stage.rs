//! What each process reads and runs, written down before any of them starts.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use angzarr_config::boot::Ports as Listening;
use angzarr_config::directory::Directory;
use angzarr_config::endpoint::Endpoint;
use anyhow::{Context, Result, anyhow};
use serde::Serialize;

use super::images::{Command, Image, Images};
use super::ports::Ports;
use super::process::Process;
use crate::model::{Key, System};
use crate::plan::{DirectoryKey, Documents, Place, documents};

/// How long a sidecar may take to drain and end.
const SIDECAR_GRACE: Duration = Duration::from_secs(30);
/// How long logic may take to end.
const LOGIC_GRACE: Duration = Duration::from_secs(5);

/// Where in a component's folder the documents about others are.
const ROUTING_FOLDER: &str = "routing";

/// Everything that is to run.
pub struct Stage {
    /// The components, in the order of their keys.
    pub actors: Vec<Actor>,
}

/// One component's processes.
pub struct Actor {
    /// Which component it is.
    pub key: Key,
    /// Its name on the terminal.
    pub title: String,
    /// Its sidecar.
    pub sidecar: Arc<Process>,
    /// Its logic.
    pub logic: Arc<Process>,
    /// The port of the sidecar's gRPC services.
    pub grpc: u16,
    /// The port of the sidecar's administration.
    pub admin: u16,
    /// The further ports of the logic, by name.
    pub ports: BTreeMap<String, u16>,
}

impl Actor {
    /// Where it is reached, for people.
    pub fn addresses(&self) -> String {
        let further = self
            .ports
            .iter()
            .map(|(name, port)| format!(", {name} http://127.0.0.1:{port}"));
        format!(
            "grpc 127.0.0.1:{}, admin http://127.0.0.1:{}{}",
            self.grpc,
            self.admin,
            further.collect::<String>()
        )
    }
}

/// What other programs read of a running system, in the file `addresses.json`.
#[derive(Serialize)]
struct Addresses<'a> {
    components: Vec<Address<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Address<'a> {
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    grpc: String,
    admin: String,
    ports: &'a BTreeMap<String, u16>,
}

/// The ports of one component.
struct Given {
    grpc: u16,
    admin: u16,
    logic: u16,
    further: BTreeMap<String, u16>,
}

impl Stage {
    /// Writes documents and ports into the data folder; `beside` holds `local.yaml`.
    ///
    /// # Errors
    /// What is missing, with its name.
    pub fn prepare(system: &System, beside: &Path, data: &Path, sidecar: &Path) -> Result<Self> {
        fs::create_dir_all(data).with_context(|| format!("make the folder {}", data.display()))?;
        let data = data.canonicalize().context("find the data folder")?;
        let images = read_images(&beside.join("local.yaml"), system)?;
        let mut ports = Ports::open(&data)?;
        let mut given = BTreeMap::new();
        let mut places = BTreeMap::new();
        for (key, image) in running(system) {
            let own = give(&mut ports, key, &images[image])?;
            let folder = folder_of(&data, key);
            fs::create_dir_all(&folder)
                .with_context(|| format!("make the folder {}", folder.display()))?;
            places.insert(key.clone(), place(&own, folder.join("store.db"))?);
            given.insert(key.clone(), own);
        }
        ports.keep()?;
        let planned = documents(system, &places);
        let mut actors = Vec::new();
        for (key, image) in running(system) {
            let folder = folder_of(&data, key);
            let directory = DirectoryKey::of(key, &system.components[key]);
            write_documents(
                &folder,
                &planned.components[key],
                &planned.directories[&directory],
            )?;
            let own = given.remove(key).expect("every component was given ports");
            actors.push(build_actor(
                key,
                &images[image],
                own,
                (beside, &folder, sidecar),
            )?);
        }
        write_addresses(&data, &actors)?;
        Ok(Self { actors })
    }

    /// The length of the longest title.
    pub fn width(&self) -> usize {
        self.actors
            .iter()
            .map(|actor| actor.title.len() + "/logic".len())
            .max()
            .unwrap_or(0)
    }
}

/// The components that run here, with the images of their logic; stopped ones do not.
fn running(system: &System) -> impl Iterator<Item = (&Key, &str)> {
    system
        .components
        .iter()
        .filter(|(_, component)| component.scale.most() > 0)
        .filter_map(|(key, component)| Some((key, component.image()?)))
}

fn folder_of(data: &Path, key: &Key) -> PathBuf {
    data.join(&key.namespace).join(key.base_name())
}

fn read_images(file: &Path, system: &System) -> Result<BTreeMap<String, Image>> {
    let text = fs::read_to_string(file).with_context(|| {
        format!(
            "read {}; it says what this machine runs where a cluster pulls an image",
            file.display()
        )
    })?;
    let images = Images::parse(&text)
        .with_context(|| file.display().to_string())?
        .images;
    let missing: Vec<_> = running(system)
        .map(|(_, image)| image)
        .filter(|image| !images.contains_key(*image))
        .collect();
    if !missing.is_empty() {
        return Err(anyhow!(
            "{} has no command for {}; add it under images",
            file.display(),
            missing.join(", ")
        ));
    }
    Ok(images)
}

fn give(ports: &mut Ports, key: &Key, image: &Image) -> Result<Given> {
    let base = format!("{}/{}", key.namespace, key.base_name());
    let mut give = |name: &str| ports.give(&format!("{base}/{name}"));
    let mut further = BTreeMap::new();
    for name in image.port_names() {
        further.insert(name.clone(), give(&name)?);
    }
    Ok(Given {
        grpc: give("grpc")?,
        admin: give("admin")?,
        logic: give("logic")?,
        further,
    })
}

fn place(given: &Given, store: PathBuf) -> Result<Place> {
    let at = |port: u16| Endpoint::try_from(format!("http://127.0.0.1:{port}"));
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
    })
}

fn write_documents(folder: &Path, documents: &Documents, directory: &Directory) -> Result<()> {
    let routing = folder.join(ROUTING_FOLDER);
    fs::create_dir_all(&routing)
        .with_context(|| format!("make the folder {}", routing.display()))?;
    write_json(&folder.join("boot.json"), &documents.boot)?;
    write_json(&routing.join("directory.json"), directory)?;
    write_json(&routing.join("routing.json"), &documents.routing)
}

fn write_json(file: &Path, document: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(document)
        .with_context(|| format!("write {}", file.display()))?;
    write(file, &text)
}

fn write(file: &Path, text: &str) -> Result<()> {
    let fresh = file.with_extension("new");
    fs::write(&fresh, text).with_context(|| format!("write {}", fresh.display()))?;
    fs::rename(&fresh, file).with_context(|| format!("write {}", file.display()))
}

fn build_actor(
    key: &Key,
    image: &Image,
    given: Given,
    (beside, folder, sidecar): (&Path, &Path, &Path),
) -> Result<Actor> {
    let title = format!("{}/{}", key.kind.short(), key.name);
    let mut values = BTreeMap::from([
        ("PORT".to_owned(), given.logic.to_string()),
        ("DATA".to_owned(), folder.display().to_string()),
    ]);
    values.extend(
        given
            .further
            .iter()
            .map(|(name, port)| (format!("PORT_{name}"), port.to_string())),
    );
    let logic = image
        .resolve(beside, &values)
        .with_context(|| format!("the command of {title}"))?;
    let path = |name: &str| folder.join(name).display().to_string();
    let env = BTreeMap::from([
        ("ANGZARR_CONFIG".to_owned(), path("boot.json")),
        ("ANGZARR_ROUTING".to_owned(), path(ROUTING_FOLDER)),
        (
            "ANGZARR_SERVICE_ENDPOINT".to_owned(),
            format!("http://127.0.0.1:{}", given.grpc),
        ),
        ("ANGZARR_START_CLOSED".to_owned(), "true".to_owned()),
        (
            "ANGZARR_LOG".to_owned(),
            std::env::var("ANGZARR_LOG").unwrap_or_else(|_| "warn".to_owned()),
        ),
        ("ANGZARR_LOG_FORMAT".to_owned(), "text".to_owned()),
    ]);
    let runs_sidecar = Command {
        program: sidecar.to_owned(),
        arguments: Vec::new(),
        folder: folder.to_owned(),
        env,
    };
    let keep = |name: String, command: Command, grace: Duration| {
        Arc::new(Process {
            name,
            command,
            grace,
        })
    };
    Ok(Actor {
        sidecar: keep(title.clone(), runs_sidecar, SIDECAR_GRACE),
        logic: keep(format!("{title}/logic"), logic, LOGIC_GRACE),
        key: key.clone(),
        title,
        grpc: given.grpc,
        admin: given.admin,
        ports: given.further,
    })
}

fn write_addresses(data: &Path, actors: &[Actor]) -> Result<()> {
    let components = actors.iter().map(|actor| Address {
        kind: actor.key.kind.as_str(),
        namespace: &actor.key.namespace,
        name: &actor.key.name,
        grpc: format!("http://127.0.0.1:{}", actor.grpc),
        admin: format!("http://127.0.0.1:{}", actor.admin),
        ports: &actor.ports,
    });
    let addresses = Addresses {
        components: components.collect(),
    };
    write_json(&data.join("addresses.json"), &addresses)
}
