//! The descriptions of the resources, which the manual and `kubectl explain` show, compared with what resources lead to: what is described works, what
//! does not work says so and is refused, and a documented default is the one that acts.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says why and ends"
)]

mod described;
mod lake;

use angzarr_crds::{Accepted, Kind, NOT_BUILT, UNBUILT, manual, schema};
use described::{Field, fields};
use lake::{Lake, Stored};
use serde_json::json;

/// The kinds that are built; the other one is refused as a whole.
const BUILT: [Kind; 4] = [
    Kind::EventStore,
    Kind::Aggregate,
    Kind::Projector,
    Kind::Saga,
];

/// Fields whose names are those of the keys of a Secret, each with a list of usual names.
const KEYS: &str = ".keys.";

/// The fields of a kind that are not within a reference to a Secret.
fn tried(kind: Kind) -> impl Iterator<Item = Field> {
    fields(kind)
        .into_iter()
        .filter(|it| !it.path.contains(KEYS))
}

/// Whether mistakes say that a field, the block that it is in or the word beside it is not built.
fn names_it(mistakes: &[String], path: &str) -> bool {
    mistakes.iter().any(|mistake| {
        let said = mistake.split_once(": spec").map_or("", |(_, said)| said);
        let (at, message) = said.split_once(": ").unwrap_or_default();
        let (around, _) = at.rsplit_once('.').unwrap_or_default();
        let (word, _) = message.split_once("is not built yet").unwrap_or(("?", ""));
        let block = format!("spec{around}.{}", word.trim().to_lowercase());
        word != "?" && (path.starts_with(&format!("spec{at}")) || path.starts_with(&block))
    })
}

/// What is wrong with a field that is described as working: its example must change what a system becomes.
fn idle(kind: Kind, field: &Field) -> Option<String> {
    let example = field.example();
    let mut refusals = Vec::new();
    for stored in Stored::ALL {
        let mut lake = Lake::new(kind, stored);
        lake.prepare(&field.path, &example);
        let is_same = lake.get(&field.path) == Some(&example);
        let is_default = field.default(kind).as_ref() == Some(&example);
        let before = lake.becomes();
        lake.set(&field.path, example.clone());
        match (before, lake.becomes()) {
            (_, Err(mistakes)) => refusals.extend(mistakes),
            (Ok(before), Ok(after)) if before != after => return None,
            (_, Ok(_)) if is_same || is_default || field.is_hollow => return None,
            (_, Ok(_)) => {}
        }
    }
    Some(format!("{kind} {}: {example} {refusals:?}", field.path))
}

/// What acts between namespaces, or between an operator and what it finds; the tests on an API server show it.
const BEYOND_A_PLAN: [&str; 8] = [
    "spec.allowedNamespaces",
    "spec.allowedNamespaces.from",
    "spec.allowedNamespaces.selector",
    "spec.eventStoreRef.namespace",
    "spec.sidecar.updatePolicy",
    "spec.workloadRef",
    "spec.workloadRef.kind",
    "spec.workloadRef.name",
];

#[test]
fn every_field_that_is_not_marked_changes_what_a_system_becomes() {
    let mut idle_in = Vec::new();
    let mut working = Vec::new();
    for kind in BUILT {
        for field in tried(kind).filter(|it| it.note.is_empty()) {
            match idle(kind, &field) {
                Some(found) => idle_in.push((field.path, found)),
                None => working.push(field.path),
            }
        }
    }
    // An example can be the default of one kind and change another.
    idle_in.retain(|(path, _)| !working.contains(path));
    for path in BEYOND_A_PLAN {
        let count = idle_in.len();
        idle_in.retain(|(idle, _)| idle != path);
        assert!(idle_in.len() < count, "{path} changes a plan");
    }
    assert_eq!(idle_in, []);
    assert!(working.len() > 80, "{}", working.len());
}

