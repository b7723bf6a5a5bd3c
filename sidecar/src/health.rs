//! What readiness depends on, looked at again and again, and told to anyone who asks over gRPC health, `/readyz` or a watch.
//!
//! Ready is a sidecar that has started and does not drain, has its routing, reaches the logic of each component, and has stored the start of every
//! source of its consumers. Being closed for clients does not count: what opens a sidecar waits for it to be ready.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use angzarr_coordinator::consumer::{Consumer, Holder, Snapshot, SourceState};
use angzarr_coordinator::describe;
use angzarr_coordinator::model::ConsumerKind;
use angzarr_coordinator::port::catalog::Catalog;
use angzarr_coordinator::port::logic::{self, AggregateLogic, ConsumerLogic};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use crate::lifecycle::{Lifecycle, Phase};
use crate::settings::SERVICE_ENDPOINT;
use crate::transport::{STANDARD_BYTES, configured};

/// One thing that a sidecar runs, with the logic that it depends on.
pub struct Component {
    /// What it is.
    pub kind: ComponentKind,
    /// Its name; an aggregate's is its domain.
    pub name: String,
    /// Its logic.
    pub logic: Logic,
}

/// What a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComponentKind {
    /// It takes the commands of a domain.
    Aggregate,
    /// It reads events.
    Consumer(ConsumerKind),
}

impl ComponentKind {
    /// The word in `/statusz` and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aggregate => "aggregate",
            Self::Consumer(kind) => kind.as_str(),
        }
    }
}

/// The logic of a component.
#[derive(Clone)]
pub enum Logic {
    /// Of an aggregate.
    Aggregate(Arc<dyn AggregateLogic>),
    /// Of a projector, saga or process manager.
    Consumer(Arc<dyn ConsumerLogic>),
}

impl Logic {
    async fn probe(&self) -> Result<(), logic::Error> {
        match self {
            Self::Aggregate(logic) => logic.probe().await,
            Self::Consumer(logic) => logic.probe().await,
        }
    }
}

/// Whether the logic of a component, or the store, answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reach {
    /// It was not asked yet.
    #[default]
    Unknown,
    /// It answered when it was last asked.
    Reachable,
    /// It did not, for this reason.
    Unreachable(String),
}

/// How often to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Periods {
    /// Between probes of a logic that does not answer; default 1s.
    pub unanswered: Duration,
    /// Between probes of a logic that answered; default 5s.
    pub answered: Duration,
    /// How long a probe may take; default 2s.
    pub patience: Duration,
    /// Between judgements of the whole; default 250ms.
    pub judgement: Duration,
}

impl Default for Periods {
    fn default() -> Self {
        Self {
            unanswered: Duration::from_secs(1),
            answered: Duration::from_secs(5),
            patience: Duration::from_secs(2),
            judgement: Duration::from_millis(250),
        }
    }
}

impl Periods {
    /// Awaits a probe; returns what it showed, and how long to wait before the next.
    pub async fn probe<E: Error>(
        &self,
        probing: impl Future<Output = Result<(), E>>,
    ) -> (Reach, Duration) {
        match timeout(self.patience, probing).await {
            Ok(Ok(())) => (Reach::Reachable, self.answered),
            Ok(Err(error)) => (Reach::Unreachable(describe(&error)), self.unanswered),
            Err(_) => {
                let reason = format!("no answer in {:?}", self.patience);
                (Reach::Unreachable(reason), self.unanswered)
            }
        }
    }
}

/// What [`Health`] looks at.
pub struct Watched {
    /// The life of the sidecar.
    pub lifecycle: Arc<Lifecycle>,
    /// What it runs.
    pub components: Vec<Component>,
    /// Its consumers.
    pub consumers: Vec<Arc<Consumer>>,
    /// Where it keeps what it owns. A sidecar stays ready without it: others have the same store, and none of them could do more.
    pub store: Arc<dyn Catalog>,
    /// The full names of its gRPC services; each has the state of the whole.
    pub services: Vec<String>,
    /// How often to look.
    pub periods: Periods,
}

