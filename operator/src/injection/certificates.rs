//! Keeps the Secret with the certificate of the webhook, and the trust in it.
//!
//! # Design
//! All replicas serve what the Secret holds; only the one that leads writes. A new certificate is trusted beside the old one before it is in the Secret, and
//! the old one stays trusted until the next change, so that no moment has a replica whom the API server does not trust. The chart makes the Secret, so that
//! the operator needs a right on one name only.

use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio::time::sleep;

use super::certificate::{self, Certificate, Current};

/// Who writes the Secret and the trust.
const MANAGER: &str = "angzarr-operator-webhook";
/// The most time between two looks at the Secret.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const PUBLIC: &str = "tls.crt";
const KEY: &str = "tls.key";

/// Keeps a certificate until it is dropped.
pub(super) struct Keeper {
    pub(super) client: Client,
    pub(super) host: String,
    pub(super) configuration: String,
    pub(super) namespace: String,
    pub(super) secret: String,
    pub(super) validity: Duration,
    pub(super) current: Current,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Certificate(#[from] certificate::Error),
    #[error("read or write Secret {name}, which the chart makes")]
    Secret {
        name: String,
        #[source]
        source: kube::Error,
    },
    #[error("read or write MutatingWebhookConfiguration {name}, which the chart makes")]
    Trust {
        name: String,
        #[source]
        source: kube::Error,
    },
}

impl Keeper {
    /// Looks at the Secret again and again, often enough to renew it in time.
    pub(super) async fn keep(self, may_write: impl Fn() -> bool) {
        let pause = (self.validity / 20).min(LONGEST_PAUSE);
        let mut served = None;
        loop {
            if let Err(error) = self.look(&mut served, may_write()).await {
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::warn!(
                    error,
                    "the certificate of the webhook could not be kept, and will be tried again"
                );
            }
            sleep(pause).await;
        }
    }

    async fn look(&self, served: &mut Option<Certificate>, may_write: bool) -> Result<(), Error> {
        let mut held = self.read().await?;
        if may_write {
            let is_fresh = held.as_ref().is_some_and(|it| it.is_fresh(&self.host));
            if is_fresh {
                self.trust(held.as_slice()).await?;
            } else {
                let new = Certificate::new(&self.host, self.validity)?;
                let both: Vec<_> = held.iter().cloned().chain([new.clone()]).collect();
                self.trust(&both).await?;
                self.write(&new).await?;
                tracing::info!(
                    host = self.host,
                    "the certificate of the webhook was renewed"
                );
                held = Some(new);
            }
        }
        if let Some(held) = held.filter(|it| served.as_ref() != Some(it)) {
            self.current.serve(&held)?;
            *served = Some(held);
        }
        Ok(())
    }

    async fn read(&self) -> Result<Option<Certificate>, Error> {
        let secret = self.secrets().get(&self.secret).await;
        let secret = secret.map_err(|source| self.secret_error(source))?;
        let data = secret.data.unwrap_or_default();
        let text = |key: &str| {
            let text = data.get(key)?;
            String::from_utf8(text.0.clone()).ok()
        };
        let (Some(public), Some(key)) = (text(PUBLIC), text(KEY)) else {
            return Ok(None);
        };
        Ok(Some(Certificate { public, key }))
    }

    async fn write(&self, certificate: &Certificate) -> Result<(), Error> {
        let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
        let patch = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": self.secret },
            "data": { PUBLIC: bytes(&certificate.public), KEY: bytes(&certificate.key) },
        });
        let how = PatchParams::apply(MANAGER).force();
        let patched = self
            .secrets()
            .patch(&self.secret, &how, &Patch::Apply(patch))
            .await;
        patched.map_err(|source| self.secret_error(source))?;
        Ok(())
    }

    /// Makes API servers trust these certificates and no others, unless they trust all of them already.
    async fn trust(&self, certificates: &[Certificate]) -> Result<(), Error> {
        let error = |source| Error::Trust {
            name: self.configuration.clone(),
            source,
        };
        let configurations: Api<MutatingWebhookConfiguration> = Api::all(self.client.clone());
        let found = configurations
            .get(&self.configuration)
            .await
            .map_err(error)?;
        let webhooks = found.webhooks.unwrap_or_default();
        let is_trusted = |bundle: &Option<ByteString>| {
            let bundle = bundle.as_ref().map(|it| String::from_utf8_lossy(&it.0));
            let bundle = bundle.unwrap_or_default();
            certificates
                .iter()
                .all(|it| bundle.contains(it.public.trim()))
        };
        if webhooks
            .iter()
            .all(|it| is_trusted(&it.client_config.ca_bundle))
        {
            return Ok(());
        }
        let all: String = certificates.iter().map(|it| it.public.as_str()).collect();
        let bundle = ByteString(all.into_bytes());
        let webhooks: Vec<_> = webhooks
            .iter()
            .map(|it| json!({ "name": it.name, "clientConfig": { "caBundle": bundle } }))
            .collect();
        // A merge by name: the rest of each is the chart's.
        let patch = json!({ "webhooks": webhooks });
        let how = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patched = configurations
            .patch(&self.configuration, &how, &Patch::Strategic(patch))
            .await;
        patched.map_err(error)?;
        Ok(())
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn secret_error(&self, source: kube::Error) -> Error {
        Error::Secret {
            name: self.secret.clone(),
            source,
        }
    }
}
