//! A client whose writes are counted, and which can be made to hang.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Method, Request};
use kube::Client;
use kube::client::Body;
use tokio::sync::watch;
use tower::{BoxError, service_fn};

/// What passes a client.
#[derive(Clone)]
pub(crate) struct Tap {
    writes: Arc<AtomicUsize>,
    hangs: watch::Sender<bool>,
}

impl Tap {
    /// A client behind a tap.
    pub(crate) fn new(client: &Client) -> (Self, Client) {
        let tap = Self {
            writes: Arc::default(),
            hangs: watch::Sender::new(false),
        };
        let namespace = client.default_namespace().to_owned();
        let (client, inner) = (client.clone(), tap.clone());
        let service = service_fn(move |request: Request<Body>| {
            let (client, tap) = (client.clone(), inner.clone());
            async move {
                let mut hangs = tap.hangs.subscribe();
                hangs.wait_for(|hangs| !hangs).await?;
                let is_lease = request.uri().path().contains("/leases");
                if request.method() != Method::GET && !is_lease {
                    tap.writes.fetch_add(1, Ordering::SeqCst);
                }
                client.send(request).await.map_err(BoxError::from)
            }
        });
        (tap, Client::new(service, namespace))
    }

    /// How many requests that change something, except a lease, have passed.
    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// Lets nothing pass, or everything again.
    pub(crate) fn hang(&self, hangs: bool) {
        self.hangs.send_replace(hangs);
    }
}
