//! What a saga's requests become: commands and facts with ids that depend on the trigger alone.
//!
//! # Design
//! An id is the hash over the id of the append, the component and the place among its requests. The same append handled again, by another
//! replica or after a crash, gives the same ids, so that the target recognises a repeat. Random ids would need to be remembered before the first
//! reply is known.

use sha2::{Digest, Sha256};

use crate::command::payload_hash;
use crate::model::{
    Append, Command, CommandId, ConsumerId, ExternalId, ExternalKey, Facts, Origin,
};
use crate::port::logic::Request;
use crate::port::progress::{Outgoing, OutgoingId, Step, Work};

/// What the requests of one reaction become.
#[derive(Debug, Default)]
pub(super) struct Derived {
    /// The work to send, in order.
    pub(super) outgoing: Vec<Outgoing>,
    /// The settlement of those that can never be sent.
    pub(super) settled: Vec<Step>,
}

/// Derives the outgoing work of a reaction.
pub(super) fn derive(consumer: &ConsumerId, append: &Append, requests: Vec<Request>) -> Derived {
    let mut outgoing = Vec::with_capacity(requests.len());
    let mut settled = Vec::new();
    for (index, request) in (0u32..).zip(requests) {
        let name = derive_name(consumer, append, index);
        let id = OutgoingId(name.clone());
        let work = match request {
            Request::Command(command) => {
                Work::Command(derive_command(consumer, append, index, command))
            }
            Request::Facts(facts) => Work::Facts(derive_facts(append, &name, facts)),
            Request::Malformed(malformed) => {
                settled.push(Step::Settle {
                    id: id.clone(),
                    refusal: Some(malformed.refusal().to_stored()),
                });
                Work::Malformed(malformed)
            }
        };
        outgoing.push(Outgoing {
            id,
            trigger: append.stream.clone(),
            work,
        });
    }
    Derived { outgoing, settled }
}

/// The name of the work at a place among the requests: the hex digits of a hash, so always a valid id.
pub(super) fn derive_name(consumer: &ConsumerId, append: &Append, index: u32) -> String {
    let mut hash = Sha256::new();
    hash.update(append.id.as_bytes());
    for part in [
        &*consumer.namespace,
        consumer.kind.as_str(),
        &*consumer.name,
    ] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(index.to_be_bytes());
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn derive_command(
    consumer: &ConsumerId,
    append: &Append,
    index: u32,
    mut command: Command,
) -> Command {
    let name = derive_name(consumer, append, index);
    command.id = CommandId::parse(&name).expect("64 hex digits are a command id");
    command.stream.edition = append.stream.edition.clone();
    command.correlation_id = append.correlation_id.clone();
    command.trace_parent = append.trace_parent.clone();
    command.origin = Some(Origin {
        component: consumer.name.to_string(),
        trigger: append.stream.clone(),
        sequence: append.first_sequence,
        index,
    });
    command
}

fn derive_facts(append: &Append, name: &str, mut facts: Facts) -> Facts {
    for (place, event) in facts.events.iter_mut().enumerate() {
        let id = ExternalId::parse(&format!("{name}-{place}"))
            .expect("hex digits and a number are an external id");
        event.external = Some(ExternalKey {
            id,
            hash: payload_hash([&event.payload]),
        });
    }
    facts.stream.edition = append.stream.edition.clone();
    facts.correlation_id = append.correlation_id.clone();
    facts.trace_parent = append.trace_parent.clone();
    facts
}
