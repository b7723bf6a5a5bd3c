//! Where the others are: the routing document, reloaded while the sidecar runs.
//!
//! # Design
//! The document is looked at once a second instead of being watched: a mounted ConfigMap changes through symbolic links, which file watches
//! see differently from system to system, and a second is nothing beside the time that it takes to arrive.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use angzarr_config::endpoint::Endpoint;
use angzarr_config::routing::Routing;
use angzarr_coordinator::describe;
use angzarr_coordinator::model::{Code, Domain, Status};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::routing_file;
use crate::trailers::HEADER_BYTES;

/// How often the document is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long a connection to a peer may take to open.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How often an idle connection is checked; a peer that vanished without a word is noticed after twice that.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The current routing document, with connections to those it names.
pub struct Routes {
    current: watch::Sender<Arc<Routing>>,
    connections: Mutex<Connections>,
    problem: watch::Sender<Option<String>>,
}

impl Routes {
    /// Starts with a document.
    pub fn new(routing: Routing) -> Self {
        Self {
            current: watch::Sender::new(Arc::new(routing)),
            connections: Mutex::default(),
            problem: watch::Sender::new(None),
        }
    }

    /// The document now.
    pub fn current(&self) -> Arc<Routing> {
        self.current.borrow().clone()
    }

    /// Watches the document.
    pub fn watch(&self) -> watch::Receiver<Arc<Routing>> {
        self.current.subscribe()
    }

    /// Watches why the file could not be taken over, if so; the document before it stays in use.
    pub fn watch_problem(&self) -> watch::Receiver<Option<String>> {
        self.problem.subscribe()
    }

    /// A connection to a sidecar that owns a domain, if a route leads there.
    pub fn owner(&self, domain: &Domain) -> Option<Channel> {
        let routing = self.current();
        let endpoints = routing.owners.get(domain.as_str())?;
        self.channel(endpoints)
    }

    /// A connection to a sidecar that hands out the events of a domain, if a route leads there, with what is cancelled when the route changes.
    pub fn source(&self, domain: &Domain) -> Option<(Channel, CancellationToken)> {
        // The route is read under the lock, so that a change of it cannot be missed.
        let mut connections = self.locked();
        let routing = self.current();
        let endpoints = source_of(&routing, domain.as_str())?;
        let channel = connections.channel(endpoints)?;
        let known = connections.sources.entry(domain.as_str().to_owned());
        let (_, moved) = known.or_insert_with(|| (endpoints.clone(), CancellationToken::new()));
        Some((channel, moved.clone()))
    }

    /// A connection to a sidecar that owns a domain.
    ///
    /// # Errors
    /// NOT_FOUND when no route leads there.
    pub fn require_owner(&self, domain: &Domain) -> Result<Channel, Status> {
        let missing = || Status::new(Code::NotFound, format!("no route leads to domain {domain}"));
        self.owner(domain).ok_or_else(missing)
    }

    /// The domains that a route leads to.
    pub fn domains(&self) -> Vec<Domain> {
        let routing = self.current();
        // Names that are no domains own nothing.
        let parsed = routing.owners.keys().map(|name| Domain::parse(name));
        parsed.filter_map(Result::ok).collect()
    }

    /// The domains that the own sagas command.
    pub fn targets(&self) -> Vec<Domain> {
        let routing = self.current();
        let parsed = routing.targets().map(Domain::parse);
        parsed.filter_map(Result::ok).collect()
    }

    /// The synchronous projectors of a domain that run elsewhere.
    pub fn projectors(&self, domain: &Domain) -> Vec<String> {
        let routing = self.current();
        let known = routing.projectors.get(domain.as_str());
        known.map_or_else(Vec::new, |projectors| projectors.keys().cloned().collect())
    }

    /// A connection to a synchronous projector of a domain, if a route leads there.
    pub fn projector(&self, domain: &Domain, name: &str) -> Option<Channel> {
        let routing = self.current();
        let endpoints = routing.projectors.get(domain.as_str())?.get(name)?;
        self.channel(endpoints)
    }

    /// A connection to the sidecar at an address; none if it is no address.
    pub fn at(&self, address: &str) -> Option<Channel> {
        let endpoint = Endpoint::try_from(address.to_owned()).ok()?;
        self.channel(&[endpoint])
    }

