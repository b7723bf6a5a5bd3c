//! What is declared: the resources of a folder and the `local.yaml` beside it, read and validated together.

use std::fs;
use std::path::{Path, PathBuf};

use angzarr_config::Mistake;

use super::images::Images;
use super::localize::{Stores, localize};
use super::programs::Lookup;
use super::stage::running;
use crate::graph::unheard;
use crate::index::Sight;
use crate::manifest::{self, Written};
use crate::model::System;
use crate::validate::validate_seeing;

/// Where it is read.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The folder of the resources, or one file.
    pub(super) folder: PathBuf,
    /// What becomes of stores.
    pub(super) stores: Stores,
    /// Where programs are; its base is the folder of `local.yaml`.
    pub(super) lookup: Lookup,
}

/// What is declared, valid as a whole.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    /// The resources as they run here.
    pub(super) resources: Vec<Written>,
    /// What they mean together.
    pub(super) system: System,
    /// What this machine runs for them; each image that runs has its command.
    pub(super) images: Images,
    /// What was skipped or replaced, a sentence each.
    pub(super) notices: Vec<String>,
}

impl Source {
    /// The file `local.yaml`.
    pub(super) fn local_yaml(&self) -> PathBuf {
        self.lookup.base.join("local.yaml")
    }

    /// Reads everything, and changes nothing.
    ///
    /// # Errors
    /// Every mistake.
    pub(super) fn read(&self) -> Result<Declared, Vec<Mistake>> {
        let resources = self.read_resources();
        let images = self.read_images();
        let (mut declared, images) = match (resources, images) {
            (Ok(declared), Ok(images)) => (declared, images),
            (resources, images) => {
                let mistakes = [resources.err(), images.err()].into_iter().flatten();
                return Err(mistakes.flatten().collect());
            }
        };
        declared.images = images;
        let mistakes = self.validate_images(&declared);
        if mistakes.is_empty() {
            Ok(declared)
        } else {
            Err(mistakes)
        }
    }

    fn read_resources(&self) -> Result<Declared, Vec<Mistake>> {
        let mut found = manifest::read(&self.folder)?;
        let mut notices = found.notices;
        let localized = localize(&mut found.resources, self.stores)?;
        notices.extend(localized.notices);
        let sight = Sight {
            namespaces: found.namespaces,
            replaced: localized.replaced,
            ..Sight::default()
        };
        let system = validate_seeing(&found.resources, sight)?;
        notices.extend(unheard(&system));
        Ok(Declared {
            system,
            resources: found.resources,
            images: Images::default(),
            notices,
        })
    }

    fn read_images(&self) -> Result<Images, Vec<Mistake>> {
        let file = self.local_yaml();
        let text = fs::read_to_string(&file).map_err(|error| {
            let message = format!(
                "cannot be read ({error}); it says what this machine runs where a cluster pulls an image, and belongs next to {}",
                self.folder.display()
            );
            vec![Mistake::new("", message).of(file.display().to_string())]
        })?;
        Images::parse(&text).map_err(|mistakes| of_file(mistakes, &file))
    }

    /// Checks what `local.yaml` says of the images that run.
    fn validate_images(&self, declared: &Declared) -> Vec<Mistake> {
        let mut used: Vec<_> = running(&declared.system).map(|(_, image)| image).collect();
        used.sort_unstable();
        used.dedup();
        let mut mistakes = Vec::new();
        for name in used {
            match declared.images.images.get(name) {
                Some(image) => mistakes.extend(self.lookup.check(name, image)),
                None => mistakes.push(Mistake::new(
                    format!("images.{name}"),
                    "is missing; say which command this machine runs for the image, such as {command: [./program]}",
                )),
            }
        }
        of_file(mistakes, &self.local_yaml())
    }
}

fn of_file(mistakes: Vec<Mistake>, file: &Path) -> Vec<Mistake> {
    let file = file.display().to_string();
    mistakes.into_iter().map(|it| it.of(file.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESOURCES: &str = "
apiVersion: angzarr.io/v1alpha1
kind: EventStore
metadata: {name: heron}
spec: {storage: {type: sqlite}, bus: {type: direct}}
---
apiVersion: angzarr.io/v1alpha1
kind: Aggregate
metadata: {name: nest}
spec:
  domain: brood
  eventStoreRef: {name: heron}
  contract: {events: [lake.v1.Laid]}
  template: {spec: {containers: [{name: logic, image: nest:1}]}}
---
apiVersion: angzarr.io/v1alpha1
kind: Projector
metadata: {name: map}
spec:
  eventStoreRef: {name: heron}
  sources: [{domain: brood, eventTypes: [lake.v1.Layd]}]
  template: {spec: {containers: [{name: logic, image: nest:1}]}}
";

    #[test]
    fn a_type_that_its_domain_does_not_list_is_a_notice() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("sys")).unwrap();
        write("sys/all.yaml", RESOURCES);
        write("local.yaml", "images: {nest:1: {command: [sh]}}");
        let source = Source {
            folder: folder.path().join("sys"),
            stores: Stores::Replaced,
            lookup: Lookup {
                base: folder.path().to_owned(),
                path: "/bin".into(),
            },
        };
        assert_eq!(
            source.read().unwrap().notices,
            [
                "default/Projector/map waits for lake.v1.Layd, which contract.events of brood does not list; did you mean lake.v1.Laid?"
            ]
        );
    }
}
