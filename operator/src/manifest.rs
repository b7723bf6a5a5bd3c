//! Resources as people write them: files of YAML, each judged by itself.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use angzarr_crds::{
    API_VERSION, Aggregate, Component, EventStore, GROUP, Kind, ProcessManager, Projector, Saga,
    Violation, validate_cel, validate_structure,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A mistake of whoever wrote the resources.
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

/// Reads a file, or all `*.yaml` and `*.yml` of a folder in the order of their names.
///
/// # Errors
/// Every mistake in every file.
pub fn read(path: &Path) -> Result<Found, Vec<Mistake>> {
    let files = list(path).map_err(|error| {
        vec![whole_file(
            path,
            format!("cannot be read ({error}); name a file or folder of resources"),
        )]
    })?;
    if files.is_empty() {
        return Err(vec![whole_file(path, "holds no *.yaml file")]);
    }
    let mut found = Found::default();
    let mut mistakes = Vec::new();
    for file in files {
        match fs::read_to_string(&file) {
            Ok(text) => read_text(&file, &text, &mut found, &mut mistakes),
            Err(error) => mistakes.push(whole_file(&file, format!("cannot be read: {error}"))),
        }
    }
    if mistakes.is_empty() {
        Ok(found)
    } else {
        mistakes.sort();
        Err(mistakes)
    }
}

fn list(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if fs::metadata(path)?.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        let extension = file.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yaml" | "yml")) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn whole_file(file: &Path, message: impl Into<String>) -> Mistake {
    Mistake {
        file: file.to_owned(),
        resource: String::new(),
        field: String::new(),
        message: message.into(),
    }
}

/// Reads the documents of one file.
pub fn read_text(file: &Path, text: &str, found: &mut Found, mistakes: &mut Vec<Mistake>) {
    let documents: Vec<Value> = match serde_saphyr::from_multiple(text) {
        Ok(documents) => documents,
        Err(error) => return mistakes.push(whole_file(file, format!("is no YAML: {error}"))),
    };
    for (index, document) in documents.into_iter().enumerate() {
        let listed = match document {
            Value::Object(mut list) if list.get("kind") == Some(&Value::from("List")) => {
                match list.remove("items") {
                    Some(Value::Array(items)) => items,
                    Some(_) | None => Vec::new(),
                }
            }
            Value::Null => continue,
            single => vec![single],
        };
        for resource in listed {
            read_resource(file, index, resource, found, mistakes);
        }
    }
}

fn read_resource(
    file: &Path,
    index: usize,
    value: Value,
    found: &mut Found,
    mistakes: &mut Vec<Mistake>,
) {
    let word = |pointer| value.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    let (version, kind, name) = (word("/apiVersion"), word("/kind"), word("/metadata/name"));
    let resource = match (kind, name) {
        ("", _) => format!("document {}", index + 1),
        (kind, "") => format!("{kind} in document {}", index + 1),
        (kind, name) => format!("{kind}/{name}"),
    };
    let mut report = |field: &str, message: String| {
        mistakes.push(Mistake {
            file: file.to_owned(),
            resource: resource.clone(),
            field: field.to_owned(),
            message,
        });
    };
    let is_ours = version.split('/').next() == Some(GROUP);
    let Some(kind) = Kind::parse(kind).filter(|_| is_ours) else {
        if is_ours {
            let kinds = Kind::ALL.map(Kind::as_str).join(", ");
            report("kind", format!("is none of ours; write one of {kinds}"));
        } else if kind.is_empty() || version.is_empty() {
            report(
                "",
                format!("has no apiVersion and kind; ours have {API_VERSION}"),
            );
        } else {
            found
                .notices
                .push(format!("{}: {resource} is left to others", file.display()));
        }
        return;
    };
    let violations = judge(kind, &value);
    for violation in &violations {
        report(&violation.path, violation.message.clone());
    }
    if !violations.is_empty() {
        return;
    }
    let namespace = match word("/metadata/namespace") {
        "" => "default",
        namespace => namespace,
    };
    let (name, namespace) = (name.to_owned(), namespace.to_owned());
    match typed(kind, value) {
        Ok(spec) => found.resources.push(Resource {
            file: file.to_owned(),
            name,
            namespace,
            spec,
        }),
        Err((field, message)) => report(&field, message),
    }
}

/// Every mistake in one resource; rules between fields are judged once each field has its shape.
fn judge(kind: Kind, value: &Value) -> Vec<Violation> {
    let violations = validate_structure(kind, value);
    if violations.is_empty() {
        return validate_cel(kind, value, None);
    }
    violations
}

fn typed(kind: Kind, value: Value) -> Result<Spec, (String, String)> {
    fn boxed<T: DeserializeOwned>(value: Value) -> Result<Box<T>, (String, String)> {
        serde_path_to_error::deserialize(value)
            .map(Box::new)
            .map_err(|error| (error.path().to_string(), error.inner().to_string()))
    }
    Ok(match kind {
        Kind::EventStore => Spec::EventStore(boxed(value)?),
        Kind::Aggregate => Spec::Aggregate(boxed(value)?),
        Kind::Projector => Spec::Projector(boxed(value)?),
        Kind::Saga => Spec::Saga(boxed(value)?),
        Kind::ProcessManager => Spec::ProcessManager(boxed(value)?),
    })
}
