//! `angzarr operator`: reconciles the resources of a cluster.
//!
//! ```text
//! API server ─▶ intake (watches) ─▶ world ─▶ queue ─▶ reconcile: dereference ─▶ validate ─▶ plan ─▶ apply ─▶ report ─▶ API server
//!
//! intake.rs    what the watches see, and whom it concerns; namespaces.rs the labels of namespaces
//! world.rs     what is known: resources, children, pods
//! queue.rs     which resources are due
//! reconcile.rs the pipeline
//! wishes.rs    what people ask for by annotations: a pause, or a look
//! delays.rs    which failures last
//! instance.rs  which of several installations a resource belongs to
//! inputs.rs    what pods are planned from
//! revision.rs  the plan that pods have, kept in a ControllerRevision
//! pin.rs       which plan pods get: that of before, or a new one
//! rollouts.rs  how many rollouts run beside each other
//! deadline.rs  bounds the time of each call
//! apply.rs     writes children (wanted.rs), and only ours; forbidden.rs says why it may not, prune.rs removes what is left of earlier plans
//! existing.rs  workloads of others, which roll when what their pods get changes
//! probe.rs     asks the sidecars of pods
//! look.rs      what they said
//! outcome.rs   what a look came to
//! seen.rs      what a report is made of
//! report.rs    conditions; sentence.rs has their sentences, summary.rs the rest of a component's status
//! store.rs     what only an EventStore has: its identity, its tables with their Job (job.rs), its users
//! answers.rs   those that come from what sidecars said
//! reasons.rs   their types and reasons
//! manual.rs    what each reason means, and what to do; page.rs prints that
//! leader.rs    which of several operators writes; fence.rs lets nobody else write
//! events.rs    transitions, said once
//! ports.rs     what is served: http.rs has probes and metrics, the webhook is elsewhere
//! ```

mod answers;
mod apply;
mod child;
mod deadline;
mod delays;
mod events;
mod existing;
mod fence;
mod forbidden;
mod http;
mod inputs;
mod instance;
mod intake;
mod job;
mod leader;
mod look;
mod manual;
mod metrics;
mod namespaces;
mod outcome;
mod page;
mod pin;
mod pod;
mod ports;
mod probe;
mod prune;
mod queue;
mod reasons;
mod reconcile;
mod report;
mod revision;
mod rollouts;
mod seen;
mod sentence;
mod store;
mod summary;
mod wanted;
mod watching;
mod wishes;
mod workload;
mod world;

use std::future::{Future, pending};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use angzarr_crds::{GROUP, Kind, WorkloadKind};
use anyhow::{Context, Result};
use clap::Args;
use futures::FutureExt;
use kube::Client;
use kube::api::{ApiResource, GroupVersionKind};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

pub use crate::injection::Webhook;
use crate::model::Key;
use crate::plan::Installation;
pub use leader::Election;
pub use manual::{Entry, Value};
pub use page::manual;
pub(crate) use pod::Pod;
pub use queue::Pace;
pub use reasons::{Reason, Type};

use child::ChildKind;
use fence::fenced;
use http::Shown;
use instance::Instance;
use intake::{Intake, PodsOf};
use leader::{Candidate, Leadership};
use metrics::Metrics;
use probe::Prober;
use queue::{Next, Queue};
use reconcile::Reconciler;
use rollouts::Rollouts;
use watching::Watching;
use world::World;

/// How long what is under way may go on after the signal to end.
const GRACE: Duration = Duration::from_secs(10);

