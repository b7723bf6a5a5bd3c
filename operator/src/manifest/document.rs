//! The documents of a file, and the resources in them.

use std::path::Path;

use angzarr_config::Mistake;
use angzarr_crds::{API_VERSION, GROUP, Kind, validate_cel, validate_structure};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_saphyr::options::Options;

use super::files::of_file;
use super::{Found, Resource, Spec};

/// The namespace of resources that name none.
const DEFAULT_NAMESPACE: &str = "default";

/// Bounds that a file of ten thousand resources keeps, and that a small file which unfolds into a large one does not.
fn bounds() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 20_000,
            max_nodes: 2_000_000,
            max_events: 4_000_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
        },
    }
}

/// Reads the documents of one file.
pub fn read_text(file: &Path, text: &str, found: &mut Found, mistakes: &mut Vec<Mistake>) {
    let documents: Vec<Value> = match serde_saphyr::from_multiple_with_options(text, bounds()) {
        Ok(documents) => documents,
        Err(error) => {
            // The library shows the lines around the mistake below its sentence.
            let said = error.to_string();
            let sentence = said.lines().next().unwrap_or_default();
            return mistakes.push(of_file(file, format!("is not valid YAML: {sentence}")));
        }
    };
    for (index, document) in documents.into_iter().enumerate() {
        let listed = match document {
            Value::Object(mut list) if list.get("kind") == Some(&Value::from("List")) => {
                match list.remove("items") {
                    Some(Value::Array(items)) => items,
                    Some(_) | None => {
                        let list = format!("{}: List in document {}", file.display(), index + 1);
                        mistakes.push(Mistake::new("items", "must be a list").of(list));
                        continue;
                    }
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
    let (kind, name) = (word(&value, "/kind"), word(&value, "/metadata/name"));
    let resource = match (kind, name) {
        ("", _) => format!("document {}", index + 1),
        (kind, "") => format!("{kind} in document {}", index + 1),
        (kind, name) => format!("{kind}/{name}"),
    };
    let place = format!("{}: {resource}", file.display());
    let kind = match kind_of(&value) {
        Ok(Some(kind)) => kind,
        Ok(None) => {
            return found.notices.push(format!("{place} is left to others"));
        }
        Err(mistake) => return mistakes.push(mistake.of(place)),
    };
    let found_here = judge(kind, &value);
    if !found_here.is_empty() {
        return mistakes.extend(found_here.into_iter().map(|it| it.of(&place)));
    }
    let namespace = match word(&value, "/metadata/namespace") {
        "" => DEFAULT_NAMESPACE,
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
        Err(mistake) => mistakes.push(mistake.of(place)),
    }
}

fn word<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// Which of our kinds a resource is; none, if it is somebody else's.
fn kind_of(value: &Value) -> Result<Option<Kind>, Mistake> {
    let (version, kind) = (word(value, "/apiVersion"), word(value, "/kind"));
    if version.is_empty() || kind.is_empty() {
        let message = format!("has no apiVersion and kind; ours have {API_VERSION}");
        return Err(Mistake::new("", message));
    }
    if version.split('/').next() != Some(GROUP) {
        return Ok(None);
    }
    let Some(kind) = Kind::parse(kind) else {
        let kinds = Kind::ALL.map(Kind::as_str).join(", ");
        let message = format!("is none of ours; write one of {kinds}");
        return Err(Mistake::new("kind", message));
    };
    Ok(Some(kind))
}

/// Every mistake in one resource; rules between fields are judged once each field has its shape.
fn judge(kind: Kind, value: &Value) -> Vec<Mistake> {
    let mistakes = validate_structure(kind, value);
    if mistakes.is_empty() {
        return validate_cel(kind, value, None);
    }
    mistakes
}

fn typed(kind: Kind, value: Value) -> Result<Spec, Mistake> {
    fn boxed<T: DeserializeOwned>(value: Value) -> Result<Box<T>, Mistake> {
        serde_path_to_error::deserialize(value)
            .map(Box::new)
            .map_err(|error| Mistake::new(error.path().to_string(), error.inner().to_string()))
    }
    Ok(match kind {
        Kind::EventStore => Spec::EventStore(boxed(value)?),
        Kind::Aggregate => Spec::Aggregate(boxed(value)?),
        Kind::Projector => Spec::Projector(boxed(value)?),
        Kind::Saga => Spec::Saga(boxed(value)?),
        Kind::ProcessManager => Spec::ProcessManager(boxed(value)?),
    })
}
