//! What is encoded is decoded to the same, and what breaks the contract is named.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

use angzarr_coordinator::command::payload_hash;
use angzarr_coordinator::model::{
    Append, AppendId, Code, Command, CommandId, CorrelationId, Domain, Edition, Event, ExternalId,
    ExternalKey, Facts, History, Incarnation, MergeStrategy, NewEvent, Origin, Payload, Position,
    Projection, Root, Sequence, Snapshot, SnapshotVersion, StreamId, Timestamp,
};
use angzarr_coordinator::reaction::Reacted;
use angzarr_proto::v1;
use angzarr_wire::{
    Error, decode_command, decode_facts, decode_record, encode_command, encode_contextual,
    encode_facts, encode_reacted, encode_record,
};
use proptest::prelude::*;
use prost::Message;

const NOW: Timestamp = Timestamp {
    seconds: 1_700_000_000,
    nanos: 1,
};

fn payloads() -> impl Strategy<Value = Vec<Payload>> {
    let payload = (
        "[a-z]{1,9}(/[a-z.]{1,9})?",
        proptest::collection::vec(any::<u8>(), 0..40),
    )
        .prop_map(|(type_url, value)| Payload {
            type_url,
            value: value.into(),
        })
        .prop_filter("a type has a name", |payload| {
            !payload.type_name().is_empty()
        });
    proptest::collection::vec(payload, 1..5)
}

fn stream(root: [u8; 16]) -> StreamId {
    let root = Root::from_bytes(&root).unwrap();
    StreamId {
        domain: Domain::parse("till").unwrap(),
        edition: Edition::Main,
        root,
    }
}

fn origin(sequence: u32) -> Origin {
    Origin {
        component: "tidy".into(),
        trigger: stream([9; 16]),
        sequence: Sequence(sequence),
        index: 3,
    }
}

proptest! {
    #[test]
    fn a_command_comes_back_as_it_was(pages in payloads(), root: [u8; 16], expected: u32, strict: bool, from_saga: bool) {
        let command = Command {
            stream: stream(root),
            id: CommandId::parse("c-1").unwrap(),
            correlation_id: CorrelationId::parse("w-1").unwrap(),
            expected: Sequence(expected),
            merge_strategy: if strict { MergeStrategy::Strict } else { MergeStrategy::AggregateHandles },
            pages,
            origin: from_saga.then(|| origin(expected)),
            trace_parent: None,
        };
        prop_assert_eq!(decode_command(encode_command(&command)), Ok(command));
    }

    #[test]
    fn facts_come_back_as_they_were(pages in payloads(), root: [u8; 16], expected in proptest::option::of(0..1_000_000_u32)) {
        let events = pages.into_iter().enumerate().map(|(index, payload)| NewEvent {
            external: Some(ExternalKey { id: ExternalId::parse(&format!("x-{index}")).unwrap(), hash: payload_hash([&payload]) }),
            payload,
            created_at: NOW,
        });
        let facts = Facts {
            stream: stream(root),
            correlation_id: CorrelationId::parse("w-1").unwrap(),
            events: events.collect(),
            expected: expected.map(Sequence),
            trace_parent: None,
        };
        prop_assert_eq!(decode_facts(encode_facts(&facts), NOW), Ok(facts));
    }

    #[test]
    fn an_append_comes_back_as_it_was(pages in payloads(), root: [u8; 16], first in 0..1_000_u32, before in 0..1_000_u64) {
        let events: Vec<_> = pages.into_iter().enumerate().map(|(index, payload)| Event {
            sequence: Sequence(first).plus(index),
            position: Position(before + 1).plus(index),
            payload,
            created_at: NOW,
            external_id: None,
        }).collect();
        let append = Append {
            id: AppendId::random(),
            stream: stream(root),
            first_sequence: Sequence(first),
            last_position: Position(before).plus(events.len()),
            correlation_id: CorrelationId::parse("w-1").unwrap(),
            command_id: Some(CommandId::parse("c-1").unwrap()),
            trace_parent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
            events,
        };
        prop_assert_eq!(decode_record(encode_record(&append, Incarnation::random())), Ok(append));
    }
}

/// The most that numbers, times and ids take.
fn largest(payload: Payload) -> Event {
    Event {
        sequence: Sequence(u32::MAX - 1),
        position: Position(u64::MAX),
        payload,
        created_at: Timestamp {
            seconds: -62_135_596_800,
            nanos: 999_999_999,
        },
        external_id: Some(ExternalId::parse(&"é".repeat(100)).unwrap()),
    }
}

