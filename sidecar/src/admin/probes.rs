//! What the kubelet and Prometheus ask.

use std::sync::Arc;
use std::time::Duration;

use angzarr_admin::shape::{Probe, Readiness};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus::{Encoder, TextEncoder};
use tokio::time::timeout;

use super::Shared;
use super::refusal::Refusal;

/// How long `/drained` waits for a drain to begin: the kubelet asks also when a probe failed, and nothing drains then.
const DRAIN_BEGINS_WITHIN: Duration = Duration::from_secs(1);

pub(super) async fn startz(State(shared): State<Arc<Shared>>) -> Response {
    if shared.admin.lifecycle.is_started() {
        passed()
    } else {
        failed(shared.admin.lifecycle.awaited().sentence)
    }
}

pub(super) async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let reasons = shared.admin.reasons();
    let status = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let readiness = Readiness {
        ready: reasons.is_empty(),
        reasons,
    };
    (status, Json(readiness)).into_response()
}

pub(super) async fn livez(State(shared): State<Arc<Shared>>) -> Response {
    match shared.heartbeat.stale() {
        None => passed(),
        Some(silence) => failed(format!("no task got its turn for {silence:?}")),
    }
}

pub(super) async fn drained(State(shared): State<Arc<Shared>>) -> Response {
    let lifecycle = &shared.admin.lifecycle;
    let draining = lifecycle.draining();
    if timeout(DRAIN_BEGINS_WITHIN, draining.cancelled())
        .await
        .is_ok()
    {
        lifecycle.drained().await;
    }
    passed()
}

pub(super) async fn metrics(State(shared): State<Arc<Shared>>) -> Result<Response, Refusal> {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    encoder
        .encode(&shared.admin.registry.gather(), &mut text)
        .map_err(|error| {
            let sentence = format!("write the metrics: {error}");
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", sentence)
        })?;
    let kind = encoder.format_type().to_owned();
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

fn passed() -> Response {
    let probe = Probe {
        ok: true,
        reason: None,
    };
    (StatusCode::OK, Json(probe)).into_response()
}

fn failed(reason: String) -> Response {
    let probe = Probe {
        ok: false,
        reason: Some(reason),
    };
    (StatusCode::SERVICE_UNAVAILABLE, Json(probe)).into_response()
}
