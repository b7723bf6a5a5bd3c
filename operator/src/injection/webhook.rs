//! Reviews of an API server: a labelled pod gets its sidecar, or is refused with a sentence. A failure of ours refuses it, too.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::PodTemplate;
use kube::{Api, Client};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::mutation::{self, Mutation, is_of, mutate};
use crate::plan::{names, plain};

/// The largest review: an API server takes requests of up to 3 MiB, and writes some words around them.
const LARGEST_REVIEW: usize = 4 << 20;

/// How long a review may take; the API server waits for longer, so that it hears the reason.
const LONGEST_REVIEW: Duration = Duration::from_secs(8);

/// The routes of the webhook.
pub(super) fn routes(client: Client) -> Router {
    Router::new()
        .route("/inject", post(inject))
        .with_state(client)
}

/// What an API server asks.
#[derive(Debug, Deserialize)]
struct Review {
    request: Request,
}

#[derive(Debug, Deserialize)]
struct Request {
    uid: String,
    #[serde(default)]
    namespace: String,
    object: Value,
}

async fn inject(State(client): State<Client>, body: Body) -> Response {
    let answer = async {
        let body = to_bytes(body, LARGEST_REVIEW).await;
        let body = body.map_err(|_| "the review cannot be read, or is larger than 4 MiB")?;
        let review: Review =
            serde_json::from_slice(&body).map_err(|_| "the review is not one of a pod")?;
        Ok::<_, &'static str>(judge(&client, review.request).await)
    };
    match timeout(LONGEST_REVIEW, answer).await {
        Ok(Ok(answer)) => axum::Json(answer).into_response(),
        Ok(Err(reason)) => (StatusCode::BAD_REQUEST, reason).into_response(),
        Err(_) => (StatusCode::GATEWAY_TIMEOUT, "the review took too long").into_response(),
    }
}

async fn judge(client: &Client, request: Request) -> Value {
    let template = match find(client, &request).await {
        Ok(template) => template,
        Err(error) => {
            let error = anyhow::Error::from(error).context("look for what the pod gets");
            tracing::warn!(
                namespace = request.namespace,
                error = format!("{error:#}"),
                "a pod could not be given its sidecar, and is refused"
            );
            let sentence = "the operator cannot look up what the pod gets; it is tried again when the pod is created again, and the operator's log says why";
            return refuse(&request, sentence);
        }
    };
    match mutate(&request.object, template.as_ref()) {
        Mutation::None => answer(json!({ "uid": request.uid, "allowed": true })),
        Mutation::Patch(changes) => {
            let changes = ByteString(Value::Array(changes).to_string().into_bytes());
            answer(json!({
                "uid": request.uid,
                "allowed": true,
                "patchType": "JSONPatch",
                "patch": changes,
            }))
        }
        Mutation::Refused(sentence) => refuse(&request, &sentence),
    }
}

fn refuse(request: &Request, sentence: &str) -> Value {
    answer(json!({
        "uid": request.uid,
        "allowed": false,
        "status": { "code": 403, "reason": "Forbidden", "message": sentence },
    }))
}

fn answer(response: Value) -> Value {
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response })
}

/// What pods of the component get that the label names, in the namespace of the pod.
async fn find(client: &Client, request: &Request) -> Result<Option<Value>, kube::Error> {
    let label = mutation::label(&request.object).unwrap_or_default();
    let Some(key) = names::asked(&request.namespace, label) else {
        return Ok(None);
    };
    let templates: Api<PodTemplate> = Api::namespaced(client.clone(), &request.namespace);
    let found = templates.get_opt(&key.base_name()).await?;
    let found = found.map(|it| plain(&it));
    Ok(found.filter(|it| is_of(&key, it)))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::pending;

    use axum::http::Request as HttpRequest;
    use tower::{ServiceExt, service_fn};

    use super::*;

    /// The routes of an operator whose API server never answers.
    async fn answer(body: impl Into<Body>) -> (StatusCode, String) {
        let silent = service_fn(async |_: HttpRequest<kube::client::Body>| {
            pending::<Result<HttpResponse, Infallible>>().await
        });
        let routes = routes(Client::new(silent, "lake"));
        let request = HttpRequest::post("/inject").body(body.into()).unwrap();
        let answer = routes.oneshot(request).await.unwrap();
        let status = answer.status();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    type HttpResponse = axum::http::Response<kube::client::Body>;

    fn review(label: &str) -> String {
        let pod = json!({ "metadata": { "labels": { "angzarr.io/inject": label } } });
        json!({ "request": { "uid": "7", "namespace": "lake", "object": pod } }).to_string()
    }

    #[tokio::test(start_paused = true)]
    async fn a_review_ends_in_time_when_the_api_server_does_not_answer() {
        let (status, reason) = answer(review("agg-nest")).await;
        assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(reason, "the review took too long");
    }

    #[tokio::test]
    async fn what_is_too_large_or_no_review_is_refused() {
        for body in [vec![b' '; LARGEST_REVIEW + 1], b"{}".to_vec(), Vec::new()] {
            let (status, _) = answer(body).await;
            assert_eq!(status, StatusCode::BAD_REQUEST);
        }
    }

    #[tokio::test]
    async fn a_label_of_no_kind_is_refused_without_a_look() {
        let (status, answer) = answer(review("reed")).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            (status, &answer["response"]["uid"]),
            (StatusCode::OK, &json!("7"))
        );
        assert_eq!(answer["response"]["allowed"], false);
    }
}
