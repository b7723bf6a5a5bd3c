//! Resources as people write them: files of YAML or JSON, each judged by itself.
//!
//! ```text
//! files.rs    which files a folder has, and what is no file of resources
//! skipped.rs what else is in a folder
//! unfold.rs   lists of resources
//! document.rs the documents of a file, and the resources in them
//! number.rs   numbers as kubectl reads them
//! ```

mod document;
mod files;
mod number;
mod skipped;
mod unfold;

use std::path::PathBuf;

use angzarr_config::Mistake;
use angzarr_crds::{Aggregate, Component, EventStore, Kind, ProcessManager, Projector, Saga};

pub use document::read_text;
pub use files::{files, read, read_in};

/// The namespace of resources that name none, unless another is chosen.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Makes one error of mistakes, with a line for each.
pub fn all(mistakes: Vec<Mistake>) -> anyhow::Error {
    let lines: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
    anyhow::anyhow!(
        "the files have {} mistake(s)\n{}",
        lines.len(),
        lines.join("\n")
    )
}

/// A resource and the file that defines it.
#[derive(Debug, Clone)]
pub struct Resource {
    /// The file.
    pub file: PathBuf,
    /// Its name.
    pub name: String,
    /// Its namespace; the chosen one if it names none.
    pub namespace: String,
    /// Its content.
    pub spec: Spec,
}

/// A resource of one of the kinds.
#[derive(Debug, Clone)]
pub enum Spec {
    /// An event store.
    EventStore(Box<EventStore>),
    /// An aggregate.
    Aggregate(Box<Aggregate>),
    /// A projector.
    Projector(Box<Projector>),
    /// A saga.
    Saga(Box<Saga>),
    /// A process manager.
    ProcessManager(Box<ProcessManager>),
}

impl Resource {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self.spec {
            Spec::EventStore(_) => Kind::EventStore,
            Spec::Aggregate(_) => Kind::Aggregate,
            Spec::Projector(_) => Kind::Projector,
            Spec::Saga(_) => Kind::Saga,
            Spec::ProcessManager(_) => Kind::ProcessManager,
        }
    }

    /// The fields that all components share; none for an event store.
    pub fn component(&self) -> Option<&dyn Component> {
        match &self.spec {
            Spec::EventStore(_) => None,
            Spec::Aggregate(spec) => Some(&**spec),
            Spec::Projector(spec) => Some(&**spec),
            Spec::Saga(spec) => Some(&**spec),
            Spec::ProcessManager(spec) => Some(&**spec),
        }
    }

    /// A mistake in a field of it.
    pub fn mistake(&self, field: &str, message: impl Into<String>) -> Mistake {
        let (file, kind) = (self.file.display(), self.kind());
        Mistake::new(field, message).of(format!("{file}: {kind}/{}", self.name))
    }
}

/// What was found in files.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Our resources.
    pub resources: Vec<Resource>,
    /// What was skipped, a sentence each.
    pub notices: Vec<String>,
}
