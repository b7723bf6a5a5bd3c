//! The manual of the conditions as a page, which is `docs/conditions.md`.

use std::fmt::Write;

use super::manual::{Entry, Value};
use super::reasons::{Reason, Type};

/// The page, as Markdown.
pub fn manual() -> String {
    let mut page = String::from(
        "<!-- Generated from `operator/src/controller/manual.rs` by `make golden`. Change that, not this file. -->\n# Conditions\n\n\
         The operator says in `status.conditions` where a resource stands. `kubectl describe` shows them, `kubectl get` shows Ready and its reason,\n\
         and `angzarr why KIND/NAME -n NAMESPACE` walks over conditions and references to the cause and prints what to type next.\n\n\
         ## Types\n\n| type | meaning when True | reasons |\n|---|---|---|\n",
    );
    for kind in Type::ALL {
        let (name, meaning) = (kind.as_str(), kind.meaning());
        line(
            &mut page,
            &format!("| `{name}` | {meaning} | {} |", reasons_of(kind)),
        );
    }
    line(
        &mut page,
        "\n## Reasons\n\n| reason | seen in | meaning | what to do |\n|---|---|---|---|",
    );
    for reason in Reason::ALL {
        let Entry { seen, meaning, fix } = reason.entry();
        let seen = seen.iter().map(|(kind, value)| {
            let (kind, value) = (kind.as_str(), value.as_str());
            format!("`{kind}={value}`")
        });
        let seen = seen.collect::<Vec<_>>().join(", ");
        let (name, fix) = (reason.as_str(), fix.unwrap_or("Nothing."));
        line(
            &mut page,
            &format!("| `{name}` | {seen} | {meaning} | {fix} |"),
        );
    }
    page
}

/// The reasons of a type, by value.
fn reasons_of(kind: Type) -> String {
    let of = |value: Value| {
        let has = move |reason: &Reason| reason.entry().seen.contains(&(kind, value));
        let names: Vec<_> = Reason::ALL.into_iter().filter(has).collect();
        let names = names.iter().map(|it| format!("`{}`", it.as_str()));
        let names = names.collect::<Vec<_>>().join(", ");
        (!names.is_empty()).then(|| format!("{}: {names}", value.as_str()))
    };
    let parts: Vec<_> = Value::ALL.into_iter().filter_map(of).collect();
    parts.join("; ")
}

fn line(page: &mut String, line: &str) {
    // Writing into a String does not fail.
    let _ = writeln!(page, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_reason() {
        for kind in Type::ALL {
            assert!(!reasons_of(kind).is_empty(), "{kind:?}");
        }
    }
}
