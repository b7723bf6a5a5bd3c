//! The manual of the resources as a page: every kind, every field with purpose, default and example, every rule.
//!
//! Fields that several kinds share are listed once.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use crate::{API_VERSION, Kind, NOT_BUILT, schema};

/// A field as the page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    path: String,
    shape: String,
    /// What is said of a field that is not built; empty for one that works.
    note: String,
    purpose: String,
    default: String,
    example: String,
}

/// The page, as Markdown.
pub fn manual() -> String {
    let mut page = String::new();
    line(
        &mut page,
        "<!-- Generated from the types of `crds/` by `make crds`. Change those, not this file. -->\n# Resources\n",
    );
    line(
        &mut page,
        &format!(
            "Five kinds of `{API_VERSION}` declare a system. `kubectl explain` shows the same descriptions in a cluster. [From a machine to a cluster](cluster.md) \
             describes what they become.\n\nA description that begins with **{}** says what is refused or has no effect; everything else works.",
            NOT_BUILT.trim_end_matches(": ")
        ),
    );
    let shared = common(&Kind::COMPONENTS.map(spec));
    let reading = without(&common(&Kind::CONSUMERS.map(spec)), &shared);
    for kind in Kind::ALL {
        let listed_elsewhere: Vec<_> = match kind {
            Kind::EventStore => Vec::new(),
            Kind::Aggregate => shared.clone(),
            Kind::Projector | Kind::Saga | Kind::ProcessManager => {
                [shared.as_slice(), reading.as_slice()].concat()
            }
        };
        head(&mut page, kind);
        table(&mut page, &without(&spec(kind), &listed_elsewhere));
        rules(&mut page, kind);
    }
    section(
        &mut page,
        "Fields of all components",
        "Aggregate, Projector, Saga and ProcessManager also have these fields.",
    );
    table(&mut page, &shared);
    section(
        &mut page,
        "Fields of all readers of events",
        "Projector, Saga and ProcessManager also have these fields.",
    );
    table(&mut page, &reading);
    section(
        &mut page,
        "References to Secrets",
        "The fields of every field whose name ends in `SecretRef`; some have `name` only, since their keys have fixed names.",
    );
    table(&mut page, &secret());
    status(&mut page);
    page
}

fn status(page: &mut String) {
    section(
        page,
        "Status",
        "What the operator reports; `conditions` are those of Kubernetes.",
    );
    for (kind, title) in [
        (Kind::EventStore, "an EventStore"),
        (Kind::Aggregate, "a component"),
    ] {
        line(page, &format!("\nOf {title}:"));
        table(
            page,
            &fields(&schema(kind)["properties"]["status"], "status"),
        );
    }
}

/// The fields of a kind. What is said of the kind as a whole is not repeated.
fn spec(kind: Kind) -> Vec<Row> {
    let whole = text(schema(kind));
    let (of_kind, _) = split_note(&whole);
    let mut rows = fields(&schema(kind)["properties"]["spec"], "spec");
    for row in rows.iter_mut().filter(|row| row.note == of_kind) {
        row.note.clear();
    }
    rows
}

/// The fields of a reference to a Secret, by the example of one.
fn secret() -> Vec<Row> {
    let store = &schema(Kind::EventStore)["properties"]["spec"]["properties"];
    let postgres = &store["storage"]["properties"]["postgres"]["properties"];
    fields(
        &postgres["connection"]["properties"]["secretRef"],
        "…SecretRef",
    )
}

fn head(page: &mut String, kind: Kind) {
    let all = text(schema(kind));
    let (note, purpose) = split_note(&all);
    section(page, kind.as_str(), &marked(note, purpose));
    line(
        page,
        &format!(
            "\nShort name `{}`, plural `{}`.\n",
            kind.short(),
            kind.plural()
        ),
    );
}

fn section(page: &mut String, title: &str, says: &str) {
    line(page, &format!("\n## {title}\n\n{says}"));
}

/// Every field below a schema, the outer ones first.
fn fields(schema: &Value, path: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let properties = schema["properties"].as_object();
    for (name, field) in properties.into_iter().flatten() {
        let path = format!("{path}.{name}");
        let entries = if field["items"].is_object() {
            &field["items"]
        } else {
            field
        };
        let suffix = if field["items"].is_object() { "[]" } else { "" };
        rows.push(row(&path, field));
        if !is_listed_elsewhere(&path) {
            rows.extend(fields(entries, &format!("{path}{suffix}")));
        }
    }
    rows
}

/// What Kubernetes documents itself, and references to Secrets, which look alike everywhere.
fn is_listed_elsewhere(path: &str) -> bool {
    [
        "sidecar.env",
        "allowedNamespaces.selector",
        "status.conditions",
        "SecretRef",
        ".secretRef",
    ]
    .iter()
    .any(|end| path.ends_with(end))
}

