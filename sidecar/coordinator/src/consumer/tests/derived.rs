//! What requests become: ids and origin that depend on the trigger alone.

use proptest::prelude::*;

use super::super::derive::{Derived, derive, derive_name};
use super::outgoing::saga;
use super::script::command;
use super::world::{World, payload, stream};
use crate::model::*;
use crate::port::logic::Request;
use crate::port::progress::{Malformed, Step, Work};

#[test]
fn derived_ids_are_stable() {
    let world = saga();
    let append = world.append(1);
    let id = world.id();
    let name = derive_name(&id, &append, 0);
    assert_eq!(
        name, "80f4ef9ae6a50838da8436359bb67141a7ed06499eb70b0bf1033445a2df650e",
        "a change of this id would double commands that are under way"
    );
}

#[test]
fn derived_work_inherits_from_its_trigger_whatever_the_logic_says() {
    let world = saga();
    let append = world.append(1);
    let id = world.id();
    let mut other = command(100);
    other.stream.edition = Edition::Branch("other".into());
    let facts = Facts {
        stream: stream(101),
        correlation_id: CorrelationId::parse("other").unwrap(),
        events: vec![NewEvent {
            payload: payload("Fact"),
            created_at: Timestamp {
                seconds: 0,
                nanos: 0,
            },
            external: None,
        }],
        expected: None,
        trace_parent: None,
    };
    let Derived { outgoing, settled } = derive(
        &id,
        &append,
        vec![Request::Command(other), Request::Facts(facts)],
    );
    assert!(settled.is_empty());
    let Work::Command(command) = &outgoing[0].work else {
        panic!("{outgoing:?}")
    };
    assert_eq!(command.stream, stream(100));
    assert_eq!(command.correlation_id, append.correlation_id);
    assert_eq!(command.id.as_str(), outgoing[0].id.0);
    let Work::Facts(facts) = &outgoing[1].work else {
        panic!("{outgoing:?}")
    };
    assert_eq!(facts.correlation_id, append.correlation_id);
    let external = facts.events[0].external.as_ref().unwrap();
    assert_eq!(external.id.as_str(), format!("{}-0", outgoing[1].id.0));
}

#[test]
fn settled_steps_follow_the_work_that_they_settle() {
    let world = saga();
    let append = world.append(1);
    let malformed = Request::Malformed(Malformed {
        target: "x".into(),
        reason: "y".into(),
    });
    let id = world.id();
    let Derived { outgoing, settled } = derive(&id, &append, vec![malformed]);
    let Step::Settle { id, refusal } = &settled[0] else {
        panic!("{settled:?}")
    };
    assert_eq!((id, refusal.is_some()), (&outgoing[0].id, true));
}

proptest! {
    #[test]
    fn names_of_outgoing_work_differ_with_every_part(
        id in any::<u128>(), name in "[a-z]{1,20}", namespace in "[a-z]{1,20}", index in 0u32..1_000,
    ) {
        let world = World::new();
        let mut append = world.append(1);
        append.id = AppendId(uuid::Uuid::from_u128(id));
        let consumer = ConsumerId {
            namespace: namespace.as_str().into(),
            kind: ConsumerKind::Saga,
            name: name.as_str().into(),
        };
        let derived = derive_name(&consumer, &append, index);
        prop_assert_eq!(&derived, &derive_name(&consumer, &append, index));
        prop_assert_ne!(&derived, &derive_name(&consumer, &append, index + 1));
        let longer = ConsumerId { name: format!("{name}x").into(), ..consumer.clone() };
        prop_assert_ne!(&derived, &derive_name(&longer, &append, index));
        let shifted = ConsumerId { namespace: format!("{namespace}{name}").into(), name: "".into(), ..consumer.clone() };
        prop_assert_ne!(&derived, &derive_name(&shifted, &append, index));
        let other_kind = ConsumerId { kind: ConsumerKind::ProcessManager, ..consumer.clone() };
        prop_assert_ne!(&derived, &derive_name(&other_kind, &append, index));
        append.id = AppendId(uuid::Uuid::from_u128(id.wrapping_add(1)));
        prop_assert_ne!(&derived, &derive_name(&consumer, &append, index));
    }
}
