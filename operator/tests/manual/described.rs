//! Fields as their descriptions have them.

use angzarr_crds::{Kind, NOT_BUILT, schema};
use serde_json::{Value, json};

/// Described by Kubernetes, not here.
const FOREIGN: [&str; 2] = ["spec.sidecar.env[].", "spec.allowedNamespaces.selector."];

/// A field, and what its description says of it.
pub(crate) struct Field {
    /// Its path, such as `spec.sources[].domain`.
    pub(crate) path: String,
    /// That it is not built, or nothing.
    pub(crate) note: String,
    /// Whether everything in it is marked, so that only defaults can be written in it.
    pub(crate) is_hollow: bool,
    said: String,
    example: String,
    words: Vec<String>,
}

/// Every field of a kind.
pub(crate) fn fields(kind: Kind) -> Vec<Field> {
    let mut found = Vec::new();
    walk(&schema(kind)["properties"]["spec"], "spec", &mut found);
    found
}

fn walk(schema: &Value, path: &str, found: &mut Vec<Field>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        if FOREIGN.iter().any(|foreign| path.starts_with(foreign)) {
            continue;
        }
        found.push(read(&path, field));
        walk(field, &path, found);
        walk(&field["items"], &format!("{path}[]"), found);
    }
}

fn text(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn read(path: &str, schema: &Value) -> Field {
    let text = text(schema);
    let (note, rest) = match text.split_once(". ") {
        Some((note, rest)) if note.starts_with(NOT_BUILT) => (note, rest),
        _ => ("", text.as_str()),
    };
    let (said, example) = rest.rsplit_once("Example: ").unwrap();
    let parts = schema["properties"].as_object();
    let parts: Vec<_> = parts.into_iter().flat_map(|it| it.values()).collect();
    let is_marked = |part: &&Value| self::text(part).starts_with(NOT_BUILT);
    let words = schema["enum"].as_array().into_iter().flatten();
    Field {
        path: path.to_owned(),
        note: note.to_owned(),
        is_hollow: !parts.is_empty() && parts.iter().all(is_marked),
        said: said.to_owned(),
        example: example.trim_end_matches('.').trim_matches('`').to_owned(),
        words: words.map(|it| it.as_str().unwrap().to_owned()).collect(),
    }
}

fn parse(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

impl Field {
    /// Its example.
    pub(crate) fn example(&self) -> Value {
        parse(&self.example)
    }

    /// The words that it takes, built or not; empty if it takes others.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }

    /// The words that its note says are not built, or all if it must be left out.
    pub(crate) fn refused_words(&self) -> Vec<&str> {
        if self.note.is_empty() || self.is_accepted() {
            return Vec::new();
        }
        if !self.works_in_part() {
            return self.words();
        }
        let listed = self.note.split(';').next().unwrap_or_default();
        let listed: Vec<_> = listed.split([' ', ',']).collect();
        let words = self.words().into_iter();
        words.filter(|word| listed.contains(word)).collect()
    }

    /// Whether its note says that something can be written in it.
    pub(crate) fn works_in_part(&self) -> bool {
        self.note.contains("; write ")
            || self.note.contains("only the default") && self.words.is_empty()
    }

    /// Whether its note says that it is not refused.
    pub(crate) fn is_accepted(&self) -> bool {
        self.note.contains("it is accepted")
    }

    /// What is said of its default, in one sentence.
    pub(crate) fn said_default(&self) -> &str {
        let (_, default) = self.said.split_once("Default: ").unwrap_or_default();
        default.split(". ").next().unwrap_or_default()
    }

    /// Its default, where that is a value.
    pub(crate) fn default(&self, kind: Kind) -> Option<Value> {
        let said = self.said_default();
        if self.path == "spec.startFrom" {
            let start = if kind == Kind::Projector {
                "Beginning"
            } else {
                "Now"
            };
            assert!(
                said.starts_with("`{type: Beginning}` for a Projector, `{type: Now}` for a Saga")
            );
            return Some(json!({ "type": start }));
        }
        if let Some(quoted) = said.strip_prefix('`') {
            return quoted.split('`').next().map(parse);
        }
        let word = said.split([' ', ';']).next()?.trim_end_matches('.');
        let is_value = word.parse::<f64>().is_ok()
            || ["true", "false"].contains(&word)
            || self.words().contains(&word);
        // The words of a list of words are not its own.
        is_value.then(|| parse(word))
    }
}
