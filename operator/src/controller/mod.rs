//! `angzarr operator`: reconciles the resources of a cluster.
//!
//! ```text
//! API server ─▶ intake (watches) ─▶ world ─▶ queue ─▶ reconcile: dereference ─▶ validate ─▶ plan ─▶ apply ─▶ report ─▶ API server
//!
//! intake.rs    what the watches see, and whom it concerns
//! world.rs     what is known: resources, children, pods
//! queue.rs     which resources are due
//! reconcile.rs the pipeline
//! deadline.rs  bounds the time of each call
//! apply.rs     writes children, and only ours
//! probe.rs     asks the sidecars of pods
//! look.rs      what they said
//! seen.rs      what a report is made of
//! report.rs    conditions
//! answers.rs   those that come from what sidecars said
//! reasons.rs   their types and reasons
//! manual.rs    what each reason means, and what to do
//! ```

mod answers;
mod apply;
mod child;
mod deadline;
mod intake;
mod look;
mod manual;
mod pod;
mod probe;
mod queue;
mod reasons;
mod reconcile;
mod report;
mod seen;
mod world;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use angzarr_crds::{GROUP, Kind};
use anyhow::{Context, Result};
use clap::Args;
use kube::Client;
use kube::api::{ApiResource, GroupVersionKind};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::plan::Installation;
pub use manual::{Entry, Value, manual};
pub(crate) use pod::Pod;
pub use queue::Pace;
pub use reasons::{Reason, Type};

use child::ChildKind;
use intake::Intake;
use probe::Prober;
use queue::Queue;
use reconcile::Reconciler;
use world::World;

/// How long the last steps may take after a signal.
const FAREWELL: Duration = Duration::from_secs(5);

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
    /// How fast it works.
    #[command(flatten)]
    pub pace: Pace,
}

/// Runs the operator of this process until a signal ends it.
///
/// # Errors
/// There is no API server to be found in the environment, or a part of the operator ended by itself.
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

/// Runs the operator until a future ends.
///
/// # Errors
/// A part of it ended by itself.
pub async fn run(operator: Operator, client: Client, stopped: impl Future) -> Result<()> {
    let world = Arc::new(World::default());
    let pace = operator.pace;
    let client = deadline::bounded(client, pace.call);
    let queue = Queue::new(pace);
    let intake = Intake {
        client: client.clone(),
        world: Arc::clone(&world),
        requests: queue.requests(),
        namespace: operator.namespace,
        watch: pace.watch,
    };
    let installation = Installation {
        sidecar_image: operator.sidecar_image,
        has_pod_monitors: false,
    };
    let prober = Prober {
        world: Arc::clone(&world),
        requests: queue.requests(),
        pace: probe::Pace::every(operator.probe_interval.get()),
    };
    let reconciler = Arc::new(Reconciler::new(client, world, installation));
    let (mut watches, complete) = start_watches(&intake);
    let stop = CancellationToken::new();
    // Whoever drops this future ends all of it.
    let mut probes = AbortOnDropHandle::new(tokio::spawn(prober.run(stop.clone())));
    let look = move |key| {
        let reconciler = Arc::clone(&reconciler);
        async move { reconciler.reconcile(key).await }
    };
    let mut work = AbortOnDropHandle::new(tokio::spawn({
        let stop = stop.clone();
        async move {
            if complete.await {
                queue.run(look, stop).await;
            }
        }
    }));
    tokio::select! {
        _ = stopped => {}
        ended = watches.join_next() => {
            ended.context("watch")?.context("watch the API server")?;
            anyhow::bail!("a watch ended by itself");
        }
        ended = &mut probes => {
            ended.context("ask the sidecars")?;
            anyhow::bail!("the probes ended by themselves");
        }
        ended = &mut work => {
            ended.context("look at the resources")?;
            anyhow::bail!("the queue ended by itself");
        }
    }
    stop.cancel();
    watches.abort_all();
    // What is under way is finished, or left to the next start: each step may be repeated.
    let _ = tokio::time::timeout(FAREWELL, work).await;
    Ok(())
}

/// Starts all watches; the future ends when each has seen everything once.
fn start_watches(intake: &Intake) -> (JoinSet<()>, impl Future<Output = bool> + use<>) {
    let (complete, mut count) = watch::channel(0);
    let mut watches = JoinSet::new();
    for kind in Kind::ALL {
        watches.spawn(intake.clone().resources(kind, complete.clone()));
    }
    for kind in ChildKind::ALWAYS {
        watches.spawn(intake.clone().children(kind, complete.clone()));
    }
    watches.spawn(intake.clone().pods(complete));
    let all = watches.len();
    let is_complete = async move { count.wait_for(|count| *count >= all).await.is_ok() };
    (watches, is_complete)
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
