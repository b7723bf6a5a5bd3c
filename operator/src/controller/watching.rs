//! Which watches have not seen everything once, and what hinders them.

use std::collections::BTreeMap;

use angzarr_crds::{GROUP, Kind};
use kube::Error as ClientError;
use kube::runtime::watcher;
use tokio::sync::watch;

/// The progress of all watches, by the kinds that they watch. Its clones share it.
#[derive(Debug, Clone)]
pub(super) struct Watching(watch::Sender<BTreeMap<&'static str, String>>);

impl Watching {
    /// Nothing was seen of these kinds.
    pub(super) fn new(kinds: impl IntoIterator<Item = &'static str>) -> Self {
        let waits = |kind| (kind, format!("{kind} is being listed"));
        Self(watch::Sender::new(kinds.into_iter().map(waits).collect()))
    }

    /// A watch has seen everything of its kind.
    pub(super) fn complete(&self, kind: &'static str) {
        self.0
            .send_if_modified(|missing| missing.remove(kind).is_some());
    }

    /// A watch broke; it is begun again.
    pub(super) fn failed(&self, kind: &'static str, error: &watcher::Error) {
        let sentence = explain(kind, error);
        tracing::warn!(
            kind,
            error = sentence,
            "a watch broke, and will be begun again"
        );
        self.0.send_if_modified(|missing| {
            let reason = missing.get_mut(kind);
            reason.map(|reason| *reason = sentence).is_some()
        });
    }

    /// What is missing, a sentence each; none once every watch has seen everything.
    pub(super) fn missing(&self) -> Vec<String> {
        self.0.borrow().values().cloned().collect()
    }

    /// Ends once every watch has seen everything.
    pub(super) async fn completed(&self) {
        let mut missing = self.0.subscribe();
        // It ends early only if there is no sender, and this is one.
        let _ = missing.wait_for(BTreeMap::is_empty).await;
    }
}

fn explain(kind: &str, error: &watcher::Error) -> String {
    let status = match error {
        watcher::Error::InitialListFailed(ClientError::Api(status))
        | watcher::Error::WatchStartFailed(ClientError::Api(status)) => Some(status),
        _ => None,
    };
    let ours = Kind::ALL.into_iter().find(|it| it.as_str() == kind);
    match (status.map(|it| it.code), ours) {
        (Some(404), Some(ours)) => format!(
            "the definition {}.{GROUP} is missing; install the chart angzarr-operator-crds",
            ours.plural()
        ),
        (Some(403), _) => format!(
            "{kind} may not be listed or watched; let the operator's ServiceAccount do so: {}",
            status.map_or("", |it| &it.message)
        ),
        _ => format!("{kind} cannot be watched: {error}"),
    }
}
