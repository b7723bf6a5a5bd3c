//! A sidecar from its settings to its end.
//!
//! ```text
//! bind ─▶ open the store ─▶ aggregates, consumers ─▶ serve ─▶ drain ─▶ end
//! ```

mod base;
mod build;
mod consumers;
mod fleet;
mod services;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use angzarr_config::boot::Ports;
use anyhow::{Context, Result, anyhow};
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;

use crate::admin;
use crate::grpc::Served;
use crate::settings::Settings;
use build::Sidecar;
use fleet::Running;

/// How long a drain waits, beyond loopback, for everybody to notice that this sidecar takes nothing new.
const PROPAGATION: Duration = Duration::from_secs(3);
/// How long the last tasks may take to end.
const LAST_GRACE: Duration = Duration::from_secs(2);

/// Runs a sidecar until `stop` is cancelled; then it drains and ends.
///
/// # Errors
/// Why it could not start, or why it cannot go on; nothing acknowledged is lost by that.
pub async fn run(settings: Settings, registry: Registry, stop: CancellationToken) -> Result<()> {
    let ports = &settings.boot.ports;
    let grpc = bind(ports, ports.grpc, "ports.grpc").await?;
    let admin = bind(ports, ports.admin, "ports.admin").await?;
    let address = grpc.local_addr().context("read the own address")?;
    let admin_address = admin.local_addr().context("read the own address")?;
    tracing::info!(grpc = %address, admin = %admin_address, "the sidecar starts");
    let sidecar = Sidecar::build(&settings, registry, address).await?;
    serve(sidecar, grpc, admin, stop).await
}

async fn bind(ports: &Ports, port: u16, field: &str) -> Result<TcpListener> {
    let address = SocketAddr::new(ports.bind, port);
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("listen on {address}; set {field} to a free port"))
}

type Server = JoinHandle<Result<(), tonic::transport::Error>>;

async fn serve(
    sidecar: Sidecar,
    grpc: TcpListener,
    admin: TcpListener,
    stop: CancellationToken,
) -> Result<()> {
    let lifecycle = Arc::clone(&sidecar.shown.lifecycle);
    let routes = Arc::clone(&sidecar.routes);
    let fleet = sidecar.fleet.clone();
    let (fatal, closing) = (sidecar.fatal.clone(), sidecar.closing.clone());
    let address = grpc.local_addr().context("read the own address")?;
    let end = CancellationToken::new();
    let (router, mut parts) = start_parts(sidecar, admin, &end);
    // Without this an answer in several pieces waits for the other side's delayed acknowledgement.
    let incoming = TcpIncoming::from(grpc).with_nodelay(Some(true));
    let shutdown = closing.clone().cancelled_owned();
    let mut server: Server = tokio::spawn(router.serve_with_incoming_shutdown(incoming, shutdown));

    let mut running = fleet.start();
    drop(fleet);
    lifecycle.mark_started();
    let draining = lifecycle.draining();
    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        () = draining.cancelled() => Ok(()),
        () = fatal.cancelled() => Err(anyhow!("the store failed for good; start the sidecar again once its disk is well")),
        error = running.failed() => Err(error),
        Some(part) = parts.join_next() => Err(unexpected(part.map_err(Into::into).flatten())),
        served = &mut server => Err(unexpected(served.map_err(Into::into).and_then(|served| served.map_err(Into::into)))),
    };
    if ended.is_ok() {
        lifecycle.begin_drain();
        let pause = if address.ip().is_loopback() {
            Duration::ZERO
        } else {
            PROPAGATION
        };
        drain(
            running,
            pause,
            closing,
            server,
            routes.current().timeouts.drain,
        )
        .await;
        lifecycle.finish_drain();
        // Drained on request: the requester ends the process as well, and reads its state until then.
        stop.cancelled().await;
    }
    end.cancel();
    finish(parts).await;
    ended
}

/// Starts what runs as long as the sidecar, beside its consumers and its gRPC server, whose services it answers.
fn start_parts(
    sidecar: Sidecar,
    admin: TcpListener,
    end: &CancellationToken,
) -> (Served, JoinSet<Result<()>>) {
    let Sidecar {
        router,
        shown,
        routing,
        routes,
        aggregates,
        memory,
        fleet,
        writing,
        fatal: _,
        closing: _,
    } = sidecar;
    let mut parts: JoinSet<Result<()>> = JoinSet::new();
    let (health, ended) = (Arc::clone(&shown.health), end.clone());
    parts.spawn(async move { health.run(ended).await.context("watch the logic") });
    let ended = end.clone();
    parts.spawn(async move {
        let served = admin::serve(admin, shown, ended).await;
        served.context("serve the admin port")
    });
    if let Some(named) = routing {
        let (routes, ended) = (Arc::clone(&routes), end.clone());
        parts.spawn(async move {
            routes.follow(&named, ended).await;
            Ok(())
        });
    }
    let ended = end.clone();
    parts.spawn(async move {
        let mut changes = routes.watch();
        while let Some(Ok(())) = ended.run_until_cancelled(changes.changed()).await {
            let routing = changes.borrow_and_update().clone();
            aggregates.configure(&routing.limits);
            memory.configure(&routing.limits);
            fleet.configure(&routing);
        }
        Ok(())
    });
    parts.spawn(async move { writing.await.context("write to the store") });
    (router, parts)
}

/// Lets everything under way come to its end: consumers first, then, when nobody sends any more, the commands.
async fn drain(
    running: Running,
    pause: Duration,
    closing: CancellationToken,
    server: Server,
    within: Duration,
) {
    let drained = timeout(within, async move {
        tokio::join!(running.stop(), sleep(pause));
        closing.cancel();
        match server.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the server ended badly"),
            Err(error) => tracing::error!(%error, "the server panicked"),
        }
    });
    if drained.await.is_err() {
        tracing::warn!(
            ?within,
            "the drain took too long; calls under way are cut off, their callers repeat them"
        );
    }
}

async fn finish(mut parts: JoinSet<Result<()>>) {
    let ended = timeout(LAST_GRACE, async {
        while let Some(part) = parts.join_next().await {
            if let Err(error) = part.map_err(anyhow::Error::from).flatten() {
                tracing::warn!(%error, "a part of the sidecar ended badly");
            }
        }
    });
    if ended.await.is_err() {
        parts.shutdown().await;
    }
}

/// A part that runs as long as the sidecar came to an end.
fn unexpected(part: Result<()>) -> anyhow::Error {
    part.err()
        .unwrap_or_else(|| anyhow!("a part of the sidecar ended by itself"))
}
