//! Which of several installations in a cluster a resource belongs to, and who made its objects.
//!
//! # Design
//! A label of the resource names the installation; the one that is called `angzarr` also has those without the label. Objects bear the same label, those of
//! `angzarr` none, and the watches select by it, so installations see nothing of each other. Two labels that differ, of a resource and of an object of it,
//! mean that a resource was given to another installation and its objects were not.

use angzarr_crds::Form;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

/// The label of resources and objects.
pub(super) const LABEL: &str = "angzarr.io/instance";
/// The installation that has what bears no label.
const DEFAULT: &str = "angzarr";
/// How many characters a name has at most, so that there is room for what follows it.
const LONGEST: usize = 40;
/// The label of everything that operators make.
const OURS: &str = "app.kubernetes.io/managed-by=angzarr";

/// The name of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instance(String);

impl Instance {
    /// Names an installation.
    pub(super) fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Whom API servers note as the writer of fields.
    pub(super) fn manager(&self) -> String {
        format!("{}-operator", self.0)
    }

    /// Who keeps the number of pods between the operator and an autoscaler: a field that its last owner drops falls back to its default.
    pub(super) fn keeper(&self) -> String {
        format!("{}-operator-replicas", self.0)
    }

    /// Who writes the annotation that rolls workloads of others.
    pub(super) fn injector(&self) -> String {
        format!("{}-operator-injection", self.0)
    }

    /// What selects its resources; `None` where no selector can, since there is none for a label or its absence.
    pub(super) fn resources(&self) -> Option<String> {
        (self.0 != DEFAULT).then(|| format!("{LABEL}={}", self.0))
    }

    /// What selects its objects.
    pub(super) fn objects(&self) -> String {
        match self.resources() {
            Some(own) => format!("{OURS},{own}"),
            None => format!("{OURS},!{LABEL}"),
        }
    }

    /// Whether a resource belongs to it.
    pub(super) fn has(&self, metadata: &ObjectMeta) -> bool {
        label(metadata).map_or(DEFAULT, String::as_str) == self.0
    }

    /// Whose an object is that bears a label or none, if it is not its own.
    pub(super) fn other<'a>(&self, label: Option<&'a String>) -> Option<&'a str> {
        let own = (self.0 != DEFAULT).then_some(&self.0);
        (label != own).then(|| label.map_or(DEFAULT, String::as_str))
    }

    /// Puts its label on an object.
    pub(super) fn mark(&self, object: &mut Value) {
        if self.0 != DEFAULT {
            object["metadata"]["labels"][LABEL] = self.0.clone().into();
        }
    }
}

impl std::fmt::Display for Instance {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Reads the name of an installation, which begins the names of its objects.
///
/// # Errors
/// It is no name for objects, or too long.
pub(super) fn parse(name: &str) -> Result<String, String> {
    if let Some(fault) = Form::DnsLabel.fault(name) {
        return Err(fault);
    }
    if name.len() > LONGEST {
        return Err(format!("must have at most {LONGEST} characters"));
    }
    Ok(name.to_owned())
}

/// The label of an object, if it bears one.
pub(super) fn label(metadata: &ObjectMeta) -> Option<&String> {
    metadata.labels.as_ref()?.get(LABEL)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn labelled(instance: Option<&str>) -> ObjectMeta {
        let label = instance.map(|it| (LABEL.to_owned(), it.to_owned()));
        ObjectMeta {
            labels: Some(BTreeMap::from_iter(label)),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn each_resource_belongs_to_one_installation() {
        let all = ["angzarr", "lagoon", "delta"].map(Instance::new);
        for (label, owner) in [
            (None, "angzarr"),
            (Some("angzarr"), "angzarr"),
            (Some("lagoon"), "lagoon"),
            (Some("delta"), "delta"),
        ] {
            let having = all.iter().filter(|it| it.has(&labelled(label)));
            let having: Vec<_> = having.map(ToString::to_string).collect();
            assert_eq!(having, [owner], "{label:?}");
        }
    }

    #[test]
    fn the_installation_of_always_writes_as_ever() {
        let instance = Instance::new("angzarr");
        assert_eq!(instance.manager(), "angzarr-operator");
        assert_eq!(instance.keeper(), "angzarr-operator-replicas");
        let mut object = serde_json::json!({ "metadata": {} });
        instance.mark(&mut object);
        assert_eq!(object, serde_json::json!({ "metadata": {} }));
        assert_eq!(instance.other(None), None);
    }

    #[test]
    fn an_object_of_another_installation_is_told() {
        let (lagoon, delta) = ("lagoon".to_owned(), "delta".to_owned());
        let instance = Instance::new("lagoon");
        assert_eq!(instance.other(Some(&lagoon)), None);
        assert_eq!(instance.other(Some(&delta)), Some("delta"));
        assert_eq!(instance.other(None), Some("angzarr"));
        assert_eq!(Instance::new("angzarr").other(Some(&delta)), Some("delta"));
    }
}
