//! Lists of resources, as `kubectl` reads them.

use angzarr_crds::{GROUP, Kind};
use serde_json::{Map, Value};

/// The end of the name of a list's kind.
const LIST: &str = "List";

/// A list without its items.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoItems {
    /// The kind of the list.
    pub(super) kind: String,
}

/// The resources of a document: the document itself, or the items of the lists in it, at every depth. An item without a kind has that of its list,
/// such as Aggregate in an AggregateList.
pub(super) fn unfold(document: Value) -> Result<Vec<Value>, NoItems> {
    let mut found = Vec::new();
    add(document, &mut found)?;
    Ok(found)
}

fn add(value: Value, found: &mut Vec<Value>) -> Result<(), NoItems> {
    let Value::Object(mut object) = value else {
        found.push(value);
        return Ok(());
    };
    match object.remove("items") {
        Some(Value::Array(items)) => {
            for mut item in items {
                inherit(&mut item, &object);
                add(item, found)?;
            }
            Ok(())
        }
        Some(_) | None if must_be_list(&object) => Err(NoItems {
            kind: word(&object, "kind").to_owned(),
        }),
        // A field of that name means nothing in a resource that is no list.
        items => {
            object.extend(items.map(|items| ("items".to_owned(), items)));
            found.push(Value::Object(object));
            Ok(())
        }
    }
}

fn word<'a>(object: &'a Map<String, Value>, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or("")
}

/// Whether a resource is a list by its kind; kinds of other groups may end in `List` without being one.
fn must_be_list(object: &Map<String, Value>) -> bool {
    let kind = word(object, "kind");
    let is_of_ours = word(object, "apiVersion").split('/').next() == Some(GROUP);
    let item = kind.strip_suffix(LIST);
    item.is_some_and(|item| item.is_empty() || (is_of_ours && Kind::parse(item).is_some()))
}

fn inherit(item: &mut Value, list: &Map<String, Value>) {
    let Some(kind) = word(list, "kind").strip_suffix(LIST) else {
        return;
    };
    let Value::Object(item) = item else {
        return;
    };
    if kind.is_empty() || !word(item, "kind").is_empty() {
        return;
    }
    item.insert("kind".to_owned(), kind.into());
    item.insert("apiVersion".to_owned(), word(list, "apiVersion").into());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_are_unfolded_at_every_depth() {
        let (egg, nest) = (json!({"kind": "Egg"}), json!({"kind": "Nest", "items": 3}));
        let inner = json!({"kind": "List", "items": [egg, {"kind": "Any", "items": [nest]}]});
        let document = json!({"kind": "List", "items": [inner, []]});
        assert_eq!(unfold(document).unwrap(), [egg, nest, json!([])]);
        assert!(
            unfold(json!({"kind": "List", "items": []}))
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn an_item_without_a_kind_has_that_of_its_list() {
        let version = "angzarr.io/v1alpha1";
        let list = json!({"apiVersion": version, "kind": "SagaList", "items": [{"spec": 1}]});
        let saga = json!({"apiVersion": version, "kind": "Saga", "spec": 1});
        assert_eq!(unfold(list).unwrap(), [saga]);
    }

    #[test]
    fn a_list_without_items_is_a_mistake_unless_its_kind_is_of_others() {
        let of = |version: &str, kind: &str| json!({"apiVersion": version, "kind": kind});
        for (version, kind) in [("v1", "List"), ("angzarr.io/v1alpha1", "SagaList")] {
            let kind_of_list = kind.to_owned();
            assert_eq!(
                unfold(of(version, kind)),
                Err(NoItems { kind: kind_of_list })
            );
        }
        let other = of("pond.example/v1", "BlockList");
        assert_eq!(unfold(other.clone()).unwrap(), [other]);
    }
}
