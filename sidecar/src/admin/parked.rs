//! Roots that are parked for a consumer.

use std::sync::Arc;

use angzarr_admin::shape::{BroughtBack, ParkedPage, ParkedRoot};
use angzarr_coordinator::model::{Sequence, StreamId};
use angzarr_coordinator::port::progress::Parked;
use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;

use super::Shared;
use super::refusal::{Refusal, code_name};
use super::which::{self, title};

/// Entries of a page when the request does not say.
const PAGE: usize = 100;
/// The most entries of a page.
const MAX_PAGE: usize = 1_000;

/// Asks for a page of roots.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    consumer: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// Names one root of a consumer.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    consumer: Option<String>,
    root: String,
}

/// Names one append of a root of a consumer.
#[derive(Debug, Deserialize)]
pub(super) struct WhichAppend {
    consumer: Option<String>,
    root: String,
    /// Its first sequence, at which the root is parked.
    sequence: u32,
}

/// How many entries a page may have.
pub(super) fn page_size(asked: Option<usize>) -> usize {
    asked.unwrap_or(PAGE).clamp(1, MAX_PAGE)
}

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Query(page): Query<Page>,
) -> Result<Json<ParkedPage>, Refusal> {
    let consumer = which::consumer(&shared.admin.consumers, page.consumer.as_deref())?;
    let after = page.after.as_deref().map(which::stream).transpose()?;
    let limit = page_size(page.limit);
    let listed = consumer.list_parked(after.as_ref(), limit).await?;
    let next = listed
        .last()
        .filter(|_| listed.len() == limit)
        .map(|(stream, _)| stream.to_string());
    Ok(Json(ParkedPage {
        consumer: title(&consumer.snapshot().id),
        roots: listed.into_iter().map(root).collect(),
        next,
    }))
}

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Query(which): Query<Which>,
) -> Result<Json<ParkedRoot>, Refusal> {
    let consumer = which::consumer(&shared.admin.consumers, which.consumer.as_deref())?;
    let stream = which::stream(&which.root)?;
    let parked = consumer.show_parked(&stream).await?;
    Ok(Json(root((stream, parked))))
}

pub(super) async fn replay(
    State(shared): State<Arc<Shared>>,
    Query(which): Query<Which>,
) -> Result<Json<BroughtBack>, Refusal> {
    let consumer = which::consumer(&shared.admin.consumers, which.consumer.as_deref())?;
    let stream = which::stream(&which.root)?;
    let next = consumer.replay(&stream).await?;
    Ok(brought_back(&stream, next.0))
}

pub(super) async fn skip(
    State(shared): State<Arc<Shared>>,
    Query(which): Query<WhichAppend>,
) -> Result<Json<BroughtBack>, Refusal> {
    let consumer = which::consumer(&shared.admin.consumers, which.consumer.as_deref())?;
    let stream = which::stream(&which.root)?;
    let next = consumer.skip(&stream, Sequence(which.sequence)).await?;
    Ok(brought_back(&stream, next.0))
}

fn brought_back(stream: &StreamId, next_sequence: u32) -> Json<BroughtBack> {
    tracing::info!(domain = %stream.domain, root = %stream.root, next_sequence, "a root was brought back");
    Json(BroughtBack {
        stream: stream.to_string(),
        next_sequence,
    })
}

fn root((stream, parked): (StreamId, Parked)) -> ParkedRoot {
    ParkedRoot {
        stream: stream.to_string(),
        sequence: parked.sequence.0,
        attempts: parked.attempts,
        code: code_name(parked.error.code).to_owned(),
        error: parked.error.message,
    }
}