/// What the operator looks at, and what it installs.
#[derive(Debug, Clone, Args)]
pub struct Operator {
    /// The only namespace whose resources are reconciled; all without it.
    #[arg(long, value_name = "NAMESPACE", env = "ANGZARR_NAMESPACE")]
    pub namespace: Option<String>,
    /// The image of the sidecar, for resources that name none.
    #[arg(long, value_name = "IMAGE", env = "ANGZARR_SIDECAR_IMAGE", default_value = crate::render::DEFAULT_IMAGE)]
    pub sidecar_image: String,
    /// How often each sidecar is asked how it is; ten times as often while an answer is pending.
    #[arg(
        long,
        value_name = "TIME",
        env = "ANGZARR_PROBE_INTERVAL",
        default_value = "30s"
    )]
    pub probe_interval: angzarr_crds::Duration,
    /// How many components may have their pods replaced at a time; the first pods of a component and changes of their number do not count.
    #[arg(
        long,
        value_name = "COUNT",
        env = "ANGZARR_MAX_CONCURRENT_ROLLOUTS",
        default_value = "5"
    )]
    pub max_concurrent_rollouts: NonZeroUsize,
    /// How fast it works.
    #[command(flatten)]
    pub pace: Pace,
    /// Names this installation apart from others in the cluster. It has the resources with this value in the label angzarr.io/instance; `angzarr` also has
    /// those without the label. Its lease, and the writer of its objects, is INSTANCE-operator.
    #[arg(
        long,
        value_name = "INSTANCE",
        env = "ANGZARR_INSTANCE",
        default_value = "angzarr",
        value_parser = instance::parse
    )]
    pub instance: String,
    /// Where probes and metrics are served, such as 0.0.0.0:8080; nowhere without it.
    #[arg(long, value_name = "ADDRESS", env = "ANGZARR_HTTP")]
    pub http: Option<SocketAddr>,
    /// How pods of other workloads get their sidecar where the cluster does not do it.
    #[command(flatten)]
    pub webhook: Webhook,
    /// How the operator that writes is chosen among those of an instance.
    #[command(flatten)]
    pub election: Election,
}

/// Runs the operator of this process until a signal ends it.
///
/// # Errors
/// There is no API server to be found in the environment, the lease was lost, or a part of the operator ended by itself.
pub(crate) async fn main(operator: Operator) -> Result<()> {
    tracing_subscriber::fmt()
        .json()
        .with_writer(std::io::stderr)
        .init();
    let client = Client::try_default()
        .await
        .context("find the API server; set KUBECONFIG or run in a pod")?;
    run(operator, client, ended_by_signal()).await
}

/// Runs the operator until a future ends. What is under way then is finished, and the lease is given up.
///
/// # Errors
/// A flag has no sense, the port is taken, the lease was lost, or a part of the operator ended by itself.
pub async fn run(operator: Operator, client: Client, stopped: impl Future) -> Result<()> {
    let election = &operator.election;
    let mut candidate = if election.leader_election {
        Some(Candidate::new(
            election,
            &operator.instance,
            client.clone(),
        )?)
    } else {
        None
    };
    let leadership = candidate
        .as_ref()
        .map_or_else(Leadership::unopposed, Candidate::leadership);
    let stop = CancellationToken::new();
    let mut parts = start(&operator, client, leadership, stop.clone()).await?;
    drive(candidate.as_mut(), &mut parts, stopped, stop).await?;
    if let Some(candidate) = &candidate {
        candidate.release().await;
    }
    Ok(())
}

/// Waits for the future that stops the operator, and then for what is under way.
async fn drive(
    candidate: Option<&mut Candidate>,
    parts: &mut Parts,
    stopped: impl Future,
    stop: CancellationToken,
) -> Result<()> {
    let (work, others) = (&mut parts.work, &mut parts.others);
    let elected = async {
        match candidate {
            Some(candidate) => candidate.run().await,
            None => pending().await,
        }
    };
    let ended = async {
        tokio::select! {
            lost = elected => lost.context("lead"),
            ended = others.join_next() => {
                ended.context("no part runs")?.context("a part of the operator failed")??;
                anyhow::bail!("a part of the operator ended by itself");
            }
        }
    };
    let mut ended = std::pin::pin!(ended);
    tokio::select! {
        _ = stopped => {}
        ended = &mut ended => return ended,
    }
    stop.cancel();
    // The lease is renewed as long as there is something under way.
    tokio::select! {
        _ = timeout(GRACE, work.join_next()) => {}
        ended = ended => ended?,
    }
    work.shutdown().await;
    Ok(())
}

/// The tasks of an operator, which end when it is dropped.
struct Parts {
    /// Reconciles; ends when it is stopped.
    work: JoinSet<()>,
    /// Never end by themselves.
    others: JoinSet<Result<()>>,
}

