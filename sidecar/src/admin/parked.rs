//! Roots that are parked for a consumer.

use std::sync::Arc;

use angzarr_admin::shape::{BroughtBack, ParkedPage, ParkedRoot, Untouched};
use angzarr_coordinator::consumer::Consumer;
use angzarr_coordinator::model::{Code, Sequence, Status, StreamId};
use angzarr_coordinator::port::progress::Parked;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::Shared;
use super::parameters::Parameters;
use super::refusal::{Refusal, code_name};
use super::which::{self, title};

/// Entries of a page when the request does not say.
const PAGE: usize = 100;
/// What a root is named by.
const ROOT: &str = "the root as domain/root or its UUID";
/// The most entries of a page.
const MAX_PAGE: usize = 1_000;

/// How many entries a page may have.
pub(super) fn page_size(asked: Option<usize>) -> usize {
    asked.unwrap_or(PAGE).clamp(1, MAX_PAGE)
}

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    parameters: Parameters,
) -> Result<Json<ParkedPage>, Refusal> {
    let consumer = shared.admin.consumer(&parameters)?;
    let after = parameters
        .optional("after")
        .map(which::stream)
        .transpose()?;
    let limit = page_size(parameters.number("limit")?);
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
    parameters: Parameters,
) -> Result<Json<ParkedRoot>, Refusal> {
    let consumer = shared.admin.consumer(&parameters)?;
    let stream = which::root(consumer, parameters.required("root", ROOT)?).await?;
    let parked = consumer.show_parked(&stream).await?;
    Ok(Json(root((stream, parked))))
}

pub(super) async fn replay(
    State(shared): State<Arc<Shared>>,
    parameters: Parameters,
) -> Result<Json<BroughtBack>, Refusal> {
    let consumer = shared.admin.consumer(&parameters)?;
    let stream = which::root(consumer, parameters.required("root", ROOT)?).await?;
    let seen = parameters.number("seen")?;
    check_seen(consumer, &stream, seen).await?;
    let next = match consumer.replay(&stream).await {
        Ok(next) => next,
        Err(status) => return Err(judge(consumer, &stream, seen, status).await),
    };
    Ok(brought_back(&stream, next.0))
}

pub(super) async fn skip(
    State(shared): State<Arc<Shared>>,
    parameters: Parameters,
) -> Result<Json<BroughtBack>, Refusal> {
    let consumer = shared.admin.consumer(&parameters)?;
    let stream = which::root(consumer, parameters.required("root", ROOT)?).await?;
    let sequence = parameters.number("sequence")?.ok_or_else(|| {
        Refusal::malformed("sequence= is missing; give the sequence at which the root is parked")
    })?;
    let seen = parameters.number("seen")?;
    check_seen(consumer, &stream, seen).await?;
    let next = match consumer.skip(&stream, Sequence(sequence)).await {
        Ok(next) => next,
        Err(status) => return Err(judge(consumer, &stream, seen, status).await),
    };
    Ok(brought_back(&stream, next.0))
}

/// Refuses a root that is not parked at the sequence at which the caller has seen it, if the caller says so.
async fn check_seen(
    consumer: &Consumer,
    stream: &StreamId,
    seen: Option<u32>,
) -> Result<(), Refusal> {
    let Some(seen) = seen else { return Ok(()) };
    match consumer.show_parked(stream).await {
        Ok(parked) if parked.sequence == Sequence(seen) => Ok(()),
        Ok(parked) => {
            let sentence = format!(
                "{stream} is parked at sequence {}, not at {seen} any more",
                parked.sequence.0
            );
            let refusal = Refusal::new(StatusCode::CONFLICT, "FAILED_PRECONDITION", sentence);
            Err(refusal.untouched(Untouched::Changed))
        }
        Err(status) if status.code == Code::NotFound => {
            Err(Refusal::from(status).untouched(Untouched::Gone))
        }
        Err(status) => Err(status.into()),
    }
}

/// Tells a root that somebody else has brought back since it was looked at from one that the logic does not find.
async fn judge(
    consumer: &Consumer,
    stream: &StreamId,
    seen: Option<u32>,
    status: Status,
) -> Refusal {
    let is_not_found = status.code == Code::NotFound && seen.is_some();
    let refusal = Refusal::from(status);
    match is_not_found && is_gone(consumer, stream).await {
        true => refusal.untouched(Untouched::Gone),
        false => refusal,
    }
}

async fn is_gone(consumer: &Consumer, stream: &StreamId) -> bool {
    let shown = consumer.show_parked(stream).await;
    shown.is_err_and(|status| status.code == Code::NotFound)
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