#[test]
fn every_field_that_is_marked_is_refused_with_its_example() {
    let mut wrong = Vec::new();
    for kind in BUILT {
        for field in tried(kind).filter(|it| !it.note.is_empty()) {
            let is_accepted = field.is_accepted() || field.works_in_part();
            for stored in Stored::ALL.into_iter().filter(|_| !is_accepted) {
                let mut lake = Lake::new(kind, stored);
                lake.prepare(&field.path, &field.example());
                lake.set(&field.path, field.example());
                let mistakes = lake.becomes().err().unwrap_or_default();
                if !names_it(&mistakes, &field.path) {
                    wrong.push(format!("{kind} {} {mistakes:?}", field.path));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_word_is_accepted_unless_its_field_says_that_it_is_not_built() {
    let mut wrong = Vec::new();
    for kind in BUILT {
        for field in tried(kind) {
            let refused = field.refused_words();
            for word in field.words() {
                let outcomes = Stored::ALL.map(|stored| {
                    let mut lake = Lake::new(kind, stored);
                    lake.prepare(&field.path, &json!(word));
                    lake.set(&field.path, json!(word));
                    lake.becomes()
                });
                let is_refused = outcomes
                    .iter()
                    .all(|it| matches!(it, Err(mistakes) if names_it(mistakes, &field.path)));
                let is_accepted = outcomes.iter().any(Result::is_ok);
                let is_right = match refused.contains(&word) {
                    true => is_refused,
                    false => is_accepted,
                };
                if !is_right {
                    let mistakes = outcomes.map(Result::err);
                    wrong.push(format!("{kind} {}: {word} {mistakes:?}", field.path));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_documented_default_is_what_a_resource_without_the_field_gets() {
    let mut wrong = Vec::new();
    let mut compared = 0;
    for kind in BUILT {
        for field in tried(kind).filter(|it| it.note.is_empty() || it.works_in_part()) {
            let Some(default) = field.default(kind) else {
                continue;
            };
            compared += 1;
            let mut accepted = 0;
            for stored in Stored::ALL {
                let mut lake = Lake::new(kind, stored);
                lake.prepare(&field.path, &default);
                lake.remove(&field.path);
                let without = lake.becomes();
                lake.set(&field.path, default.clone());
                let with = lake.becomes();
                accepted += usize::from(with.is_ok());
                if without != with && with.is_ok() {
                    wrong.push(format!("{kind} {}: {default}", field.path));
                }
            }
            if accepted == 0 {
                wrong.push(format!("{kind} {}: {default} is refused", field.path));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(compared > 90, "{compared}");
}

#[test]
fn no_default_hides_in_prose() {
    for kind in BUILT {
        for field in tried(kind).filter(|it| it.default(kind).is_none()) {
            let prose = field.said_default();
            let is_plain = !prose.contains(|c: char| c.is_ascii_digit() || c == '`');
            assert!(is_plain, "{kind} {}: {prose}", field.path);
        }
    }
}

#[test]
fn every_row_of_the_table_is_in_the_schema_and_in_the_manual() {
    let manual = manual();
    for row in UNBUILT {
        for kind in row.kinds {
            let names = row.field.split('.').filter(|name| !name.is_empty());
            let schema = names.fold(schema(*kind), |at, name| &at["properties"][name]);
            let text = schema["description"].as_str().unwrap_or_default();
            let note = text.split_inclusive(". ").next().unwrap().trim();
            assert!(note.starts_with(NOT_BUILT), "{kind} {}: {text}", row.field);
            assert!(manual.contains(&format!("**{note}**")), "{note}");
            match row.accepted {
                Accepted::Default => assert!(!schema["default"].is_null(), "{}", row.field),
                // An API server would write it into resources, which are then refused.
                Accepted::Nothing => assert!(schema["default"].is_null(), "{}", row.field),
                Accepted::Words(words) => {
                    let all = schema["enum"].as_array().unwrap();
                    assert!(words.iter().all(|word| all.contains(&json!(word))));
                    assert!(all.len() > words.len(), "{}", row.field);
                }
                Accepted::Everything => {}
            }
        }
    }
}

#[test]
fn the_kind_that_is_not_built_is_refused() {
    let manager = json!({ "domain": "lapwing", "sources": [{ "domain": "customer" }] });
    let mut lake = Lake::new(Kind::Saga, Stored::File);
    lake.add(Kind::ProcessManager, "lapwing", manager);
    let mistakes = lake.becomes().unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert!(mistakes[0].contains("ProcessManager is not built yet"));
    for field in fields(Kind::ProcessManager) {
        assert!(field.note.starts_with(NOT_BUILT), "{}", field.path);
    }
    let whole = schema(Kind::ProcessManager)["description"].as_str();
    assert!(whole.unwrap().starts_with(NOT_BUILT));
}

#[test]
fn a_field_that_says_that_it_is_accepted_is() {
    for row in UNBUILT {
        if row.accepted != Accepted::Everything {
            continue;
        }
        let field = fields(row.kinds[0]);
        let field = field.into_iter().find(|it| it.path == row.field).unwrap();
        let mut lake = Lake::new(row.kinds[0], Stored::File);
        lake.prepare(row.field, &field.example());
        let before = lake.becomes().unwrap();
        lake.set(row.field, field.example());
        assert_eq!(lake.becomes().unwrap(), before, "{}", row.field);
    }
}
