//! Bounds the time of each call, so that an API server that accepts a call and never answers holds nothing up.

use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use tokio::time::{Instant, timeout_at};
use tower::BoxError;

/// A client whose calls end within a time. Of a watch only the start is bounded: its events come as long as it lasts, and the watcher itself looks for
/// dead ones.
pub(super) fn bounded(client: Client, within: Duration) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let client = client.clone();
        async move { call(client, request, Instant::now() + within).await }
    });
    Client::new(service, namespace)
}

async fn call(
    client: Client,
    request: Request<Body>,
    deadline: Instant,
) -> Result<Response<Body>, BoxError> {
    let is_watch = is_watch(&request);
    let response = timeout_at(deadline, client.send(request)).await??;
    if is_watch {
        return Ok(response);
    }
    let (head, body) = response.into_parts();
    let whole = timeout_at(deadline, body.collect()).await??;
    Ok(Response::from_parts(head, Body::from(whole.to_bytes())))
}

fn is_watch(request: &Request<Body>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|it| it == "watch=true")
}