/// The health of this sidecar.
pub struct Health {
    watched: Watched,
    /// In the order of the components; every section is short.
    logic: Mutex<Vec<Reach>>,
    store: Mutex<Reach>,
    is_routing_loaded: AtomicBool,
    is_ready: watch::Sender<bool>,
    reporter: HealthReporter,
}

impl Health {
    /// Makes a health that is not ready yet, and says so over gRPC from the start.
    pub async fn new(watched: Watched) -> Self {
        let states = vec![Reach::Unknown; watched.components.len()];
        let health = Self {
            watched,
            logic: Mutex::new(states),
            store: Mutex::default(),
            is_routing_loaded: AtomicBool::new(false),
            is_ready: watch::Sender::new(false),
            reporter: HealthReporter::new(),
        };
        health.tell(false).await;
        health
    }

    /// The service `grpc.health.v1.Health`.
    pub fn service(&self) -> HealthServer<HealthService> {
        let service = HealthService::from_health_reporter(self.reporter.clone());
        configured!(HealthServer::new(service)).max_decoding_message_size(STANDARD_BYTES)
    }

    /// Notes that a routing is in force.
    pub fn note_routing(&self) {
        self.is_routing_loaded.store(true, Ordering::Relaxed);
    }

    /// Whether a routing is in force.
    pub fn is_routing_loaded(&self) -> bool {
        self.is_routing_loaded.load(Ordering::Relaxed)
    }

