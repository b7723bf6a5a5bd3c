//! The ports of a component that runs, and what its processes are told.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use angzarr_config::boot::Ports as Listening;
use angzarr_config::endpoint::Endpoint;
use anyhow::Result;

use super::images::Image;
use super::ports::{self, Ports};
use super::restarts::Restarts;
use super::stage::Part;
use crate::model::Key;
use crate::plan::Place;

/// A component that runs.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) given: Given,
    pub(super) restarts: Arc<Restarts>,
}

/// The ports of one component.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) grpc: u16,
    pub(super) admin: u16,
    pub(super) logic: u16,
    /// The further ports of the logic, by name.
    pub(super) further: BTreeMap<String, u16>,
}

impl Member {
    /// Gives a component its ports.
    pub(super) fn new(key: &Key, image: &Image, ports: &mut Ports) -> Result<Self> {
        let (grpc, admin) = give_sidecar(ports, key)?;
        let (logic, further) = give_logic(ports, key, image)?;
        let given = Given {
            grpc,
            admin,
            logic,
            further,
        };
        let restarts = Arc::default();
        Ok(Self { given, restarts })
    }

    /// The same with the further ports that an image asks for; it keeps the ports that it listens on.
    pub(super) fn with_ports_of(
        &self,
        key: &Key,
        image: &Image,
        ports: &mut Ports,
    ) -> Result<Self> {
        let mut member = self.clone();
        member.given.further.clear();
        for name in image.port_names() {
            let port = match self.given.further.get(&name) {
                Some(port) => *port,
                None => ports.give(&use_of(key, &name))?,
            };
            member.given.further.insert(name, port);
        }
        Ok(member)
    }

    /// Chooses the ports of a process again that it cannot have any more; returns whether there were any.
    pub(super) fn reallocate(
        &mut self,
        (key, part): (&Key, Part),
        image: &Image,
        ports: &mut Ports,
    ) -> Result<bool> {
        let given = &mut self.given;
        match part {
            Part::Sidecar if ports::are_free(&[given.grpc, given.admin]) => return Ok(false),
            Part::Sidecar => (given.grpc, given.admin) = give_sidecar(ports, key)?,
            Part::Logic => {
                let further = given.further.values().copied();
                let all: Vec<_> = further.chain([given.logic]).collect();
                if ports::are_free(&all) {
                    return Ok(false);
                }
                (given.logic, given.further) = give_logic(ports, key, image)?;
            }
        }
        Ok(true)
    }
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

/// Where a component is for the plan.
pub(super) fn place(given: &Given, store: PathBuf, connection: PathBuf) -> Result<Place> {
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

/// The address of a port of this machine.
pub(super) fn local(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
