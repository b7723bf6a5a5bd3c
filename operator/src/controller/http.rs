//! The operator's own port: what the kubelet and Prometheus ask, over plain HTTP.
//!
//! | request | does |
//! | --- | --- |
//! | `GET /livez` | 200 as long as the process answers |
//! | `GET /readyz` | 200 once every watch has seen everything, else 503 with what is missing; a process that does not lead is ready, too |
//! | `GET /metrics` | the metrics in Prometheus' text form |

use angzarr_admin::shape::{Probe, Readiness};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::leader::Leadership;
use super::metrics::Metrics;
use super::watching::Watching;

/// What the port shows.
#[derive(Clone)]
pub(super) struct Shown {
    pub(super) watching: Watching,
    pub(super) metrics: Metrics,
    pub(super) leadership: Leadership,
}

/// Serves until the shutdown, and the requests under way then.
///
/// # Errors
/// The listener's.
pub(super) async fn serve(
    listener: TcpListener,
    shown: Shown,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(shown);
    axum::serve(listener, routes)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

async fn livez() -> Json<Probe> {
    Json(Probe {
        ok: true,
        reason: None,
    })
}

async fn readyz(State(shown): State<Shown>) -> Response {
    let reasons = shown.watching.missing();
    let ready = reasons.is_empty();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(Readiness { ready, reasons })).into_response()
}

async fn metrics(State(shown): State<Shown>) -> Response {
    shown.metrics.show_leader(shown.leadership.may_write());
    match shown.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            let sentence = format!("write the metrics: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, sentence).into_response()
        }
    }
}