    /// Follows whether the sidecar is ready, as far as [`Health::run`] runs.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.is_ready.subscribe()
    }

    /// Why the sidecar is not ready, a sentence each; none when it is.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        match self.watched.lifecycle.state().phase {
            Phase::Starting => reasons.push(self.watched.lifecycle.awaited().sentence),
            Phase::Serving => {}
            Phase::Draining => reasons.push("the sidecar drains".to_owned()),
            Phase::Drained => reasons.push("the sidecar is drained".to_owned()),
        }
        if !self.is_routing_loaded() {
            reasons.push("no routing is loaded".to_owned());
        }
        for (component, state) in self.components() {
            let (kind, name) = (component.kind.as_str(), &component.name);
            match state {
                Reach::Reachable => {}
                Reach::Unknown => {
                    reasons.push(format!("the logic of {kind} {name} was not asked yet"));
                }
                Reach::Unreachable(why) => {
                    reasons.push(format!("the logic of {kind} {name} does not answer: {why}"));
                }
            }
        }
        for consumer in &self.watched.consumers {
            let snapshot = consumer.snapshot();
            if !snapshot.is_ready {
                reasons.push(unready(&snapshot));
            }
        }
        reasons
    }

    /// The components with the state of their logic.
    pub fn components(&self) -> Vec<(&Component, Reach)> {
        let states = self.states().clone();
        self.watched.components.iter().zip(states).collect()
    }

    /// Whether the store answers.
    pub fn store(&self) -> Reach {
        locked(&self.store).clone()
    }

    /// Looks until the shutdown; after it nothing is ready.
    ///
    /// # Errors
    /// The panic of a probe.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) -> Result<(), JoinError> {
        let mut probes = JoinSet::new();
        for index in 0..self.watched.components.len() {
            let health = Arc::clone(&self);
            probes.spawn(async move { health.probe(index).await });
        }
        let health = Arc::clone(&self);
        probes.spawn(async move { health.probe_store().await });
        let mut life = self.watched.lifecycle.watch();
        loop {
            self.judge().await;
            tokio::select! {
                () = stop.cancelled() => break,
                // The lifecycle lives as long as `self`, so this never fails.
                _ = life.changed() => {}
                () = sleep(self.watched.periods.judgement) => {}
                Some(Err(panic)) = probes.join_next() => return Err(panic),
            }
        }
        self.is_ready.send_replace(false);
        self.tell(false).await;
        probes.shutdown().await;
        Ok(())
    }

    async fn judge(&self) {
        let reasons = self.reasons();
        let is_ready = reasons.is_empty();
        if self.is_ready.send_replace(is_ready) == is_ready {
            return;
        }
        if is_ready {
            tracing::info!("the sidecar is ready");
        } else if self.watched.lifecycle.state().phase >= Phase::Draining {
            tracing::info!("the sidecar is not ready any more, since it drains");
        } else {
            tracing::warn!(reasons = reasons.join("; "), "the sidecar is not ready");
        }
        self.tell(is_ready).await;
    }

    async fn tell(&self, is_ready: bool) {
        let status = if is_ready {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        self.reporter.set_service_status("", status).await;
        for service in &self.watched.services {
            self.reporter.set_service_status(service, status).await;
        }
    }

    async fn probe(&self, index: usize) -> ! {
        let periods = self.watched.periods;
        let component = &self.watched.components[index];
        loop {
            let (state, pause) = periods.probe(component.logic.probe()).await;
            self.states()[index] = state;
            sleep(pause).await;
        }
    }

    async fn probe_store(&self) -> ! {
        let periods = self.watched.periods;
        loop {
            let (state, pause) = periods.probe(self.watched.store.probe()).await;
            match (&state, self.store()) {
                (Reach::Unreachable(_), Reach::Unreachable(_)) => {}
                (Reach::Unreachable(reason), _) => {
                    tracing::error!(
                        reason,
                        "the store does not answer; commands are refused and consumers wait"
                    );
                }
                (_, Reach::Unreachable(_)) => tracing::info!("the store answers again"),
                _ => {}
            }
            *locked(&self.store) = state;
            sleep(pause).await;
        }
    }

    fn states(&self) -> MutexGuard<'_, Vec<Reach>> {
        locked(&self.logic)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each state is replaced as a whole, so a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a consumer is not ready, with what its sources wait for.
fn unready(snapshot: &Snapshot) -> String {
    let (kind, name) = (snapshot.id.kind.as_str(), &snapshot.id.name);
    if snapshot.holder == Holder::Twin {
        return format!(
            "another sidecar with the same service endpoint acts for {kind} {name}; set {SERVICE_ENDPOINT} of each to its own address"
        );
    }
    let waits = snapshot.sources.iter().filter_map(|source| {
        let domain = &source.domain;
        match &source.state {
            SourceState::Paused(why) => Some(format!("{domain} is paused: {why}")),
            SourceState::Stopped(why) => Some(format!("{domain} is stopped: {why}")),
            SourceState::Connecting | SourceState::CatchingUp | SourceState::Live => None,
        }
    });
    let waits: Vec<_> = waits.collect();
    if waits.is_empty() {
        return format!("{kind} {name} has not stored the start of every source");
    }
    format!(
        "{kind} {name} cannot read its sources: {}",
        waits.join("; ")
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use angzarr_coordinator::model::{
        Append, Command, CorrelationId, Decision, Domain, History, Position, Root, RootHead,
    };
    use angzarr_coordinator::port::store::{self, Durability};
    use async_trait::async_trait;
    use tonic::Request;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_server::Health as _;

    use super::*;

    /// Logic and a store that answer when they are on.
    pub(crate) struct Switch(pub(crate) AtomicBool);

    #[async_trait]
    impl AggregateLogic for Switch {
        async fn handle(
            &self,
            _: History,
            _: &Command,
            _: Duration,
        ) -> Result<Decision, logic::Error> {
            Ok(Decision::default())
        }

        async fn probe(&self) -> Result<(), logic::Error> {
            if self.0.load(Ordering::Relaxed) {
                Ok(())
            } else {
                Err(logic::Error::Unreachable("nobody listens".to_owned()))
            }
        }
    }

    #[async_trait]
    impl Catalog for Switch {
        async fn list_roots(
            &self,
            _: &Domain,
            _: Option<Root>,
            _: usize,
        ) -> Result<Vec<RootHead>, store::Error> {
            Ok(Vec::new())
        }

        async fn read_correlated(
            &self,
            _: &Domain,
            _: &CorrelationId,
            _: Position,
            _: usize,
        ) -> Result<Vec<Append>, store::Error> {
            Ok(Vec::new())
        }

        async fn probe(&self) -> Result<(), store::Error> {
            if self.0.load(Ordering::Relaxed) {
                return Ok(());
            }
            let cause = std::io::Error::other("the cable is cut");
            Err(store::Error::Unavailable(Arc::new(cause)))
        }

        fn durability(&self) -> Durability {
            Durability::Process
        }
    }

    async fn with_logic(logic: Arc<Switch>) -> (Arc<Lifecycle>, Arc<Health>) {
        with(logic, Arc::new(Switch(AtomicBool::new(true)))).await
    }

    async fn with(logic: Arc<Switch>, store: Arc<Switch>) -> (Arc<Lifecycle>, Arc<Health>) {
        let lifecycle = Arc::new(Lifecycle::new_open());
        let component = Component {
            kind: ComponentKind::Aggregate,
            name: "heron".to_owned(),
            logic: Logic::Aggregate(logic),
        };
        let health = Health::new(Watched {
            lifecycle: Arc::clone(&lifecycle),
            components: vec![component],
            consumers: Vec::new(),
            store,
            services: vec!["angzarr.v1.EventQuery".to_owned()],
            periods: Periods::default(),
        });
        (lifecycle, Arc::new(health.await))
    }

    async fn serving(health: &Health, service: &str) -> i32 {
        let service_of_health = HealthService::from_health_reporter(health.reporter.clone());
        let asked = Request::new(HealthCheckRequest {
            service: service.to_owned(),
        });
        let answer = service_of_health.check(asked).await.unwrap();
        answer.into_inner().status
    }

    #[tokio::test(start_paused = true)]
    async fn a_sidecar_is_ready_once_everything_that_it_needs_is_there() {
        let logic = Arc::new(Switch(AtomicBool::new(false)));
        let (lifecycle, health) = with_logic(Arc::clone(&logic)).await;
        assert_eq!(serving(&health, "").await, 2);
        assert_eq!(health.reasons().len(), 3);
        let mut ready = health.watch();
        let stop = CancellationToken::new();
        let running = tokio::spawn(Arc::clone(&health).run(stop.clone()));
        lifecycle.mark_started();
        health.note_routing();
        logic.0.store(true, Ordering::Relaxed);
        ready.wait_for(|ready| *ready).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(serving(&health, "").await, 1);
        assert_eq!(serving(&health, "angzarr.v1.EventQuery").await, 1);

        logic.0.store(false, Ordering::Relaxed);
        ready.wait_for(|ready| !*ready).await.unwrap();
        assert!(health.reasons()[0].contains("nobody listens"));
        logic.0.store(true, Ordering::Relaxed);
        ready.wait_for(|ready| *ready).await.unwrap();

        lifecycle.begin_drain();
        ready.wait_for(|ready| !*ready).await.unwrap();
        assert_eq!(health.reasons(), ["the sidecar drains"]);
        stop.cancel();
        running.await.unwrap().unwrap();
        assert_eq!(serving(&health, "").await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_away_is_told_and_does_not_count() {
        let (logic, store) = (AtomicBool::new(true), AtomicBool::new(false));
        let (logic, store) = (Arc::new(Switch(logic)), Arc::new(Switch(store)));
        let (lifecycle, health) = with(logic, Arc::clone(&store)).await;
        lifecycle.mark_started();
        health.note_routing();
        let stop = CancellationToken::new();
        let running = tokio::spawn(Arc::clone(&health).run(stop.clone()));
        health.watch().wait_for(|ready| *ready).await.unwrap();
        let told = Reach::Unreachable("reach the store: the cable is cut".to_owned());
        assert_eq!(health.store(), told);
        store.0.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(health.store(), Reach::Reachable);
        stop.cancel();
        running.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_gate_does_not_count() {
        let logic = Arc::new(Switch(AtomicBool::new(true)));
        let (lifecycle, health) = with_logic(logic).await;
        lifecycle.close();
        lifecycle.mark_started();
        health.note_routing();
        let stop = CancellationToken::new();
        let running = tokio::spawn(Arc::clone(&health).run(stop.clone()));
        let mut ready = health.watch();
        ready.wait_for(|ready| *ready).await.unwrap();
        stop.cancel();
        running.await.unwrap().unwrap();
    }
}
