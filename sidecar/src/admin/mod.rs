//! The admin port: probes, status, metrics, and what people change in a running sidecar, over plain HTTP.
//!
//! | request | does |
//! | --- | --- |
//! | `GET /startz` | 200 once the gRPC port listens |
//! | `GET /readyz` | 200 or 503, with the reasons |
//! | `GET /livez` | 200 as long as tasks get their turn |
//! | `GET /statusz` | everything that can be known, as JSON |
//! | `GET /metrics` | the metrics in Prometheus' text form |
//! | `GET /drained` | waits a second for a drain to begin, then for its end |
//! | `POST /drain` | begins the drain and waits for its end |
//! | `POST /open`, `POST /close` | lets commands of clients in, or not |
//! | `GET /parked`, `GET /parked/show` | roots that are parked for a consumer |
//! | `POST /parked/replay`, `POST /parked/skip` | brings a root back; with `seen`, only if it is parked at that sequence |
//! | `GET /refused`, `GET /refused/show` | commands and facts that their targets refused |
//! | `POST /refused/resend`, `POST /refused/discard` | sends one again, or gives it up |
//!
//! Whatever changes something is asked with POST, accepted from loopback only, and noted in the log. Until the store is open, what needs it is refused
//! with the reason.

mod gate;
mod guard;
mod heartbeat;
mod parameters;
mod probes;
mod refusal;
mod refused;
mod statusz;
mod which;

mod parked;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use angzarr_config::Routing;
use angzarr_coordinator::consumer::Consumer;
use angzarr_coordinator::model::StoreIdentity;
use angzarr_coordinator::port::store::Durability;
use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::health::Health;
use crate::lifecycle::Lifecycle;
use crate::targets::Targets;
use heartbeat::Heartbeat;
use parameters::Parameters;
use refusal::Refusal;

pub(crate) use refusal::code_names;

/// How long requests under way may go on after the shutdown.
const GRACE: Duration = Duration::from_secs(2);

/// What the admin port shows and changes.
pub struct Admin {
    lifecycle: Arc<Lifecycle>,
    /// The namespace of its components.
    namespace: String,
    registry: Registry,
    /// Set once the store is open.
    parts: OnceLock<Parts>,
}

/// What there is of a sidecar once its store is open.
pub struct Parts {
    /// Its health.
    pub health: Arc<Health>,
    /// Its consumers.
    pub consumers: Vec<Arc<Consumer>>,
    /// What its sagas command.
    pub targets: Arc<Targets>,
    /// The routing in force.
    pub routing: watch::Receiver<Arc<Routing>>,
    /// Why the last routing document was not taken, if it was not.
    pub routing_error: watch::Receiver<Option<String>>,
    /// Which history its store holds.
    pub identity: StoreIdentity,
    /// What an acknowledged write survives.
    pub durability: Durability,
}

impl Admin {
    /// Makes what is shown of a sidecar whose store is not open yet.
    pub fn new(lifecycle: Arc<Lifecycle>, namespace: String, registry: Registry) -> Self {
        Self {
            lifecycle,
            namespace,
            registry,
            parts: OnceLock::new(),
        }
    }

    /// Shows the whole sidecar from now on; a second call changes nothing.
    pub fn complete(&self, parts: Parts) {
        // The parts of a sidecar are built once.
        let _ = self.parts.set(parts);
    }

    /// Why the sidecar is not ready, a sentence each; none when it is.
    fn reasons(&self) -> Vec<String> {
        match self.parts.get() {
            Some(parts) => parts.health.reasons(),
            None => vec![self.lifecycle.awaited().sentence],
        }
    }

    /// The consumer that a request means.
    fn consumer(&self, parameters: &Parameters) -> Result<&Arc<Consumer>, Refusal> {
        which::consumer(&self.parts()?.consumers, parameters.optional("consumer"))
    }

    /// The parts, for what cannot be answered without them.
    fn parts(&self) -> Result<&Parts, Refusal> {
        self.parts.get().ok_or_else(|| {
            let sentence = format!(
                "the sidecar has not started: {}",
                self.lifecycle.awaited().sentence
            );
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", sentence)
        })
    }
}

/// What the routes share.
struct Shared {
    admin: Arc<Admin>,
    heartbeat: Heartbeat,
}

/// Serves the admin port until the shutdown, and the requests under way then.
///
/// # Errors
/// The listener's.
pub async fn serve(
    listener: TcpListener,
    admin: Arc<Admin>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let (heartbeat, beating) = Heartbeat::start();
    let shared = Arc::new(Shared { admin, heartbeat });
    let service = router(shared).into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service)
        .with_graceful_shutdown(shutdown.clone().cancelled_owned())
        .into_future();
    let mut serving = std::pin::pin!(serving);
    let served = tokio::select! {
        served = &mut serving => served,
        () = shutdown.cancelled() => {
            // A caller that still waits after the grace is cut off with the process.
            timeout(GRACE, serving).await.unwrap_or(Ok(()))
        }
    };
    beating.abort();
    served
}