    /// Takes over another document.
    pub fn replace(&self, routing: Routing) {
        let mut connections = self.locked();
        connections.leave(&routing);
        self.current.send_replace(Arc::new(routing));
    }

    /// Looks at the document that a path names until `stop`, and takes over what changed, if it is valid.
    pub async fn follow(&self, named: &Path, stop: CancellationToken) {
        let mut last = None;
        while stop
            .run_until_cancelled(tokio::time::sleep(LOOK_AGAIN))
            .await
            .is_some()
        {
            // Small files of this machine: read here, in less time than another thread takes to be asked.
            let texts = match routing_file::read(named) {
                Ok(texts) => texts,
                Err(error) => {
                    self.report(describe(&error));
                    continue;
                }
            };
            if last.as_ref() == Some(&texts) {
                continue;
            }
            match texts.parse() {
                Ok(routing) => self.take_over(routing),
                Err(error) => self.report(describe(&error)),
            }
            last = Some(texts);
        }
    }

    fn take_over(&self, routing: Routing) {
        self.problem
            .send_if_modified(|problem| problem.take().is_some());
        let hash = routing.hash();
        if hash != self.current().hash() {
            tracing::info!(hash, "the routing changed");
            self.replace(routing);
        }
    }

    fn report(&self, problem: String) {
        self.problem.send_if_modified(|known| {
            let is_news = known.as_ref() != Some(&problem);
            if is_news {
                tracing::error!(problem, "the routing stays as it was");
            }
            *known = Some(problem);
            is_news
        });
    }

    fn channel(&self, endpoints: &[Endpoint]) -> Option<Channel> {
        self.locked().channel(endpoints)
    }

    fn locked(&self) -> MutexGuard<'_, Connections> {
        // Entries are put in whole, so a panic elsewhere does not spoil the maps.
        let locked = self.connections.lock();
        locked.unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was opened under the current document.
#[derive(Default)]
struct Connections {
    channels: HashMap<Vec<Endpoint>, Channel>,
    /// Where the events of a domain are read, and what ends the reading.
    sources: HashMap<String, (Vec<Endpoint>, CancellationToken)>,
}

impl Connections {
    fn channel(&mut self, endpoints: &[Endpoint]) -> Option<Channel> {
        if endpoints.is_empty() {
            return None;
        }
        let known = self.channels.entry(endpoints.to_vec());
        Some(known.or_insert_with(|| connect(endpoints)).clone())
    }

    /// Drops what another document does not name any more.
    fn leave(&mut self, routing: &Routing) {
        let in_use = endpoints_of(routing);
        self.channels
            .retain(|endpoints, _| in_use.contains(&endpoints));
        self.sources.retain(|domain, (endpoints, moved)| {
            let stays = source_of(routing, domain) == Some(endpoints);
            if !stays {
                moved.cancel();
            }
            stays
        });
    }
}

/// Where the events of a domain are read.
fn source_of<'a>(routing: &'a Routing, domain: &str) -> Option<&'a Vec<Endpoint>> {
    let named = routing.sources.get(domain);
    named.or_else(|| routing.owners.get(domain))
}

fn endpoints_of(routing: &Routing) -> Vec<&Vec<Endpoint>> {
    let projectors = routing.projectors.values().flat_map(BTreeMap::values);
    let logs = routing.owners.values().chain(routing.sources.values());
    logs.chain(projectors).collect()
}

/// Connections are opened when they are first used, and reopened, with names resolved again, whenever they break.
fn connect(endpoints: &[Endpoint]) -> Channel {
    let mut targets = endpoints.iter().map(|endpoint| {
        tonic::transport::Endpoint::from_shared(endpoint.as_str().to_owned())
            .expect("an endpoint is a URL")
            .connect_timeout(CONNECT_WITHIN)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .http2_max_header_list_size(HEADER_BYTES)
            .tcp_nodelay(true)
    });
    match (targets.next(), targets.len()) {
        (Some(only), 0) => only.connect_lazy(),
        (first, _) => Channel::balance_list(first.into_iter().chain(targets)),
    }
}
