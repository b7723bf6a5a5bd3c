//! What is left of earlier plans, and what of it is still needed.

use k8s_openapi::api::apps::v1::ReplicaSet;
use kube::api::{Api, ListParams};
use serde_json::Value;

use super::apply::Owner;
use super::child::{ChildKey, ChildKind};
use super::outcome::Error;
use super::reconcile::Reconciler;
use super::revision;
use crate::model::Key;
use crate::plan::names;

impl Reconciler {
    /// Removes what is left of earlier plans. Boot documents stay as long as a pod or an older ReplicaSet, to which a rollback may lead, names them, and the
    /// newest plans of pods stay for people.
    pub(super) async fn prune(&self, owner: &Owner, desired: &[Value]) -> Result<(), Error> {
        let is_boot = |child: &ChildKey| {
            child.kind == ChildKind::ConfigMap && names::is_boot(&owner.key, &child.name)
        };
        let boots = {
            let state = self.world.state();
            let of = state.children.of(&owner.key);
            of.filter(|(key, _)| is_boot(key)).count()
        };
        let used = if boots > 1 {
            self.used_documents(&owner.key).await?
        } else {
            Vec::new()
        };
        let plans = revision::history(&owner.key, &self.world.state());
        let is_plan = |child: &ChildKey| child.kind == ChildKind::ControllerRevision;
        let completed = self.world.state().children.completed_jobs(&owner.key);
        let is_kept = |child: &ChildKey| {
            child.kind == ChildKind::Job && completed.contains(&child.name)
                || is_boot(child) && used.contains(&child.name)
                || is_plan(child) && plans.contains(&child.name)
        };
        self.applier
            .prune(owner, desired, &self.world, is_kept)
            .await?;
        Ok(())
    }

    async fn used_documents(&self, key: &Key) -> Result<Vec<String>, Error> {
        let pods = self.world.state().pods(key).into_iter();
        let mut used: Vec<_> = pods.flat_map(|pod| pod.config_maps).collect();
        let sets: Api<ReplicaSet> = Api::namespaced(self.client.clone(), &key.namespace);
        let of = ListParams::default().labels(&names::selector_text(key));
        for set in sets.list(&of).await.map_err(Error::List)? {
            let template = set.spec.and_then(|spec| spec.template);
            let volumes = template.and_then(|it| it.spec).and_then(|it| it.volumes);
            let named = volumes.into_iter().flatten();
            used.extend(named.filter_map(|volume| Some(volume.config_map?.name)));
        }
        Ok(used)
    }
}
