//! Which consumer, and which root of it, a request means.

use std::sync::Arc;

use angzarr_coordinator::consumer::Consumer;
use angzarr_coordinator::model::{ConsumerId, Domain, Edition, Root, StreamId};
use uuid::Uuid;

use super::refusal::Refusal;

/// How many parked roots are looked at together.
const PAGE: usize = 1_000;

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
            "say which consumer is meant, with --consumer or consumer=; this sidecar runs {}",
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

/// Finds the root of a consumer that is meant by `domain/root`, `domain/edition/root`, or the UUID of a parked root alone.
pub(super) async fn root(consumer: &Consumer, text: &str) -> Result<StreamId, Refusal> {
    let Ok(root) = Uuid::parse_str(text) else {
        return stream(text);
    };
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let listed = consumer.list_parked(after.as_ref(), PAGE).await?;
        let is_last = listed.len() < PAGE;
        after = listed.last().map(|(stream, _)| stream.clone());
        let streams = listed.into_iter().map(|(stream, _)| stream);
        found.extend(streams.filter(|stream| stream.root == Root(root)));
        if is_last {
            return only(root, found, &title(&consumer.snapshot().id));
        }
    }
}

/// The only parked root with a UUID; the same UUID may be a root of several domains.
fn only(root: Uuid, mut found: Vec<StreamId>, consumer: &str) -> Result<StreamId, Refusal> {
    match found.len() {
        0 => Err(Refusal::missing(format!(
            "{root} is not parked for {consumer}"
        ))),
        1 => Ok(found.remove(0)),
        _ => {
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            let found = found.join(", ");
            Err(Refusal::malformed(format!(
                "{root} may mean several roots; write one of {found}"
            )))
        }
    }
}

/// Reads a stream from `domain/root` or `domain/edition/root`; an edition may have slashes.
pub(super) fn stream(text: &str) -> Result<StreamId, Refusal> {
    let wrong = |why: &str| {
        Refusal::malformed(format!(
            "{text:?} names no root: {why}; write domain/root as the list shows it, such as order/6f2a0f7e-5e0b-4f0e-9a3e-2b1c5d7e8f90, or the UUID"
        ))
    };
    let Some((domain, rest)) = text.split_once('/') else {
        return Err(wrong("it is neither a UUID nor has it a domain"));
    };
    let (edition, root) = match rest.rsplit_once('/') {
        Some((edition, root)) => (Some(edition), root),
        None => (None, rest),
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
        for shown in [format!("heron/{root}"), format!("heron/a/b/{root}")] {
            assert_eq!(stream(&shown).unwrap().to_string(), shown);
        }
        let main = stream(&format!("heron/angzarr/{root}")).unwrap();
        assert_eq!(main.to_string(), format!("heron/{root}"));
        for wrong in ["heron", "heron/1", "He ron/x/y", "heron//", ""] {
            assert!(stream(wrong).is_err(), "{wrong} was accepted");
        }
    }

    #[test]
    fn a_uuid_alone_is_enough_unless_it_is_a_root_of_several_domains() {
        let root = Uuid::from_bytes([7; 16]);
        let [heron, fen] = ["heron", "fen"].map(|it| stream(&format!("{it}/{root}")).unwrap());
        assert_eq!(only(root, vec![heron.clone()], "saga/x"), Ok(heron.clone()));
        let none = only(root, Vec::new(), "saga/x").unwrap_err();
        assert_eq!(
            none,
            Refusal::missing(format!("{root} is not parked for saga/x"))
        );
        let several = only(root, vec![heron, fen], "saga/x").unwrap_err();
        let expected =
            format!("{root} may mean several roots; write one of heron/{root}, fen/{root}");
        assert_eq!(several, Refusal::malformed(expected));
    }
}
