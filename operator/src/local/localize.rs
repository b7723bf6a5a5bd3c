//! What a machine without a cluster puts in the place of what was declared, before it is judged.

use angzarr_config::Mistake;
use angzarr_crds::{Bus, BusType, ComponentSpec, Direct, Sqlite, Storage, StorageType};

use crate::manifest::{Resource, Spec};

/// What becomes of stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stores {
    /// SQLite and the direct bus take the place of servers.
    Replaced,
    /// They are what was declared.
    AsDeclared,
}

/// Puts one replica in, and SQLite and the direct bus where stores are replaced; answers one notice for each change.
///
/// # Errors
/// A mistake for each component whose pods are a workload of a cluster.
pub(super) fn localize(
    resources: &mut [Resource],
    stores: Stores,
) -> Result<Vec<String>, Vec<Mistake>> {
    let (mut notices, mut mistakes) = (Vec::new(), Vec::new());
    for resource in resources {
        let title = format!("{}/{}", resource.kind(), resource.name);
        match &mut resource.spec {
            Spec::EventStore(_) if stores == Stores::AsDeclared => {}
            Spec::EventStore(store) => {
                if store.spec.storage.type_ != StorageType::Sqlite {
                    store.spec.storage = Storage {
                        type_: StorageType::Sqlite,
                        sqlite: Some(Sqlite {}),
                        postgres: None,
                        mongodb: None,
                        redis: None,
                    };
                    notices.push(format!(
                        "{title}: SQLite takes the place of the declared storage"
                    ));
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
                        ..store.spec.bus.clone()
                    };
                    notices.push(format!(
                        "{title}: the direct bus takes the place of the declared one"
                    ));
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
            mistakes.push(resource.mistake(
                "spec.workloadRef",
                "names a workload of a cluster; here spec.template is needed, whose image local.yaml maps to a command",
            ));
        }
    }
    if mistakes.is_empty() {
        Ok(notices)
    } else {
        Err(mistakes)
    }
}

fn scale(title: &str, component: &mut ComponentSpec, notices: &mut Vec<String>) {
    if component.replicas.is_some_and(|replicas| replicas > 1) {
        component.replicas = None;
        notices.push(format!(
            "{title}: one replica takes the place of the declared number"
        ));
    }
    if component.suspend || component.replicas == Some(0) {
        notices.push(format!("{title}: is stopped and does not run"));
    }
    if component.autoscaling.take().is_some() {
        notices.push(format!("{title}: autoscaling does not exist here"));
    }
}
