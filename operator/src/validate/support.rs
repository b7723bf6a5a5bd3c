//! What is not built yet is refused, so that it cannot be mistaken for working.

use angzarr_crds::refuse_unbuilt;
use serde_json::{Value, json};

use super::{Reason, Report};
use crate::plan::plain;
use crate::resource::Spec;

/// Reports everything that a resource asks for and nothing does yet.
pub(super) fn check(report: &mut Report) {
    let resource = report.resource;
    let spec = match &resource.spec {
        Spec::EventStore(store) => plain(&store.spec),
        Spec::Aggregate(aggregate) => plain(&aggregate.spec),
        Spec::Projector(projector) => plain(&projector.spec),
        Spec::Saga(saga) => plain(&saga.spec),
        Spec::ProcessManager(manager) => plain(&manager.spec),
    };
    let whole: Value = json!({ "spec": spec });
    for mistake in refuse_unbuilt(resource.kind(), &whole) {
        report.find(Reason::NotYetSupported, &mistake.path, mistake.message);
    }
}
