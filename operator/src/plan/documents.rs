//! What sidecars read, in a cluster and on a single machine: the places are an input.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use angzarr_config::boot::{self, Boot, Ports};
use angzarr_config::directory::Directory;
use angzarr_config::endpoint::Endpoint;
use angzarr_config::postgres::{Connection, Keys, Postgres, Tables};
use angzarr_config::routing::Routing;
use angzarr_crds::{self as crds, SchemaPolicy};

use super::stop;
use crate::index::Index;
use crate::model::{Component, Key, Role, Server, Storage, Store, StoreKey, System};

/// Where a component is; decided by the caller that runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where its sidecar takes calls.
    pub grpc: Endpoint,
    /// Where its sidecar hands out events, also before it is ready.
    pub peers: Endpoint,
    /// Where its sidecar reaches its logic.
    pub logic: Endpoint,
    /// What its sidecar listens on.
    pub ports: Ports,
    /// The file of its store, if its store is a file.
    pub store: PathBuf,
    /// The folder with address and credentials of its store, if its store is a server.
    pub connection: PathBuf,
}

/// What a sidecar reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documents {
    /// What it is.
    pub boot: Boot,
    /// The endpoints of the components that it works with, and its settings.
    pub routing: Routing,
    /// The owners of all domains, if it has a directory of its own.
    pub directory: Option<Directory>,
}

/// Names a directory: one for each namespace and EventStore that are used together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirectoryKey {
    /// The namespace of the components.
    pub namespace: String,
    /// Their store.
    pub store: StoreKey,
}

impl DirectoryKey {
    /// The directory that a component reads.
    pub fn of(key: &Key, component: &Component) -> Self {
        Self {
            namespace: key.namespace.clone(),
            store: component.store.clone(),
        }
    }
}

/// The documents of a system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Planned {
    /// What each sidecar reads for itself.
    pub components: BTreeMap<Key, Documents>,
    /// What the sidecars of a namespace read together.
    pub directories: BTreeMap<DirectoryKey, Directory>,
}

/// Where components are reached.
pub trait Places {
    /// Where a component takes calls; `None` while it has no place.
    fn grpc(&self, key: &Key) -> Option<Endpoint>;
    /// Where a component hands out events, also before it is ready.
    fn peers(&self, key: &Key) -> Option<Endpoint>;
}

impl Places for BTreeMap<Key, Place> {
    fn grpc(&self, key: &Key) -> Option<Endpoint> {
        Some(self.get(key)?.grpc.clone())
    }

    fn peers(&self, key: &Key) -> Option<Endpoint> {
        Some(self.get(key)?.peers.clone())
    }
}

/// Plans the documents of every component that has a place; no document mentions the others.
pub fn documents(system: &System, places: &BTreeMap<Key, Place>) -> Planned {
    let graph = Graph {
        index: &system.index,
        places,
    };
    let mut planned = Planned::default();
    for (key, component) in &system.components {
        let Some(place) = places.get(key) else {
            continue;
        };
        let store = system.stores[&component.store].of_component(component);
        let documents = graph.documents(key, component, &store, place);
        planned.components.insert(key.clone(), documents);
        planned
            .directories
            .entry(DirectoryKey::of(key, component))
            .or_insert_with(|| graph.directory(&component.store));
    }
    planned
}

/// Who serves what, and where.
#[derive(Clone, Copy)]
pub(super) struct Graph<'a, P> {
    pub(super) index: &'a Index,
    pub(super) places: &'a P,
}

