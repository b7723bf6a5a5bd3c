//! From text to typed documents, with every unknown key named.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::nearest::nearest;
use crate::secret::redact;

/// A document that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not YAML.
    #[error("not valid YAML")]
    Syntax(#[source] Box<serde_saphyr::Error>),
    /// It is YAML with mistakes in it.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Mistakes(Vec<Mistake>),
}

/// One mistake in a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The document, such as `shop.yaml: Saga/loyalty`; empty where only one is read.
    pub document: String,
    /// The field, such as `projectors[0].name`; `.` or empty is the whole document.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Mistake {
    /// A mistake in the only document.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            document: String::new(),
            path: path.into(),
            message: message.into(),
        }
    }

    /// The same mistake, as one of several documents.
    pub fn of(self, document: impl Into<String>) -> Self {
        let document = document.into();
        Self { document, ..self }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in [&self.document, &self.path] {
            if !place.is_empty() {
                write!(f, "{place}: ")?;
            }
        }
        f.write_str(&self.message)
    }
}

impl Error {
    pub(crate) fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Mistakes(vec![Mistake::new(path, message)])
    }
}

/// Reads a document from YAML or JSON.
///
/// # Errors
/// [`Error`] names every unknown key, or the first value of the wrong type.
pub fn read<T: DeserializeOwned + Serialize>(text: &str) -> Result<T, Error> {
    typed(&value(text)?)
}

/// Reads a part of a document.
///
/// # Errors
/// As [`read`].
pub fn read_value<T: DeserializeOwned + Serialize>(value: &Value) -> Result<T, Error> {
    typed(value)
}

/// Reads YAML without looking at its meaning. An error names the place without the lines around it, which may hold secrets.
pub(crate) fn value(text: &str) -> Result<Value, Error> {
    let options = serde_saphyr::options! { with_snippet: false };
    let value: Value = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| Error::Syntax(Box::new(error)))?;
    match value {
        Value::Object(_) => Ok(value),
        Value::Null => Err(Error::at(".", "the document is empty")),
        _ => Err(Error::at(
            ".",
            "the document must be a mapping of keys to values",
        )),
    }
}

/// Reads a typed document.
///
/// # Design
/// A typed value is written back and compared with what was read: a key that does not come back is unknown, and the keys beside it are the known
/// ones. So all unknown keys are found at once, without a list of names beside the types. This requires that every field is written.
pub(crate) fn typed<T: DeserializeOwned + Serialize>(value: &Value) -> Result<T, Error> {
    let typed: T = serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let found = at(value, &path);
        // The message may quote a value below the path. It is kept as text, since the cause itself could show credentials.
        let message = redact(&without_credentials(error.inner().to_string(), found));
        Error::at(path, format!("{message}{}", given(found)))
    })?;
    let written = serde_json::to_value(&typed).expect("configuration is plain data");
    let mut mistakes = Vec::new();
    find_unknown(value, &written, "", &mut mistakes);
    if mistakes.is_empty() {
        Ok(typed)
    } else {
        Err(Error::Mistakes(mistakes))
    }
}

/// The value at a path.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let pointer = path.replace(['.', '['], "/").replace(']', "");
    match path {
        "." => Some(value),
        _ => value.pointer(&format!("/{pointer}")),
    }
}

/// Removes the invalid value from a message if it looks like an address with credentials.
fn without_credentials(message: String, found: Option<&Value>) -> String {
    match found.and_then(Value::as_str) {
        Some(text) if text.contains('@') => message.replace(text, "..."),
        _ => message,
    }
}

/// The keys of an invalid value, if it has any: one of them may be a misspelling of the missing one.
fn given(found: Option<&Value>) -> String {
    let Some(Value::Object(keys)) = found else {
        return String::new();
    };
    let keys: Vec<_> = keys.keys().map(String::as_str).collect();
    format!("; the keys given here are {}", keys.join(", "))
}

fn find_unknown(read: &Value, written: &Value, path: &str, mistakes: &mut Vec<Mistake>) {
    match (read, written) {
        (Value::Object(read), Value::Object(written)) => {
            for (key, inner) in read {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                match written.get(key) {
                    Some(known) => find_unknown(inner, known, &path, mistakes),
                    None => mistakes.push(Mistake::new(path, unknown(key, written.keys()))),
                }
            }
        }
        (Value::Array(read), Value::Array(written)) => {
            for (index, (inner, known)) in read.iter().zip(written).enumerate() {
                find_unknown(inner, known, &format!("{path}[{index}]"), mistakes);
            }
        }
        _ => {}
    }
}

fn unknown<'a>(key: &str, known: impl Iterator<Item = &'a String>) -> String {
    let known: Vec<_> = known.map(String::as_str).collect();
    match nearest(key, &known) {
        Some(near) => format!("is not a known key; did you mean {near}?"),
        None => format!("is not a known key; known are {}", known.join(", ")),
    }
}
