//! A sidecar from its settings to its end.
//!
//! ```text
//! bind, serve the admin port ─▶ open the store ─▶ aggregates, consumers ─▶ serve ─▶ drain ─▶ end
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
use angzarr_coordinator::model::StoreId;
use anyhow::{Context, Result, anyhow};
use prometheus::Registry;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use uuid::Uuid;

use crate::admin::{self, Admin};
use crate::grpc::Served;
use crate::health::Periods;
use crate::lifecycle::Lifecycle;
use crate::places::Places;
use crate::settings::Settings;
use build::Sidecar;
use fleet::Running;

/// How long a drain waits, beyond loopback, for everybody to notice that this sidecar takes nothing new.
const PROPAGATION: Duration = Duration::from_secs(3);
/// How long the last tasks may take to end.
const LAST_GRACE: Duration = Duration::from_secs(2);

/// Connections that may wait to be accepted on the gRPC port.
const BACKLOG: u32 = 1_024;

/// What runs as long as the sidecar, from before its store is open.
struct Frame {
    lifecycle: Arc<Lifecycle>,
    admin: Arc<Admin>,
    /// Tasks that end only when `end` is cancelled.
    parts: JoinSet<Result<()>>,
    end: CancellationToken,
}

/// Runs a sidecar until `stop` is cancelled; then it drains and ends. The admin port is served from the beginning, also while the store is waited for.
///
/// # Errors
/// Why it could not start, or why it cannot go on; nothing acknowledged is lost by that.
pub async fn run(settings: Settings, registry: Registry, stop: CancellationToken) -> Result<()> {
    let ports = &settings.boot.ports;
    let grpc = reserve(ports, ports.grpc, "ports.grpc")?;
    let admin = bind(ports, ports.admin, "ports.admin").await?;
    let address = grpc.local_addr().context("read the own address")?;
    let admin_address = admin.local_addr().context("read the own address")?;
    tracing::info!(grpc = %address, admin = %admin_address, "the sidecar starts");
    let mut frame = Frame::start(&settings, registry, admin);
    let lifecycle = Arc::clone(&frame.lifecycle);
    let draining = lifecycle.draining();
    let built = tokio::select! {
        built = Sidecar::build(&settings, &lifecycle, address) => Some(built?),
        () = stop.cancelled() => None,
        () = draining.cancelled() => None,
        Some(part) = frame.parts.join_next() => return Err(unexpected(part.map_err(Into::into).flatten())),
    };
    let ended = match built {
        Some(sidecar) => serve(sidecar, &mut frame, grpc, &stop).await,
        None => {
            lifecycle.finish_drain();
            stop.cancelled().await;
            Ok(())
        }
    };
    frame.end.cancel();
    finish(frame.parts).await;
    ended
}

impl Frame {
    fn start(settings: &Settings, registry: Registry, listener: TcpListener) -> Self {
        let lifecycle = Arc::new(match settings.starts_closed {
            true => Lifecycle::new_closed(),
            false => Lifecycle::new_open(),
        });
        let namespace = settings.boot.namespace.clone();
        let admin = Arc::new(Admin::new(Arc::clone(&lifecycle), namespace, registry));
        let end = CancellationToken::new();
        let mut parts = JoinSet::new();
        let (shown, ended) = (Arc::clone(&admin), end.clone());
        parts.spawn(async move {
            let served = admin::serve(listener, shown, ended).await;
            served.context("serve the admin port")
        });
        Self {
            lifecycle,
            admin,
            parts,
            end,
        }
    }
}

async fn bind(ports: &Ports, port: u16, field: &str) -> Result<TcpListener> {
    let address = SocketAddr::new(ports.bind, port);
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("listen on {address}; set {field} to a free port"))
}

/// Takes a port without listening on it, so that connections are refused until something can reply to them.
fn reserve(ports: &Ports, port: u16, field: &str) -> Result<TcpSocket> {
    let address = SocketAddr::new(ports.bind, port);
    let reserved = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let reserved = reserved.and_then(|socket| {
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    });
    reserved.with_context(|| format!("listen on {address}; set {field} to a free port"))
}

type Server = JoinHandle<Result<(), tonic::transport::Error>>;

async fn serve(
    sidecar: Sidecar,
    frame: &mut Frame,
    grpc: TcpSocket,
    stop: &CancellationToken,
) -> Result<()> {
    let lifecycle = Arc::clone(&frame.lifecycle);
    let routes = Arc::clone(&sidecar.routes);
    let fleet = sidecar.fleet.clone();
    let (fatal, closing) = (sidecar.fatal.clone(), sidecar.closing.clone());
    let address = grpc.local_addr().context("read the own address")?;
    let grpc = grpc.listen(BACKLOG);
    let grpc =
        grpc.with_context(|| format!("listen on {address}; set ports.grpc to a free port"))?;
    let router = frame.start_parts(sidecar);
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
        Some(part) = frame.parts.join_next() => Err(unexpected(part.map_err(Into::into).flatten())),
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
    ended
}

impl Frame {
    /// Starts what runs as long as the sidecar, beside its consumers and its gRPC server, whose services it answers.
    fn start_parts(&mut self, sidecar: Sidecar) -> Served {
        let Sidecar {
            router,
            shown,
            routing,
            routes,
            aggregates,
            memory,
            fleet,
            store_id,
            writing,
            fatal: _,
            closing: _,
        } = sidecar;
        let (parts, end) = (&mut self.parts, &self.end);
        let (health, ended) = (Arc::clone(&shown.health), end.clone());
        parts.spawn(async move { health.run(ended).await.context("watch the logic") });
        if fleet.has_sagas() {
            let (targets, ended) = (Arc::clone(&shown.targets), end.clone());
            let places = Places {
                aggregates: Arc::clone(&aggregates),
                routes: Arc::clone(&routes),
            };
            parts.spawn(async move {
                let periods = Periods::default();
                targets.follow(&places, periods, ended).await;
                Ok(())
            });
        }
        self.admin.complete(shown);
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
                check_store(store_id, routing.store_id)?;
                aggregates.configure(&routing.limits);
                memory.configure(&routing);
                fleet.configure(&routing);
            }
            Ok(())
        });
        parts.spawn(async move { writing.await.context("write to the store") });
        router
    }
}

/// A sidecar that was started before the id of its store was known may have opened another store; it ends before it writes more into that.
fn check_store(open: Option<StoreId>, expected: Option<Uuid>) -> Result<()> {
    match (open, expected) {
        (Some(open), Some(expected)) if open.0 != expected => Err(anyhow!(
            "the store {open} is open, and the store {expected} is expected; correct the address or the credentials that lead there"
        )),
        _ => Ok(()),
    }
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
