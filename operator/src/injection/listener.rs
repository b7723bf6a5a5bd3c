//! Connections over TLS, bounded in number and time.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;

use super::certificate::Current;

/// How many connections there are at a time; further ones wait.
const MOST_CONNECTIONS: usize = 256;
/// How long a handshake may take.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(5);
/// How long the head of a request may take, and a connection may wait for one.
const LONGEST_HEAD: Duration = Duration::from_secs(15);
/// How long a failure to take a connection holds up the next one, such as when there are too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// A port over TLS.
pub(super) struct Listener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener {
    /// Serves the certificate that is current when somebody connects.
    pub(super) fn new(
        listener: TcpListener,
        current: Current,
    ) -> Result<Self, tokio_rustls::rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(current));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            listener,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        })
    }

    /// Serves until it is dropped, and all connections with it.
    pub(super) async fn serve(self, routes: Router) {
        let free = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let place = Arc::clone(&free).acquire_owned().await;
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection to the webhook could not be taken");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let (acceptor, routes) = (self.acceptor.clone(), routes.clone());
            connections.spawn(async move {
                let _place = place;
                connect(acceptor, stream, routes).await;
            });
        }
    }
}

/// Serves one connection. Whoever breaks it sees that himself.
async fn connect(acceptor: TlsAcceptor, stream: TcpStream, routes: Router) {
    let Ok(Ok(stream)) = timeout(LONGEST_HANDSHAKE, acceptor.accept(stream)).await else {
        tracing::debug!("a handshake with the webhook failed");
        return;
    };
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes))
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the webhook broke");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_is_closed() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = Listener::new(listener, Current::default()).unwrap();
        tokio::spawn(listener.serve(Router::new()));
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut said = Vec::new();
        // Whether it ends well or is reset: it ends.
        let _ = silent.read_to_end(&mut said).await;
        assert!(said.is_empty(), "{said:?}");
    }
}
