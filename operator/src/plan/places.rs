//! Where components are in a cluster: behind the names of their Services.

use std::collections::BTreeMap;

use angzarr_config::boot::Ports;
use angzarr_config::endpoint::Endpoint;

use super::documents::Place;
use super::{names, sidecar};
use crate::model::{Component, Key, System};

/// The place of every component.
pub(super) fn in_cluster(system: &System) -> BTreeMap<Key, Place> {
    system
        .components
        .iter()
        .map(|(key, component)| (key.clone(), place(key, component)))
        .collect()
}

fn place(key: &Key, component: &Component) -> Place {
    let ports = Ports::default();
    Place {
        grpc: service(&names::clients(key), key, ports.grpc),
        peers: service(&names::peers(key), key, ports.grpc),
        logic: endpoint(format!("http://127.0.0.1:{}", component.logic_port)),
        ports,
        store: sidecar::STORE_FILE.into(),
        connection: sidecar::CONNECTION_FOLDER.into(),
    }
}

fn service(name: &str, key: &Key, port: u16) -> Endpoint {
    endpoint(format!("http://{name}.{}.svc:{port}", key.namespace))
}

fn endpoint(text: String) -> Endpoint {
    Endpoint::try_from(text).expect("names are validated, and ports are not 0")
}
