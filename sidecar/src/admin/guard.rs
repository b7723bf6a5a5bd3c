//! Who may change something: this machine's own processes, and no page in a browser that runs on it.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::refusal::Refusal;

/// Lets only requests through that come from loopback.
pub(super) async fn only_loopback(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    match judge(peer.ip(), request.headers()) {
        Ok(()) => {
            tracing::info!(%peer, path = request.uri().path(), "a change is asked for on the admin port");
            next.run(request).await
        }
        Err(sentence) => {
            tracing::warn!(%peer, path = request.uri().path(), "a change was refused on the admin port");
            Refusal::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", sentence).into_response()
        }
    }
}

/// Judges who asks; the error is the sentence for them.
fn judge(peer: IpAddr, headers: &HeaderMap) -> Result<(), &'static str> {
    if !peer.to_canonical().is_loopback() {
        return Err(
            "this changes something and is accepted from loopback only; ask from within the pod or the machine",
        );
    }
    if headers.contains_key(header::ORIGIN) {
        return Err(
            "this changes something and is not accepted from pages in a browser; use angzarr-sidecar or curl",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_may_change_something() {
        let cases = [
            ("127.0.0.1", true),
            ("127.8.9.10", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.7", false),
            ("0.0.0.0", false),
            ("::", false),
            ("::ffff:10.0.0.7", false),
            ("fe80::1", false),
        ];
        for (peer, is_allowed) in cases {
            let judged = judge(peer.parse().unwrap(), &HeaderMap::new());
            assert_eq!(judged.is_ok(), is_allowed, "{peer}");
        }
    }

    #[test]
    fn pages_in_a_browser_may_change_nothing() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, "http://localhost:3000".parse().unwrap());
        let judged = judge("127.0.0.1".parse().unwrap(), &headers);
        assert!(judged.unwrap_err().contains("browser"));
    }
}
