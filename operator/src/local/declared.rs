//! What is declared: the resources of a folder and the `local.yaml` beside it, read and validated together.

use std::fs;
use std::path::{Path, PathBuf};

use angzarr_config::Mistake;

use super::images::Images;
use super::localize::{Stores, localize};
use super::programs::Lookup;
use super::stage::running;
use crate::manifest::{self, Resource};
use crate::model::System;
use crate::validate::validate;

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
    pub(super) resources: Vec<Resource>,
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
        notices.extend(localize(&mut found.resources, self.stores)?);
        Ok(Declared {
            system: validate(&found.resources)?,
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
