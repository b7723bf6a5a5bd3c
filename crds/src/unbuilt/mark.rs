//! Marks the descriptions of a schema by the table.

use serde_json::Value;

use super::{NOT_BUILT, Unbuilt, Words, missing, rows};
use crate::Kind;

/// Puts a sentence before the description of everything that is not built, of what is in it, and of the blocks of words that are not built.
pub(crate) fn mark(kind: Kind, schema: &mut Value) {
    let whole = rows(kind).find(|row| row.field.is_empty());
    let note = whole.map(|row| row.note(schema));
    if let Some(note) = &note {
        describe(schema, note);
    }
    below(kind, &mut schema["properties"]["spec"], "spec", note);
}

/// Marks a schema and all below it; `inherited` is what is said of something around it.
fn below(kind: Kind, schema: &mut Value, path: &str, inherited: Option<String>) {
    let own = rows(kind).find(|row| row.field == path);
    let note = own.map(|row| row.note(schema)).or(inherited);
    if let Some(note) = &note {
        describe(schema, note);
    }
    let is_whole = own.is_some_and(|row| row.accepted == super::Nothing);
    let passed_on = match (is_whole, path.rsplit('.').next()) {
        (true, Some(name)) => Some(format!("{NOT_BUILT}leave {name} out.")),
        _ => note,
    };
    let blocks = blocks(kind, schema, path);
    let properties = schema["properties"].as_object_mut();
    for (name, field) in properties.into_iter().flatten() {
        let block = blocks.iter().find(|(block, _)| block == name);
        let note = block.map(|(_, note)| note).or(passed_on.as_ref());
        below(kind, field, &format!("{path}.{name}"), note.cloned());
    }
    if schema["items"].is_object() {
        let inner = format!("{path}[]");
        below(kind, &mut schema["items"], &inner, passed_on);
    }
}

/// The blocks beside a field that belong to a word of it which is not built: `kafka` beside `type: kafka`.
fn blocks(kind: Kind, schema: &Value, path: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for row in rows(kind) {
        let Some((name, words)) = words_below(row, path) else {
            continue;
        };
        for word in missing(words, &schema["properties"][name]) {
            let mut block = word.to_owned();
            block[..1].make_ascii_lowercase();
            let note = format!("{NOT_BUILT}leave it out, like {name} {word}.");
            found.push((block, note));
        }
    }
    found
}

/// The name and the words of a row whose field is directly below a path.
fn words_below(row: &Unbuilt, path: &str) -> Option<(&'static str, &'static [&'static str])> {
    let name = row.field.strip_prefix(path)?.strip_prefix('.')?;
    match row.accepted {
        Words(words) if !name.contains('.') => Some((name, words)),
        _ => None,
    }
}

fn describe(schema: &mut Value, note: &str) {
    if let Value::String(text) = &mut schema["description"] {
        text.insert_str(0, &format!("{note} "));
    }
}
