//! What pods are made of: the part of a plan that replaces pods when it changes.

use std::collections::BTreeMap;

use kube::api::DynamicObject;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Desired, config, injection, names, sidecar};

/// Where a Deployment, or a PodTemplate, has the template of its pods.
const PLACES: [&str; 2] = ["/spec/template", "/template"];

/// The template of pods, and the document that it names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pods {
    pub(crate) template: Value,
    pub(crate) boot: Boot,
}

/// A boot document, with the name of its ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Boot {
    pub(crate) name: String,
    pub(crate) document: String,
}

impl Pods {
    /// Reads the template of a workload, and the name of the ConfigMap with its document.
    pub(crate) fn read(workload: &Value) -> Option<(Value, String)> {
        let templates = PLACES.into_iter();
        let template = templates.filter_map(|it| workload.pointer(it)).next()?;
        Some((template.clone(), boot_name(template)?))
    }

    /// The pods of a template and that ConfigMap.
    pub(crate) fn with_boot(template: Value, boot: &DynamicObject) -> Option<Self> {
        let document = boot.data["data"][config::BOOT].as_str()?.to_owned();
        let name = boot.metadata.name.clone()?;
        let boot = Boot { name, document };
        Some(Self { template, boot })
    }

    /// The image of the sidecar.
    pub(crate) fn sidecar_image(&self) -> Option<&str> {
        let containers = self.template["spec"]["initContainers"].as_array()?;
        let sidecar = containers.iter().find(|it| it["name"] == names::SIDECAR)?;
        sidecar["image"].as_str()
    }
}

impl Desired {
    /// What its pods are made of.
    pub(crate) fn pods(&self) -> Pods {
        let data = self.boot.data.as_ref();
        let document = data.and_then(|it| it.get(config::BOOT));
        let template = Pods::read(&self.workload).map(|(template, _)| template);
        Pods {
            template: template.unwrap_or_default(),
            boot: Boot {
                name: self.boot.metadata.name.clone().unwrap_or_default(),
                document: document.cloned().unwrap_or_default(),
            },
        }
    }

    /// The same with pods that were planned before.
    pub(crate) fn with_pods(mut self, pods: Pods) -> Self {
        for place in PLACES {
            if let Some(template) = self.workload.pointer_mut(place) {
                *template = pods.template.clone();
            }
        }
        injection::stamp(&mut self.workload);
        self.boot.metadata.name = Some(pods.boot.name);
        self.boot.data = Some(BTreeMap::from([(
            config::BOOT.to_owned(),
            pods.boot.document,
        )]));
        self
    }
}

/// The ConfigMap that a template of pods reads its boot document from.
fn boot_name(template: &Value) -> Option<String> {
    let volumes = template["spec"]["volumes"].as_array()?;
    let boot = volumes
        .iter()
        .find(|it| it["name"] == sidecar::BOOT_VOLUME)?;
    Some(boot["configMap"]["name"].as_str()?.to_owned())
}
