//! Which consumer, and which root of it, a request means.

use std::sync::Arc;

use angzarr_coordinator::consumer::Consumer;
use angzarr_coordinator::model::{ConsumerId, Domain, Edition, Root, StreamId};
use uuid::Uuid;

use super::refusal::Refusal;

/// Finds the consumer that is meant by `name` or `kind/name`; without any, the only one there is.
pub(super) fn consumer<'a>(
    consumers: &'a [Arc<Consumer>],
    named: Option<&str>,
) -> Result<&'a Arc<Consumer>, Refusal> {
    let known: Vec<_> = consumers.iter().map(|it| it.snapshot().id).collect();
    pick(&known, named).map(|index| &consumers[index])
}

/// The name of a consumer for people: kind and name.
pub(super) fn title(id: &ConsumerId) -> String {
    format!("{}/{}", id.kind.as_str(), id.name)
}

fn pick(known: &[ConsumerId], named: Option<&str>) -> Result<usize, Refusal> {
    let meant: Vec<_> = (0..known.len())
        .filter(|index| {
            let id = &known[*index];
            named.is_none_or(|named| *id.name == *named || title(id) == named)
        })
        .collect();
    match (meant.as_slice(), named) {
        ([only], _) => Ok(*only),
        ([], None) => Err(Refusal::missing("this sidecar runs no consumer")),
        ([], Some(named)) => Err(Refusal::missing(format!(
            "this sidecar runs no consumer {named}; it runs {}",
            titles(known)
        ))),
        (_, None) => Err(Refusal::malformed(format!(
            "say which consumer is meant; this sidecar runs {}",
            titles(known)
        ))),
        (_, Some(named)) => Err(Refusal::malformed(format!(
            "{named} may mean several consumers; say its kind too: {}",
            titles(known)
        ))),
    }
}

fn titles(known: &[ConsumerId]) -> String {
    if known.is_empty() {
        return "none".to_owned();
    }
    known.iter().map(title).collect::<Vec<_>>().join(", ")
}

/// Reads a stream from `domain/root` or `domain/edition/root`.
pub(super) fn stream(text: &str) -> Result<StreamId, Refusal> {
    let wrong = |why: &str| {
        Refusal::malformed(format!(
            "{text:?} names no root: {why}; write domain/root, such as order/6f2a0f7e-5e0b-4f0e-9a3e-2b1c5d7e8f90"
        ))
    };
    let parts: Vec<_> = text.split('/').collect();
    let (domain, edition, root) = match parts.as_slice() {
        [domain, root] => (domain, None, root),
        [domain, edition, root] => (domain, Some(*edition), root),
        _ => return Err(wrong("it has not two or three parts")),
    };
    Ok(StreamId {
        domain: Domain::parse(domain).map_err(|rule| wrong(&rule.to_string()))?,
        edition: Edition::parse(edition).map_err(|rule| wrong(&rule.to_string()))?,
        root: Root(Uuid::parse_str(root).map_err(|_| wrong("the root is not a UUID"))?),
    })
}

#[cfg(test)]
mod tests {
    use angzarr_coordinator::model::ConsumerKind;

    use super::*;

    fn id(kind: ConsumerKind, name: &str) -> ConsumerId {
        ConsumerId {
            namespace: "fen".into(),
            kind,
            name: name.into(),
        }
    }

    #[test]
    fn a_consumer_is_found_by_name_or_by_kind_and_name() {
        let known = [
            id(ConsumerKind::Projector, "ledger"),
            id(ConsumerKind::Saga, "ledger"),
            id(ConsumerKind::Saga, "refund"),
        ];
        assert_eq!(pick(&known, Some("refund")), Ok(2));
        assert_eq!(pick(&known, Some("saga/ledger")), Ok(1));
        assert_eq!(pick(&known[2..], None), Ok(0));
        assert!(pick(&known, Some("ledger")).is_err());
        assert!(pick(&known, Some("saga/other")).is_err());
        assert!(pick(&known, None).is_err());
        assert!(pick(&[], None).is_err());
    }

    #[test]
    fn a_stream_is_read_back_from_how_it_is_shown() {
        let root = "6f2a0f7e-5e0b-4f0e-9a3e-2b1c5d7e8f90";
        let short = stream(&format!("heron/{root}")).unwrap();
        assert_eq!(short, stream(&short.to_string()).unwrap());
        for wrong in ["heron", "heron/1", "He ron/x/y", &format!("a/b/c/{root}")] {
            assert!(stream(wrong).is_err(), "{wrong} was accepted");
        }
    }
}