fn payload(bytes: usize) -> Payload {
    Payload {
        type_url: "type.googleapis.com/till.v1.Rung".into(),
        value: vec![7; bytes].into(),
    }
}

#[test]
fn a_history_and_its_command_take_in_a_message_what_limits_count_and_the_room_beside_it() {
    let stream = StreamId {
        domain: Domain::parse(&"d".repeat(63)).unwrap(),
        ..stream([255; 16])
    };
    let long = "i".repeat(200);
    for (count, bytes) in [(0, 0), (1, 1 << 20), (1_000, 3), (20, 200_000)] {
        let events: Vec<_> = (0..count).map(|_| largest(payload(bytes))).collect();
        let snapshot = Snapshot {
            sequence: Sequence(u32::MAX - 1),
            version: SnapshotVersion(u32::MAX),
            created_at: NOW,
            state: payload(bytes),
        };
        let counted = events.iter().map(Event::size).sum::<usize>() + snapshot.state.size();
        let history = History {
            stream: stream.clone(),
            snapshot: Some(snapshot),
            events,
            next_sequence: Sequence(u32::MAX),
        };
        let command = Command {
            stream: stream.clone(),
            id: CommandId::parse(&long).unwrap(),
            correlation_id: CorrelationId::parse(&long).unwrap(),
            expected: Sequence(u32::MAX),
            merge_strategy: MergeStrategy::AggregateHandles,
            pages: vec![payload(bytes); count],
            origin: Some(origin(u32::MAX)),
            trace_parent: None,
        };
        let pages: usize = command.pages.iter().map(Payload::size).sum();
        let message = encode_contextual(&history, &command).encoded_len();
        assert!(
            message <= counted + pages + 2_048,
            "{message} for {counted} and {pages}"
        );
    }
}

#[test]
fn a_projection_that_does_not_fit_is_an_error_of_its_projector() {
    let projection = |projector: &str, bytes| Projection {
        stream: stream([1; 16]),
        correlation_id: None,
        projector: projector.into(),
        sequence: Some(Sequence(1)),
        payload: Some(payload(bytes)),
    };
    let mut reacted = Reacted::default();
    for (name, bytes) in [("large", 700), ("larger", 900), ("small", 10)] {
        reacted.projections.push(projection(name, bytes));
        reacted.reached.push(name.into());
    }
    let mut response = v1::CommandResponse {
        receipt: Some(v1::Receipt::default()),
        ..v1::CommandResponse::default()
    };
    encode_reacted(reacted, &mut response, 1_500);
    assert!(response.encoded_len() <= 1_500);
    let sent: Vec<_> = response
        .projections
        .iter()
        .map(|it| &it.projector)
        .collect();
    assert_eq!(sent, ["large", "small"]);
    let [failure] = &response.reaction_errors[..] else {
        panic!("{:?}", response.reaction_errors)
    };
    assert_eq!(failure.component, "larger");
    assert_eq!(failure.code, Code::ResourceExhausted as i32);
    assert!(!failure.not_reached);
    assert_eq!(response.receipt.unwrap().consumers_reached.len(), 3);
}

fn book() -> v1::CommandBook {
    v1::CommandBook {
        cover: Some(v1::Cover {
            root: Some(v1::Uuid {
                value: vec![1; 16].into(),
            }),
            domain: "till".into(),
            ..v1::Cover::default()
        }),
        pages: vec![v1::CommandPage {
            command: Some(prost_types::Any {
                type_url: "t/a.B".into(),
                value: Vec::new(),
            }),
            ..v1::CommandPage::default()
        }],
        ..v1::CommandBook::default()
    }
}

fn field_of(book: v1::CommandBook) -> String {
    match decode_command(book) {
        Err(Error::Invalid { field, .. } | Error::Unsupported { field, .. }) => field,
        Ok(command) => panic!("accepted {command:?}"),
    }
}

