//! What a machine without a cluster uses instead of what was declared; applied before validation.

use std::collections::BTreeSet;

use angzarr_config::Mistake;
use angzarr_crds::{Bus, BusType, ComponentSpec, Direct, Sqlite, Storage, StorageType};

use crate::manifest::Written;
use crate::model::StoreKey;
use crate::resource::Spec;

/// Which stores are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stores {
    /// SQLite and the direct bus instead of servers.
    Replaced,
    /// The declared ones.
    AsDeclared,
}

/// What was changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Localized {
    /// A sentence for each change.
    pub(super) notices: Vec<String>,
    /// The stores that are files here and servers elsewhere.
    pub(super) replaced: BTreeSet<StoreKey>,
}

/// Sets one replica, and SQLite and the direct bus if stores are replaced.
///
/// # Errors
/// A mistake for each component whose pods are a workload of a cluster.
pub(super) fn localize(
    resources: &mut [Written],
    stores: Stores,
) -> Result<Localized, Vec<Mistake>> {
    let (mut notices, mut mistakes) = (Vec::new(), Vec::new());
    let mut replaced = BTreeSet::new();
    for written in resources {
        let resource = &mut written.resource;
        let title = format!("{}/{}", resource.kind(), resource.name);
        let own = resource.store();
        match &mut resource.spec {
            Spec::EventStore(_) if stores == Stores::AsDeclared => {}
            Spec::EventStore(store) => {
                if store.spec.storage.type_ != StorageType::Sqlite {
                    replaced.insert(own);
                    store.spec.storage = Storage {
                        type_: StorageType::Sqlite,
                        sqlite: Some(Sqlite {}),
                        postgres: None,
                        mongodb: None,
                        redis: None,
                    };
                    notices.push(format!("{title}: SQLite replaces the declared storage"));
                }
                if store.spec.bus.type_ != BusType::Direct {
                    store.spec.bus = Bus {
                        type_: BusType::Direct,
                        direct: Some(Direct {}),
                        rabbitmq: None,
                        kafka: None,
                        nats: None,
                        management: None,
                        admin_secret_ref: None,
                        verify_interval: None,
                    };
                    notices.push(format!("{title}: the direct bus replaces the declared bus"));
                }
            }
            Spec::Aggregate(it) => scale(&title, &mut it.spec.component, &mut notices),
            Spec::Projector(it) => scale(&title, &mut it.spec.component, &mut notices),
            Spec::Saga(it) => scale(&title, &mut it.spec.component, &mut notices),
            Spec::ProcessManager(it) => scale(&title, &mut it.spec.component, &mut notices),
        }
        if resource
            .component()
            .is_some_and(|declared| declared.component().workload_ref.is_some())
        {
            mistakes.push(written.mistake(
                "spec.workloadRef",
                "names a workload of a cluster; without one, write spec.template, whose image local.yaml maps to a command",
            ));
        }
    }
    if mistakes.is_empty() {
        Ok(Localized { notices, replaced })
    } else {
        Err(mistakes)
    }
}

fn scale(title: &str, component: &mut ComponentSpec, notices: &mut Vec<String>) {
    if component.replicas.is_some_and(|replicas| replicas > 1) {
        component.replicas = None;
        notices.push(format!(
            "{title}: one replica runs instead of the declared number"
        ));
    }
    if component.suspend || component.replicas == Some(0) {
        notices.push(format!("{title}: is suspended and does not run"));
    }
    if component.autoscaling.take().is_some() {
        notices.push(format!(
            "{title}: autoscaling needs a cluster and is left out"
        ));
    }
}
