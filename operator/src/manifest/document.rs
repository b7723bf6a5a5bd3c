//! The documents of a file, and the resources in them.

use std::path::Path;

use angzarr_config::Mistake;
use serde_json::Value;
use serde_saphyr::options::Options;

use super::files::of_file;
use super::number::make_whole;
use super::unfold::{NoItems, unfold};
use super::{DEFAULT_NAMESPACE, Found, Written};
use crate::resource::{Resource, word};

/// Bounds that a file of ten thousand resources keeps, and that a small file which unfolds into a large one does not. Errors do not show the lines
/// around the mistake. A leading zero means octal, as it does for kubectl, which reads YAML 1.1: file modes are written like that.
fn options() -> Options {
    serde_saphyr::options! {
        with_snippet: false,
        legacy_octal_numbers: true,
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
///
/// # Errors
/// Every mistake in it.
pub fn read_text(file: &Path, text: &str) -> Result<Found, Vec<Mistake>> {
    read_text_in(file, text, DEFAULT_NAMESPACE)
}

/// Reads the documents of one file; resources that name no namespace are in the given one.
pub(super) fn read_text_in(
    file: &Path,
    text: &str,
    namespace: &str,
) -> Result<Found, Vec<Mistake>> {
    let documents = parse(file, text).map_err(|message| vec![of_file(file, message)])?;
    let mut reader = Reader {
        file,
        namespace,
        found: Found::default(),
        mistakes: Vec::new(),
    };
    for (index, document) in documents.into_iter().enumerate() {
        reader.read_document(index + 1, document);
    }
    if reader.mistakes.is_empty() {
        return Ok(reader.found);
    }
    Err(reader.mistakes)
}

/// The documents of a file, which is JSON or YAML by its name; or a sentence that says what is wrong.
fn parse(file: &Path, text: &str) -> Result<Vec<Value>, String> {
    let mut documents = parse_as_written(file, text)?;
    documents.iter_mut().for_each(make_whole);
    Ok(documents)
}

fn parse_as_written(file: &Path, text: &str) -> Result<Vec<Value>, String> {
    if file.extension() == Some("json".as_ref()) {
        let documents = serde_json::Deserializer::from_str(text).into_iter();
        let documents: Result<_, _> = documents.collect();
        return documents.map_err(|error| format!("is not valid JSON: {error}"));
    }
    serde_saphyr::from_multiple_with_options(text, options())
        .map_err(|error| format!("is not valid YAML: {error}"))
}

struct Reader<'a> {
    file: &'a Path,
    /// Where resources are that name no namespace.
    namespace: &'a str,
    found: Found,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    /// Reads a resource, or the resources of a list.
    fn read_document(&mut self, number: usize, document: Value) {
        if document.is_null() {
            return;
        }
        match unfold(document) {
            Ok(resources) => {
                for resource in resources {
                    self.read_resource(number, resource);
                }
            }
            Err(NoItems { kind }) => {
                let list = format!("{}: {kind} in document {number}", self.file.display());
                let mistake = Mistake::new("items", "must be a list").of(list);
                self.mistakes.push(mistake);
            }
        }
    }

    fn read_resource(&mut self, number: usize, value: Value) {
        let (kind, name) = (word(&value, "/kind"), word(&value, "/metadata/name"));
        let resource = match (kind, name) {
            ("", _) => format!("document {number}"),
            (kind, "") => format!("{kind} in document {number}"),
            (kind, name) => format!("{kind}/{name}"),
        };
        let place = format!("{}: {resource}", self.file.display());
        if (word(&value, "/apiVersion"), kind) == ("v1", "Namespace") {
            let labels = value.pointer("/metadata/labels");
            let labels = labels.and_then(|it| serde_json::from_value(it.clone()).ok());
            let namespaces = &mut self.found.namespaces;
            namespaces.insert(name.to_owned(), labels.unwrap_or_default());
        }
        match Resource::read(value, self.namespace) {
            Ok(Some(resource)) => self.found.resources.push(Written {
                file: self.file.to_owned(),
                resource,
            }),
            Ok(None) => {
                let notice = format!("{place} is skipped: it belongs to another API group");
                self.found.notices.push(notice);
            }
            Err(mistakes) => self
                .mistakes
                .extend(mistakes.into_iter().map(|it| it.of(&place))),
        }
    }
}
