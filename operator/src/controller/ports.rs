//! What the operator serves: its webhook, and probes and metrics.

use std::future::pending;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use kube::Client;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Operator;
use super::http::{self, Shown};
use super::leader::Leadership;

/// Serves the webhook, if it has an address.
pub(super) async fn serve_webhook(
    operator: &Operator,
    client: &Client,
    leadership: Leadership,
    tasks: &mut JoinSet<Result<()>>,
) -> Result<()> {
    let (webhook, client) = (operator.webhook.clone(), client.clone());
    let serving = webhook.serve(
        (&operator.instance, operator.namespace.as_deref()),
        client,
        move || leadership.may_write(),
    );
    for part in serving.await? {
        tasks.spawn(part);
    }
    Ok(())
}

/// Serves probes and metrics, if they have an address.
pub(super) async fn serve(
    address: Option<SocketAddr>,
    shown: Shown,
    stop: CancellationToken,
    tasks: &mut JoinSet<Result<()>>,
) -> Result<()> {
    let Some(address) = address else {
        return Ok(());
    };
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("listen on {address}"))?;
    let serving = http::serve(listener, shown, stop);
    tasks.spawn(async move {
        serving.await.context("serve probes and metrics")?;
        // It ends before the rest when the operator is stopped.
        pending().await
    });
    Ok(())
}
