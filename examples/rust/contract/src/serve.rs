//! The gRPC server on loopback that every program of the shop runs.

use std::{
    convert::Infallible,
    env, error,
    io::{self, IsTerminal},
    net::Ipv4Addr,
};

use tokio::signal::unix::{SignalKind, signal};
use tonic::{
    body::Body,
    codegen::{Service, http},
    server::NamedService,
    transport::{Server, server::TcpIncoming},
};

/// The largest accepted or sent message: a history of 16 MiB, with room for its encoding.
pub(crate) const MAX_MESSAGE_BYTES: usize = 21 * 1024 * 1024;

/// Errors of a server.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// `PORT` is not a port.
    #[error("PORT is {0:?}, not a number up to 65535")]
    Port(String),
    /// The port cannot be listened on.
    #[error("listen on port {port}")]
    Listen {
        /// The port.
        port: u16,
        /// The cause.
        source: Box<dyn error::Error + Send + Sync>,
    },
    /// Signals cannot be listened to.
    #[error("listen to signals")]
    Signal(#[source] io::Error),
    /// The server broke.
    #[error("serve")]
    Serve(#[from] tonic::transport::Error),
}

/// Where a program listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The port on 127.0.0.1.
    pub port: u16,
}

impl Settings {
    /// Reads them from the environment: `PORT`, by default 50051, the port where a sidecar looks for its logic.
    ///
    /// # Errors
    ///
    /// Fails if `PORT` is not a port.
    pub fn from_env() -> Result<Self, ServeError> {
        let port = match env::var("PORT") {
            Ok(text) => text.parse().map_err(|_| ServeError::Port(text))?,
            Err(_) => 50051,
        };
        Ok(Self { port })
    }
}

/// Serves one service and the standard health service until the process is told to stop; calls in flight are finished.
///
/// # Errors
///
/// Fails if the port is in use or the server breaks.
pub async fn serve<S>(settings: Settings, service: S) -> Result<(), ServeError>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
        + NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    let stop = stop_signal()?;
    let port = settings.port;
    let incoming = TcpIncoming::bind((Ipv4Addr::LOCALHOST, port).into())
        .map_err(|source| ServeError::Listen {
            port,
            source: source.into(),
        })?
        .with_nodelay(Some(true));
    tracing::info!(port, service = S::NAME, "listening");
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<S>().await;
    Server::builder()
        .add_service(health)
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, stop)
        .await?;
    Ok(())
}

/// Resolves when the process is told to stop, by SIGTERM or from the keyboard.
///
/// # Errors
///
/// Fails if the signals cannot be listened to.
pub fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static, ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signal)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Writes logs to standard error; `RUST_LOG` selects them, by default `info`.
pub fn start_logs() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}