async fn start(
    operator: &Operator,
    client: Client,
    leadership: Leadership,
    stop: CancellationToken,
) -> Result<Parts> {
    let metrics = Metrics::new().context("name the metrics")?;
    let pace = operator.pace;
    let client = deadline::bounded(client, pace.call);
    let client = fenced(client, leadership.clone(), metrics.clone());
    let queue = Queue::new(pace, metrics.queue());
    let instance = Instance::new(&operator.instance);
    let intake = Intake {
        client: client.clone(),
        world: Arc::new(World::seeing(operator.namespace.as_deref())),
        requests: queue.requests(),
        namespace: operator.namespace.clone(),
        instance: instance.clone(),
        watch: pace.watch,
    };
    let prober = Prober {
        world: Arc::clone(&intake.world),
        requests: queue.requests(),
        pace: probe::Pace::every(operator.probe_interval.get()),
    };
    let installation = Installation {
        sidecar_image: operator.sidecar_image.clone(),
        has_pod_monitors: false,
    };
    let mut others = JoinSet::new();
    let watching = start_watches(&intake, &mut others);
    others.spawn(without_end(prober.run(stop.clone())));
    let shown = Shown {
        watching: watching.clone(),
        metrics: metrics.clone(),
        leadership: leadership.clone(),
    };
    ports::serve_webhook(operator, &client, leadership.clone(), &mut others).await?;
    ports::serve(operator.http, shown, stop.clone(), &mut others).await?;
    let is_open = Arc::new(AtomicBool::new(false));
    let world = Arc::clone(&intake.world);
    let rollouts = Arc::new(Rollouts::new(operator.max_concurrent_rollouts));
    let (places, requests) = (Arc::clone(&rollouts), queue.requests());
    let installed = (instance, installation);
    let reconciler = Reconciler::new(client, world, installed, places, requests);
    let reconciler = Arc::new(reconciler);
    let look = look(reconciler, metrics, Arc::clone(&is_open));
    others.spawn(async move {
        watching.completed().await;
        leadership.elected().await;
        rollouts.recover(&intake.world.state());
        is_open.store(true, Ordering::Release);
        let known = intake.world.state().known();
        intake.requests.all(known);
        pending().await
    });
    let mut work = JoinSet::new();
    work.spawn(async move { queue.run(look, stop).await });
    Ok(Parts { work, others })
}

/// A part that ends before the rest when the operator is stopped.
async fn without_end(part: impl Future<Output = ()>) -> Result<()> {
    part.await;
    pending().await
}

/// Looks at a resource. What is due before the operator may work is forgotten, since everything becomes due then; so a process that does not lead
/// gathers nothing.
fn look(
    reconciler: Arc<Reconciler>,
    metrics: Metrics,
    is_open: Arc<AtomicBool>,
) -> impl Fn(Key) -> futures::future::BoxFuture<'static, Next> {
    move |key| {
        let (reconciler, metrics) = (Arc::clone(&reconciler), metrics.clone());
        let is_open = is_open.load(Ordering::Acquire);
        Box::pin(async move {
            if !is_open {
                return Next::Never;
            }
            let (kind, began) = (key.kind, Instant::now());
            let next = reconciler.reconcile(key).await;
            metrics.count_reconcile(kind, next, began.elapsed());
            next
        })
    }
}

/// Starts all watches.
fn start_watches(intake: &Intake, tasks: &mut JoinSet<Result<()>>) -> Watching {
    let resources = Kind::ALL.map(Kind::as_str).into_iter();
    let children = ChildKind::ALWAYS.map(ChildKind::as_str);
    let pods = PodsOf::ALL.map(PodsOf::as_str);
    let workloads = WorkloadKind::ALL.map(existing::watched);
    let namespaces = intake.namespace.is_none().then_some(namespaces::KIND);
    let others = pods.into_iter().chain(workloads).chain(namespaces);
    let watching = Watching::new(resources.chain(children).chain(others));
    if namespaces.is_some() {
        tasks.spawn(intake.clone().namespaces(watching.clone()).map(Ok));
    }
    for kind in Kind::ALL {
        tasks.spawn(intake.clone().resources(kind, watching.clone()).map(Ok));
    }
    for kind in ChildKind::ALWAYS {
        tasks.spawn(intake.clone().children(kind, watching.clone()).map(Ok));
    }
    for of in PodsOf::ALL {
        tasks.spawn(intake.clone().pods(of, watching.clone()).map(Ok));
    }
    for kind in WorkloadKind::ALL {
        tasks.spawn(intake.clone().workloads(kind, watching.clone()).map(Ok));
    }
    watching
}

/// How the API server names one of our kinds.
pub(crate) fn api(kind: Kind) -> ApiResource {
    let gvk = GroupVersionKind::gvk(GROUP, "v1alpha1", kind.as_str());
    ApiResource::from_gvk_with_plural(&gvk, kind.plural())
}

/// Ends with the first signal that asks the process to end.
async fn ended_by_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be listened to");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