fn row(path: &str, field: &Value) -> Row {
    let all = text(field);
    let (note, all) = split_note(&all);
    let (said, example) = all.rsplit_once("Example: ").unwrap_or((all, ""));
    let begins = ["Default: ", "Required", "No default", "Only with "]
        .iter()
        .filter_map(|word| said.find(word))
        .min();
    let (purpose, default) = said.split_at(begins.unwrap_or(said.len()));
    Row {
        path: path.to_owned(),
        shape: shape(field),
        note: note.to_owned(),
        purpose: purpose.trim().to_owned(),
        default: default
            .trim()
            .trim_start_matches("Default: ")
            .trim_end_matches('.')
            .to_owned(),
        example: example.trim().trim_end_matches('.').to_owned(),
    }
}

/// The description on one line.
fn text(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first sentence of a description, if it says that something is not built, and the rest.
fn split_note(description: &str) -> (&str, &str) {
    if !description.starts_with(NOT_BUILT) {
        return ("", description);
    }
    let end = description
        .find(". ")
        .map_or(description.len(), |dot| dot + 1);
    let (note, rest) = description.split_at(end);
    (note, rest.trim_start())
}

/// A description with the note in bold.
fn marked(note: &str, purpose: &str) -> String {
    if note.is_empty() {
        return purpose.to_owned();
    }
    format!("**{note}** {purpose}")
}

fn shape(field: &Value) -> String {
    let words = field["enum"].as_array().into_iter().flatten();
    let words: Vec<_> = words.filter_map(Value::as_str).collect();
    if !words.is_empty() {
        return words.join(", ");
    }
    if field["x-kubernetes-int-or-string"] == true {
        return "quantity".to_owned();
    }
    let bounds = |least: &str, most: &str| {
        let (least, most) = (field[least].as_f64(), field[most].as_f64());
        match (least, most) {
            (Some(least), Some(most)) => format!(" {least} to {most}"),
            (Some(least), None) => format!(" from {least}"),
            (None, Some(most)) => format!(" to {most}"),
            (None, None) => String::new(),
        }
    };
    match field["type"].as_str().unwrap_or_default() {
        "array" => format!("list of {}", shape(&field["items"])),
        "object" if field["additionalProperties"].is_object() => {
            format!("map of {}", shape(&field["additionalProperties"]))
        }
        "integer" => format!("number{}", bounds("minimum", "maximum")),
        "boolean" => "true or false".to_owned(),
        "string" => "text".to_owned(),
        other => other.to_owned(),
    }
}

/// The rows that all lists have.
fn common(lists: &[Vec<Row>]) -> Vec<Row> {
    let Some((first, others)) = lists.split_first() else {
        return Vec::new();
    };
    let is_everywhere = |row: &&Row| others.iter().all(|list| list.contains(row));
    first.iter().filter(is_everywhere).cloned().collect()
}

fn without(rows: &[Row], others: &[Row]) -> Vec<Row> {
    let is_new = |row: &&Row| !others.contains(row);
    rows.iter().filter(is_new).cloned().collect()
}

fn table(page: &mut String, rows: &[Row]) {
    line(page, "");
    line(page, "| field | type | description | default | example |");
    line(page, "|---|---|---|---|---|");
    for row in rows {
        let description = marked(&row.note, &row.purpose);
        let cells = [&row.shape, &description, &row.default, &row.example]
            .map(|cell| cell.replace('|', "\\|"));
        let path = row.path.trim_start_matches("spec.");
        line(page, &format!("| `{path}` | {} |", cells.join(" | ")));
    }
}

/// The sentences of the rules between fields, by the place of the rule.
fn rules(page: &mut String, kind: Kind) {
    let mut sentences = BTreeMap::new();
    collect_rules(schema(kind), "", &mut sentences);
    line(page, "\nRules between fields:\n");
    for (message, place) in sentences {
        line(page, &format!("- {place}{message}"));
    }
}

fn collect_rules(schema: &Value, path: &str, sentences: &mut BTreeMap<String, String>) {
    for rule in schema["x-kubernetes-validations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let message = rule["message"].as_str().unwrap_or_default().to_owned();
        let place = if path.is_empty() || path == "spec" {
            String::new()
        } else {
            format!("`{}`: ", path.trim_start_matches("spec."))
        };
        sentences.entry(message).or_insert(place);
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let inner = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        collect_rules(field, &inner, sentences);
        if field["items"].is_object() {
            collect_rules(&field["items"], &inner, sentences);
        }
    }
}

fn line(page: &mut String, line: &str) {
    // Writing into a String does not fail.
    let _ = writeln!(page, "{line}");
}
