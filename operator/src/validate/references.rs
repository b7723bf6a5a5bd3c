//! The owners of the domains that it names.

use angzarr_crds as crds;

use super::{Reason, Report};
use crate::index::Index;
use crate::model::StoreKey;

/// Reports that the store that a component names cannot be used.
pub(super) fn say_invalid(key: &StoreKey, report: &mut Report) {
    let sentence = format!(
        "EventStore {} in namespace {} is not valid; its condition Accepted says why",
        key.name, key.namespace
    );
    report.find(
        Reason::EventStoreInvalid,
        "spec.eventStoreRef.name",
        sentence,
    );
}

/// A component owns its domain alone; those that it reads and commands have owners.
pub(super) fn check(
    index: &Index,
    declared: &dyn crds::Component,
    store: &StoreKey,
    report: &mut Report,
) {
    if let Some(domain) = declared.domain() {
        check_owner(index, domain, store, report);
    }
    let sources = declared.sources().iter().map(|source| &source.domain);
    let targets = declared.targets().iter().map(|target| &target.domain);
    let sources = sources.enumerate().map(|named| ("sources", named));
    let targets = targets.enumerate().map(|named| ("targets", named));
    for (list, (place, domain)) in sources.chain(targets) {
        if index.owner(store, domain).is_none() {
            let sentence = format!(
                "{domain} is not a domain of EventStore {}; declare its Aggregate",
                store.name
            );
            let field = format!("spec.{list}[{place}].domain");
            report.find(Reason::DomainNotFound, &field, sentence);
        }
    }
}

/// A workload runs the pods of one component.
pub(super) fn check_workload(index: &Index, report: &mut Report) {
    let Some(workload) = report.resource.workload() else {
        return;
    };
    let user = index.user(&workload);
    let Some(user) = user.filter(|it| **it != report.resource.key()) else {
        return;
    };
    let sentence = format!(
        "{} {} belongs to {}/{} already; a workload runs the pods of one component",
        workload.kind.as_str(),
        workload.name,
        user.kind,
        user.name
    );
    report.find(Reason::WorkloadConflict, "spec.workloadRef", sentence);
}

fn check_owner(index: &Index, domain: &str, store: &StoreKey, report: &mut Report) {
    let Some(owner) = index.owner(store, domain) else {
        return;
    };
    if *owner == report.resource.key() {
        return;
    }
    let place = if owner.namespace == report.resource.namespace {
        String::new()
    } else {
        format!(" in namespace {}", owner.namespace)
    };
    let sentence = format!(
        "{domain} belongs to {}/{}{place} already; a domain has one owner per EventStore",
        owner.kind, owner.name
    );
    report.find(Reason::DomainConflict, "spec.domain", sentence);
}