fn router(shared: Arc<Shared>) -> Router {
    let changes = Router::new()
        .route("/drain", post(gate::drain))
        .route("/open", post(gate::open))
        .route("/close", post(gate::close))
        .route("/parked/replay", post(parked::replay))
        .route("/parked/skip", post(parked::skip))
        .route("/refused/resend", post(refused::resend))
        .route("/refused/discard", post(refused::discard))
        .route_layer(from_fn(guard::only_loopback));
    Router::new()
        .route("/startz", get(probes::startz))
        .route("/readyz", get(probes::readyz))
        .route("/livez", get(probes::livez))
        .route("/drained", get(probes::drained))
        .route("/metrics", get(probes::metrics))
        .route("/statusz", get(statusz::statusz))
        .route("/parked", get(parked::list))
        .route("/parked/show", get(parked::show))
        .route("/refused", get(refused::list))
        .route("/refused/show", get(refused::show))
        .merge(changes)
        .fallback(refusal::unknown_path)
        .with_state(shared)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use angzarr_coordinator::model::{Incarnation, StoreId};
    use axum::body::Body;
    use axum::extract::ConnectInfo;
    use axum::http::{Method, Request};
    use tonic::codegen::Service;

    use super::*;
    use crate::health::tests::Switch;
    use crate::health::{Periods, Watched};

    /// Every path that changes something.
    const CHANGES: [&str; 7] = [
        "/drain",
        "/open",
        "/close",
        "/parked/replay",
        "/parked/skip",
        "/refused/resend",
        "/refused/discard",
    ];

    async fn admin() -> Admin {
        let lifecycle = Arc::new(Lifecycle::new_open());
        let watched = Watched {
            lifecycle: Arc::clone(&lifecycle),
            components: Vec::new(),
            consumers: Vec::new(),
            store: Arc::new(Switch(AtomicBool::new(true))),
            services: Vec::new(),
            periods: Periods::default(),
        };
        let admin = Admin::new(lifecycle, "heron".to_owned(), Registry::new());
        admin.complete(Parts {
            health: Arc::new(Health::new(watched).await),
            consumers: Vec::new(),
            targets: Arc::default(),
            routing: watch::channel(Arc::new(Routing::default())).1,
            routing_error: watch::channel(None).1,
            identity: StoreIdentity {
                store_id: StoreId::random(),
                incarnation: Incarnation::random(),
            },
            durability: Durability::Disk,
        });
        admin
    }

    async fn ask(router: &mut Router, peer: &str, method: Method, path: &str) -> StatusCode {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        router.call(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn what_needs_the_store_is_refused_until_it_is_open() {
        let lifecycle = Arc::new(Lifecycle::new_open());
        lifecycle.note_awaited("waits for the key of the pond".to_owned());
        let admin = Admin::new(Arc::clone(&lifecycle), "heron".to_owned(), Registry::new());
        let (heartbeat, beating) = Heartbeat::start();
        let admin = Arc::new(admin);
        let mut router = router(Arc::new(Shared { admin, heartbeat }));
        let expected = [
            (Method::GET, "/livez", StatusCode::OK),
            (Method::GET, "/metrics", StatusCode::OK),
            (Method::GET, "/statusz", StatusCode::OK),
            (Method::GET, "/startz", StatusCode::SERVICE_UNAVAILABLE),
            (Method::GET, "/readyz", StatusCode::SERVICE_UNAVAILABLE),
            (Method::GET, "/parked", StatusCode::SERVICE_UNAVAILABLE),
            (
                Method::POST,
                "/refused/discard",
                StatusCode::SERVICE_UNAVAILABLE,
            ),
            (Method::POST, "/close", StatusCode::OK),
        ];
        for (method, path, status) in expected {
            let replied = ask(&mut router, "127.0.0.1:999", method, path).await;
            assert_eq!(replied, status, "{path}");
        }
        assert!(!lifecycle.is_open());
        beating.abort();
    }

    #[tokio::test]
    async fn whatever_changes_something_is_refused_from_elsewhere() {
        let admin = admin().await;
        let lifecycle = Arc::clone(&admin.lifecycle);
        let (heartbeat, beating) = Heartbeat::start();
        let admin = Arc::new(admin);
        let mut router = router(Arc::new(Shared { admin, heartbeat }));
        let before = lifecycle.state();
        for path in CHANGES {
            for peer in ["10.0.0.7:999", "[fe80::1]:999"] {
                let refused = ask(&mut router, peer, Method::POST, path).await;
                assert_eq!(refused, StatusCode::FORBIDDEN, "{path}");
            }
            let read = ask(&mut router, "127.0.0.1:999", Method::GET, path).await;
            assert_eq!(read, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        }
        assert_eq!(lifecycle.state(), before);
        let seen = ask(&mut router, "10.0.0.7:999", Method::GET, "/statusz").await;
        assert_eq!(seen, StatusCode::OK);
        let closed = ask(&mut router, "127.0.0.1:999", Method::POST, "/close").await;
        assert_eq!(closed, StatusCode::OK);
        assert!(!lifecycle.is_open());
        beating.abort();
    }
}
