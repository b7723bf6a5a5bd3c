//! What is asked of a sidecar over its loopback admin port.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(5);
/// The most bytes of a refusal that are shown.
const MOST: usize = 64 << 10;

/// Asks sidecars.
#[derive(Debug, Clone)]
pub struct Admin {
    http: Client<HttpConnector, Empty<Bytes>>,
}

impl Default for Admin {
    /// Connects when it is used.
    fn default() -> Self {
        Self {
            http: Client::builder(TokioExecutor::new()).build_http(),
        }
    }
}

impl Admin {
    /// Whether the sidecar is ready.
    pub async fn is_ready(&self, port: u16) -> bool {
        self.ask(Method::GET, "readyz", port).await.is_ok()
    }

    /// Lets commands of clients in.
    ///
    /// # Errors
    /// The sidecar did not answer, or refused.
    pub async fn open(&self, port: u16) -> Result<()> {
        self.ask(Method::POST, "open", port).await
    }

    async fn ask(&self, method: Method, path: &str, port: u16) -> Result<()> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1:{port}/{path}"))
            .body(Empty::new())
            .context("write the question")?;
        let asked = async {
            let answer = self.http.request(request).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MOST).collect().await;
            // A longer answer is no sidecar's, and its status says enough.
            let body = body.map_or_else(|_| Bytes::new(), |body| body.to_bytes());
            Ok::<_, hyper_util::client::legacy::Error>((status, body))
        };
        let (status, body) = timeout(WITHIN, asked)
            .await
            .context("wait for the sidecar")?
            .context("ask the sidecar")?;
        if status != StatusCode::OK {
            bail!("{status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(())
    }
}
