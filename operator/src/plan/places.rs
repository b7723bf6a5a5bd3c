//! Where components are in a cluster: behind the names of their Services.

use angzarr_config::boot::Ports;
use angzarr_config::endpoint::Endpoint;

use super::documents::{Place, Places};
use super::{names, sidecar};
use crate::model::{Component, Key};

/// A cluster, where a name is a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct InCluster;

impl Places for InCluster {
    fn grpc(&self, key: &Key) -> Option<Endpoint> {
        Some(grpc(key))
    }

    fn peers(&self, key: &Key) -> Option<Endpoint> {
        Some(peers(key))
    }
}

/// The place of a component.
pub(super) fn place(key: &Key, component: &Component) -> Place {
    Place {
        grpc: grpc(key),
        peers: peers(key),
        logic: endpoint(format!("http://127.0.0.1:{}", component.logic_port)),
        ports: Ports::default(),
        store: sidecar::STORE_FILE.into(),
        connection: sidecar::CONNECTION_FOLDER.into(),
    }
}

fn grpc(key: &Key) -> Endpoint {
    endpoint(format!("http://{}", names::address(key)))
}

fn peers(key: &Key) -> Endpoint {
    endpoint(format!("http://{}", names::address_of_peers(key)))
}

fn endpoint(text: String) -> Endpoint {
    Endpoint::try_from(text).expect("names are validated, and ports are not 0")
}
