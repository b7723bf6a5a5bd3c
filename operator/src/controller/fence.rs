//! A client that writes only while this process leads.
//!
//! # Design
//! The check is at the one place that every request passes, so no write can go round it. A write that is under way when the lease lapses is given up; what it may
//! still do ends before another process may lead, since a lease is held for a shorter time here than others wait for it.

use http::{Method, Request};
use kube::Client;
use kube::client::Body;
use tokio::time::timeout_at;
use tower::{BoxError, service_fn};

use super::leader::Leadership;
use super::metrics::Metrics;

/// Why a write was not sent, or not waited for.
#[derive(Debug, thiserror::Error)]
#[error("this process does not hold the lease, so it writes nothing")]
struct NotLeading;

/// A client that reads as ever, and writes as long as the process leads.
pub(super) fn fenced(client: Client, leadership: Leadership, metrics: Metrics) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = service_fn(move |request: Request<Body>| {
        let (client, leadership) = (client.clone(), leadership.clone());
        let metrics = metrics.clone();
        async move {
            if !is_write(&request) {
                return client.send(request).await.map_err(BoxError::from);
            }
            let until = leadership.until().ok_or(NotLeading)?;
            count(&request, &metrics);
            match timeout_at(until, client.send(request)).await {
                Ok(answered) => answered.map_err(BoxError::from),
                Err(_) => Err(BoxError::from(NotLeading)),
            }
        }
    });
    Client::new(service, namespace)
}

fn is_write(request: &Request<Body>) -> bool {
    ![Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method())
}

fn count(request: &Request<Body>, metrics: &Metrics) {
    let query = request.uri().query().unwrap_or_default();
    if !query.split('&').any(|it| it.starts_with("dryRun")) {
        metrics.count_write(resource(request.uri().path()), request.method().as_str());
    }
}

/// The resource of a path, such as `deployments`.
fn resource(path: &str) -> &str {
    let Some((_, inside)) = path.split_once("/namespaces/") else {
        return "other";
    };
    let Some((_, named)) = inside.split_once('/') else {
        return "namespaces";
    };
    named.split('/').next().unwrap_or(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_counted_by_their_resource() {
        for (path, expected) in [
            (
                "/apis/apps/v1/namespaces/reed/deployments/nest",
                "deployments",
            ),
            (
                "/apis/angzarr.io/v1alpha1/namespaces/reed/sagas/nest/status",
                "sagas",
            ),
            ("/api/v1/namespaces/reed/events", "events"),
            ("/api/v1/nodes/reed", "other"),
        ] {
            assert_eq!(resource(path), expected, "{path}");
        }
    }
}
