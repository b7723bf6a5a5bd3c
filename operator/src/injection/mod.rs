//! The operator's own webhook, for clusters without the policies: it injects the sidecar into labelled pods when they are created.
//!
//! ```text
//! API server ─TLS─▶ listener ─▶ webhook ─▶ mutation: the pod and the PodTemplate of its component ─▶ patch, or a refusal
//!                      ▲
//!        certificates ─┴─ made and renewed by the operator that leads, in a Secret that all read; trusted by the MutatingWebhookConfiguration
//!
//! mutation.rs     what becomes of a pod; pure
//! webhook.rs      reviews of an API server
//! listener.rs     connections, bounded in number, size and time
//! certificate.rs  a certificate and its key; when it has to be renewed
//! certificates.rs keeps the Secret and the trust in it
//! ```

mod certificate;
mod certificates;
mod listener;
mod mutation;
mod webhook;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use futures::future::BoxFuture;
use kube::Client;
use tokio::net::TcpListener;

use certificates::Keeper;
use listener::Listener;

/// Where and how the webhook is served.
#[derive(Debug, Clone, Args)]
pub struct Webhook {
    /// Where the webhook is served that injects sidecars, such as 0.0.0.0:9443; nowhere without it.
    #[arg(long, value_name = "ADDRESS", env = "ANGZARR_WEBHOOK")]
    pub webhook: Option<SocketAddr>,
    /// The name by which API servers reach the webhook; that of the Service INSTANCE-operator-webhook without it.
    #[arg(long, value_name = "HOST", env = "ANGZARR_WEBHOOK_HOST")]
    pub webhook_host: Option<String>,
    /// The namespace of the Service and of the Secret INSTANCE-operator-webhook; the operator's own without it.
    #[arg(long, value_name = "NAMESPACE", env = "ANGZARR_WEBHOOK_NAMESPACE")]
    pub webhook_namespace: Option<String>,
    /// How long a certificate of the webhook is valid; it is renewed after two thirds of that.
    #[arg(
        long,
        value_name = "TIME",
        env = "ANGZARR_WEBHOOK_VALIDITY",
        default_value = "2160h"
    )]
    pub webhook_validity: angzarr_crds::Duration,
}

impl Webhook {
    /// The parts that serve it for an instance, in a namespace or in all, each until it is dropped. The client writes as long as this process leads.
    ///
    /// # Errors
    /// The address is taken.
    pub(crate) async fn serve(
        self,
        (instance, scope): (&str, Option<&str>),
        client: Client,
        may_write: impl Fn() -> bool + Send + 'static,
    ) -> Result<Vec<BoxFuture<'static, Result<()>>>> {
        let Some(address) = self.webhook else {
            return Ok(Vec::new());
        };
        let listener = TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("listen on {address}"))?;
        let namespace = self.webhook_namespace;
        let namespace = namespace.unwrap_or_else(|| client.default_namespace().to_owned());
        let name = format!("{instance}-operator");
        let secret = format!("{name}-webhook");
        let host = self.webhook_host;
        let keeper = Keeper {
            client: client.clone(),
            host: host.unwrap_or_else(|| format!("{secret}.{namespace}.svc")),
            configuration: match scope {
                Some(namespace) => format!("{name}-{namespace}"),
                None => name,
            },
            namespace,
            secret,
            validity: self.webhook_validity.get().max(Duration::from_secs(1)),
            current: certificate::Current::default(),
        };
        let serving = Listener::new(listener, keeper.current.clone())?;
        let served = async move {
            serving.serve(webhook::routes(client)).await;
            Ok(())
        };
        let kept = async move {
            keeper.keep(may_write).await;
            Ok(())
        };
        Ok(vec![Box::pin(served), Box::pin(kept)])
    }
}
