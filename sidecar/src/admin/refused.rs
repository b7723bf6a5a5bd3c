//! Commands and facts of a consumer that their targets refused for good.

use std::sync::Arc;
use std::time::Duration;

use angzarr_admin::shape::{Handled, PageSummary, RefusedPage, RefusedWork};
use angzarr_coordinator::consumer::{Refused, Settlement};
use angzarr_coordinator::model::Payload;
use angzarr_coordinator::port::progress::{OutgoingId, Work};
use axum::Json;
use axum::extract::State;

use super::Shared;
use super::parameters::Parameters;
use super::parked::page_size;
use super::refusal::{Refusal, code_name};
use super::which::title;

/// How long the reply to a command that is sent again is waited for.
const RESEND_WITHIN: Duration = Duration::from_secs(5);

/// What refused work is named by.
const ID: &str = "the id of a refused command, as the list shows it";

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    parameters: Parameters,
) -> Result<Json<RefusedPage>, Refusal> {
    let consumer = shared.admin.consumer(&parameters)?;
    let limit = page_size(parameters.number("limit")?);
    let after = parameters.number("after")?.unwrap_or(0);
    let (listed, next) = consumer.list_refused(after, limit).await?;
    Ok(Json(RefusedPage {
        consumer: title(&consumer.snapshot().id),
        refused: listed.into_iter().map(work).collect(),
        next,
    }))
}

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    parameters: Parameters,
) -> Result<Json<RefusedWork>, Refusal> {
    let consumer = shared.admin.consumer(&parameters)?;
    let shown = consumer.show_refused(&id(&parameters)?).await?;
    Ok(Json(work(shown)))
}

pub(super) async fn resend(
    State(shared): State<Arc<Shared>>,
    parameters: Parameters,
) -> Result<Json<Handled>, Refusal> {
    let consumer = shared.admin.consumer(&parameters)?;
    let id = id(&parameters)?;
    let outcome = match consumer.resend(&id, RESEND_WITHIN).await? {
        Settlement::Done => "executed".to_owned(),
        Settlement::Refused(refusal) => {
            format!(
                "refused again ({}: {})",
                code_name(refusal.code),
                refusal.message
            )
        }
        Settlement::Waiting => "waiting for its target; nothing else is needed".to_owned(),
    };
    Ok(handled(id, outcome))
}

pub(super) async fn discard(
    State(shared): State<Arc<Shared>>,
    parameters: Parameters,
) -> Result<Json<Handled>, Refusal> {
    let consumer = shared.admin.consumer(&parameters)?;
    let id = id(&parameters)?;
    consumer.discard(&id).await?;
    Ok(handled(id, "discarded".to_owned()))
}

fn id(parameters: &Parameters) -> Result<OutgoingId, Refusal> {
    let id = parameters.required("id", ID)?;
    Ok(OutgoingId(id.to_owned()))
}

fn handled(id: OutgoingId, outcome: String) -> Json<Handled> {
    Json(Handled { id: id.0, outcome })
}

fn work(refused: Refused) -> RefusedWork {
    let outgoing = refused.outgoing;
    let (kind, target, correlation_id, pages) = match &outgoing.work {
        Work::Command(command) => (
            "command",
            command.stream.to_string(),
            command.correlation_id.to_string(),
            command.pages.iter().map(page).collect(),
        ),
        Work::Facts(facts) => (
            "facts",
            facts.stream.to_string(),
            facts.correlation_id.to_string(),
            facts
                .events
                .iter()
                .map(|event| page(&event.payload))
                .collect(),
        ),
        Work::Malformed(malformed) => (
            "malformed",
            malformed.target.clone(),
            String::new(),
            Vec::new(),
        ),
    };
    RefusedWork {
        trigger: outgoing.trigger.to_string(),
        kind: kind.to_owned(),
        target,
        correlation_id,
        pages,
        code: code_name(refused.refusal.code).to_owned(),
        error: refused.refusal.message,
        id: outgoing.id.0,
    }
}

fn page(payload: &Payload) -> PageSummary {
    PageSummary {
        type_name: payload.type_name().to_owned(),
        bytes: payload.value.len(),
    }
}