#[test]
fn a_breach_is_named_by_its_field() {
    type Break = fn(&mut v1::CommandBook);
    let cases: [(Break, &str); 10] = [
        (|book| book.cover = None, "cover"),
        (
            |book| book.cover.as_mut().unwrap().root = None,
            "cover.root",
        ),
        (
            |book| book.cover.as_mut().unwrap().root.as_mut().unwrap().value = vec![1; 15].into(),
            "cover.root",
        ),
        (
            |book| book.cover.as_mut().unwrap().domain = "Till!".into(),
            "cover.domain",
        ),
        (
            |book| book.cover.as_mut().unwrap().edition = Some("draft".into()),
            "cover.edition",
        ),
        (|book| book.pages.clear(), "pages"),
        (|book| book.pages[0].command = None, "pages[0].command"),
        (
            |book| book.pages[0].merge_strategy = v1::MergeStrategy::Manual.into(),
            "pages[0].merge_strategy",
        ),
        (
            |book| book.pages[0].merge_strategy = 77,
            "pages[0].merge_strategy",
        ),
        (|book| book.command_id = "x".repeat(201), "command_id"),
    ];
    for (breach, field) in cases {
        let mut broken = book();
        breach(&mut broken);
        assert_eq!(field_of(broken), field);
    }
}

#[test]
fn pages_of_one_book_share_their_merge_strategy() {
    let mut mixed = book();
    mixed.pages.push(v1::CommandPage {
        merge_strategy: v1::MergeStrategy::Strict.into(),
        ..mixed.pages[0].clone()
    });
    assert_eq!(field_of(mixed), "pages[1].merge_strategy");
}

#[test]
fn a_repeat_without_correlation_id_gets_the_same_one() {
    let with_id = v1::CommandBook {
        command_id: "c-9".into(),
        ..book()
    };
    let first = decode_command(with_id.clone()).unwrap();
    assert_eq!(
        first.correlation_id,
        decode_command(with_id).unwrap().correlation_id
    );
    assert_ne!(
        first.correlation_id,
        decode_command(book()).unwrap().correlation_id
    );
}

#[test]
fn clients_are_strict_and_sagas_are_not_unless_they_say_so() {
    assert_eq!(
        decode_command(book()).unwrap().merge_strategy,
        MergeStrategy::Strict
    );
    let origin = v1::SagaCommandOrigin {
        saga_name: "tidy".into(),
        triggering_aggregate: book().cover,
        ..v1::SagaCommandOrigin::default()
    };
    let of_saga = v1::CommandBook {
        saga_origin: Some(origin),
        ..book()
    };
    assert_eq!(
        decode_command(of_saga).unwrap().merge_strategy,
        MergeStrategy::AggregateHandles
    );
}

#[test]
fn an_append_at_the_edge_of_the_numbers_is_refused() {
    let page = |num, position| v1::EventPage {
        sequence: Some(v1::event_page::Sequence::Num(num)),
        created_at: Some(prost_types::Timestamp::default()),
        event: Some(prost_types::Any::default()),
        position,
        ..v1::EventPage::default()
    };
    let cover = v1::Cover {
        correlation_id: "w".into(),
        ..book().cover.unwrap()
    };
    for pages in [
        vec![page(u32::MAX, 1)],
        vec![page(0, 0)],
        vec![page(0, u64::MAX), page(1, 1)],
        vec![page(0, 1), page(2, 2)],
    ] {
        let book = v1::EventBook {
            cover: Some(cover.clone()),
            pages,
            ..v1::EventBook::default()
        };
        assert!(angzarr_wire::decode_append(AppendId::random(), book).is_err());
    }
}

#[test]
fn a_response_tells_what_was_recorded() {
    let append = Append {
        id: AppendId::random(),
        stream: stream([3; 16]),
        first_sequence: Sequence(4),
        last_position: Position(9),
        correlation_id: CorrelationId::parse("w-1").unwrap(),
        command_id: None,
        trace_parent: None,
        events: Vec::new(),
    };
    let executed = angzarr_coordinator::model::Executed {
        append,
        is_replayed: true,
        known: vec![ExternalId::parse("x-1").unwrap()],
    };
    let identity = angzarr_coordinator::model::StoreIdentity {
        store_id: angzarr_coordinator::model::StoreId::random(),
        incarnation: Incarnation::random(),
    };
    let durability = angzarr_coordinator::port::store::Durability::Disk;
    let response = angzarr_wire::encode_executed(&executed, identity, durability);
    assert_eq!(response.events.unwrap().next_sequence, 4);
    let receipt = response.receipt.unwrap();
    assert_eq!((receipt.position, receipt.replayed), (9, true));
    assert_eq!(receipt.known_external_ids, ["x-1"]);
}
