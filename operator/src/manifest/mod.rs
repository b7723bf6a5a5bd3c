//! Resources as people write them: files of YAML, each judged by itself.
//!
//! ```text
//! files.rs    which files a folder has, and what is no file of resources
//! document.rs the documents of a file, and the resources in them
//! ```

mod document;
mod files;

use std::fmt;
use std::path::{Path, PathBuf};

use angzarr_crds::{Aggregate, Component, EventStore, Kind, ProcessManager, Projector, Saga};

pub use document::read_text;
pub use files::read;

/// A mistake of the author of the resources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The file.
    pub file: PathBuf,
    /// The resource as kind/name, or the document's place in the file.
    pub resource: String,
    /// The field, such as `spec.sources[0].domain`; empty for the whole resource.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Mistake {
    /// A mistake of a file as a whole.
    fn of_file(file: &Path, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            resource: String::new(),
            field: String::new(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file.display())?;
        for part in [&self.resource, &self.field] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.message)
    }
}

/// Mistakes as one error, a line each.
pub fn all(mistakes: Vec<Mistake>) -> anyhow::Error {
    let lines: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
    anyhow::anyhow!(
        "the resources have {} mistake(s)\n{}",
        lines.len(),
        lines.join("\n")
    )
}

/// A resource and where it stands.
#[derive(Debug, Clone)]
pub struct Resource {
    /// The file.
    pub file: PathBuf,
    /// What it is called.
    pub name: String,
    /// Its namespace; `default` where none is written.
    pub namespace: String,
    /// What it says.
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
    /// What it is.
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
        Mistake {
            file: self.file.clone(),
            resource: format!("{}/{}", self.kind(), self.name),
            field: field.to_owned(),
            message: message.into(),
        }
    }
}

/// What was found in files.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Our resources.
    pub resources: Vec<Resource>,
    /// What was passed over, a sentence each.
    pub notices: Vec<String>,
}