impl<P: Places> Graph<'_, P> {
    /// The documents of one component.
    pub(super) fn documents(
        &self,
        key: &Key,
        component: &Component,
        store: &Store,
        place: &Place,
    ) -> Documents {
        Documents {
            boot: build_boot(key, component, store, place),
            routing: self.routing(component),
            directory: None,
        }
    }

    /// The owners of all domains of a store.
    pub(super) fn directory(&self, store: &StoreKey) -> Directory {
        let mut directory = Directory {
            store_id: self.index.identity(store),
            ..Directory::default()
        };
        for (domain, owner) in self.index.owners(store) {
            if let Some(endpoint) = self.places.grpc(owner) {
                directory.owners.insert(domain.to_owned(), vec![endpoint]);
            }
        }
        directory
    }

    /// A sidecar's own slice: what it reads, what it commands, and the synchronous projectors of its domain.
    pub(super) fn routing(&self, component: &Component) -> Routing {
        let mut routing = component.settings.clone();
        let store = &component.store;
        let owner = |domain: &str| self.index.owner(store, domain);
        for domain in component.targets() {
            if let Some(endpoint) = owner(domain).and_then(|it| self.places.grpc(it)) {
                let owners = routing.owners.entry(domain.clone()).or_default();
                owners.push(endpoint);
            }
        }
        for source in component.reads().iter().flat_map(|reads| &reads.sources) {
            if let Some(endpoint) = owner(&source.domain).and_then(|it| self.places.peers(it)) {
                let sources = routing.sources.entry(source.domain.clone()).or_default();
                sources.push(endpoint);
            }
        }
        if let Role::Aggregate { domain, .. } = &component.role {
            for projector in self.index.synchronous(store, domain) {
                if let Some(endpoint) = self.places.grpc(projector) {
                    let projectors = routing.projectors.entry(domain.clone()).or_default();
                    projectors.insert(projector.name.clone(), vec![endpoint]);
                }
            }
        }
        routing
    }
}

fn build_boot(key: &Key, component: &Component, store: &Store, place: &Place) -> Boot {
    let logic = place.logic.clone();
    let running = match &component.role {
        Role::Aggregate {
            domain,
            snapshot_version,
            ..
        } => boot::Component::Aggregate(boot::Aggregate {
            domain: domain.clone(),
            logic,
            snapshot_version: *snapshot_version,
        }),
        Role::Projector { mode, reads } => boot::Component::Projector(boot::Projector {
            name: key.name.clone(),
            mode: *mode,
            sources: reads.sources.clone(),
            start_from: reads.start,
            logic,
        }),
        Role::Saga { reads, .. } => boot::Component::Saga(boot::Saga {
            name: key.name.clone(),
            sources: reads.sources.clone(),
            start_from: reads.start,
            logic,
        }),
    };
    Boot {
        namespace: key.namespace.clone(),
        storage: match &store.storage {
            Storage::File => boot::Storage::File(boot::Sqlite {
                path: place.store.clone(),
                wait: stop::file_wait(component),
            }),
            Storage::Server(server) => build_server(server, store.policy, &place.connection),
        },
        bus: store.bus.clone(),
        ports: place.ports.clone(),
        components: vec![running],
    }
}

/// A store on a server, whose address and credentials are in a folder.
pub(super) fn build_server(server: &Server, policy: SchemaPolicy, folder: &Path) -> boot::Storage {
    let tables = match policy {
        SchemaPolicy::Auto => Tables::Migrate,
        SchemaPolicy::Verify | SchemaPolicy::External => Tables::Verify,
    };
    boot::Storage::Server(Box::new(match server {
        Server::Postgres(spec) => boot::Server::Postgres(Postgres {
            tables,
            ..build_postgres(spec, folder)
        }),
    }))
}

fn build_postgres(spec: &crds::Postgres, folder: &Path) -> Postgres {
    let names = &spec.connection.secret_ref.keys;
    let connection = Connection::Folder {
        path: folder.to_owned(),
        keys: Keys {
            uri: names.uri.clone(),
            host: names.host.clone(),
            port: names.port.clone(),
            username: names.username.clone(),
            password: names.password.clone(),
            database: names.database.clone(),
            ca: names.ca.clone(),
        },
    };
    Postgres {
        database: spec.database.clone(),
        schema: spec.schema.clone(),
        ..Postgres::new(connection)
    }
}
