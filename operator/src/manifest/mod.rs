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

use std::collections::BTreeMap;
use std::path::PathBuf;

use angzarr_config::Mistake;

use crate::index::Labels;
use crate::resource::Resource;

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

/// A resource and the file that it is written in.
#[derive(Debug, Clone)]
pub struct Written {
    /// The file.
    pub file: PathBuf,
    /// The resource.
    pub resource: Resource,
}

impl Written {
    /// A mistake in a field of it.
    pub fn mistake(&self, field: &str, message: impl Into<String>) -> Mistake {
        let (file, kind) = (self.file.display(), self.resource.kind());
        Mistake::new(field, message).of(format!("{file}: {kind}/{}", self.resource.name))
    }
}

/// What was found in files.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Our resources.
    pub resources: Vec<Written>,
    /// The labels of the namespaces among the other resources.
    pub namespaces: BTreeMap<String, Labels>,
    /// What was skipped, a sentence each.
    pub notices: Vec<String>,
}
