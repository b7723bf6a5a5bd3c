//! A desired object as it is written: with its owner and its installation.

use std::hash::{DefaultHasher, Hash, Hasher};

use kube::Error as ClientError;
use serde_json::{Value, json};

use super::apply::{Error, Owner, call};
use super::child::{Child, ChildKey, ChildKind};
use super::instance::Instance;

/// A desired object with its owner.
pub(super) struct Wanted {
    pub(super) key: ChildKey,
    pub(super) object: Value,
    /// Equal for equal objects.
    pub(super) hash: u64,
}

impl Wanted {
    pub(super) fn new(owner: &Owner, object: &Value, instance: &Instance) -> Option<Self> {
        let key = ChildKey::of(&owner.key.namespace, object)?;
        let mut object = object.clone();
        instance.mark(&mut object);
        // A claim outlives its component, so that no deletion takes an event log with it.
        if key.kind != ChildKind::PersistentVolumeClaim {
            object["metadata"]["ownerReferences"] = json!([{
                "apiVersion": angzarr_crds::API_VERSION,
                "kind": owner.key.kind.as_str(),
                "name": owner.key.name,
                "uid": owner.uid,
                "controller": true,
            }]);
        }
        let mut hasher = DefaultHasher::new();
        object.to_string().hash(&mut hasher);
        Some(Self {
            key,
            hash: hasher.finish(),
            object,
        })
    }

    pub(super) fn is_workload(&self) -> bool {
        [ChildKind::Deployment, ChildKind::PodTemplate].contains(&self.key.kind)
    }

    /// The object to be applied over what was found; were that replaced meanwhile, it is refused.
    pub(super) fn object_over(&self, found: Option<&Child>) -> Value {
        let mut object = self.object.clone();
        if let Some(child) = found {
            object["metadata"]["uid"] = child.uid.clone().into();
        }
        object
    }

    pub(super) fn check_owner(
        &self,
        child: &Child,
        owner: &Owner,
        own: &Instance,
    ) -> Result<(), Error> {
        let is_ours = if self.key.kind == ChildKind::PersistentVolumeClaim {
            child.of.as_ref() == Some(&owner.key) && child.owner.is_none()
        } else {
            child.owner.as_deref() == Some(&owner.uid)
        };
        let (kind, name) = (self.key.kind.as_str(), self.key.name.clone());
        if !is_ours {
            return Err(Error::NameTaken { kind, name });
        }
        match own.other(child.instance.as_ref()) {
            None => Ok(()),
            Some(other) => Err(Error::ManagedByAnother {
                kind,
                name,
                other: other.to_owned(),
                own: own.to_string(),
            }),
        }
    }

    pub(super) fn error(&self, source: ClientError) -> Error {
        match &source {
            // What is invalid stays so until somebody changes something.
            ClientError::Api(status) if [400, 413, 422].contains(&status.code) => Error::Refused {
                kind: self.key.kind.as_str(),
                name: self.key.name.clone(),
                message: status.message.clone(),
            },
            _ => call("apply", &self.key, source),
        }
    }
}
