//! Changes of the sidecar's life: open, close, drain.

use std::sync::Arc;

use angzarr_admin::shape::Life;
use axum::Json;
use axum::extract::State;

use super::Shared;
use super::statusz::life;

pub(super) async fn open(State(shared): State<Arc<Shared>>) -> Json<Life> {
    if shared.admin.lifecycle.open() {
        tracing::info!("the sidecar is open for clients");
    }
    Json(life(&shared.admin.lifecycle))
}

pub(super) async fn close(State(shared): State<Arc<Shared>>) -> Json<Life> {
    if shared.admin.lifecycle.close() {
        tracing::info!("the sidecar is closed for clients");
    }
    Json(life(&shared.admin.lifecycle))
}

/// Replies when the drain is over, no matter who began it.
pub(super) async fn drain(State(shared): State<Arc<Shared>>) -> Json<Life> {
    let lifecycle = &shared.admin.lifecycle;
    lifecycle.begin_drain();
    lifecycle.drained().await;
    Json(life(lifecycle))
}
