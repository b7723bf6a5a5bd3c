//! What a saga's wishes become: commands and facts with ids that depend on the trigger alone.
//!
//! # Design
//! An id is the hash over the id of the answered append, the component and the place in the answer. The same append answered again, by another
//! replica or after a crash, gives the same ids, so that the target recognises a repeat. Random ids would need to be remembered before the first
//! answer is known.

use sha2::{Digest, Sha256};

use crate::command::payload_hash;
use crate::model::{
    Append, Code, Command, CommandId, ConsumerId, ExternalId, ExternalKey, Facts, Origin, Status,
};
use crate::port::logic::Wish;
use crate::port::progress::{Outgoing, OutgoingId, Step, Work};

/// Derives the outgoing work of an answer, and the settlement of what can never be sent.
pub(super) fn derive(
    consumer: &ConsumerId,
    append: &Append,
    wishes: Vec<Wish>,
) -> (Vec<Outgoing>, Vec<Step>) {
    let mut outgoing = Vec::with_capacity(wishes.len());
    let mut settled = Vec::new();
    for (index, wish) in (0u32..).zip(wishes) {
        let name = derive_name(consumer, append, index);
        let id = OutgoingId(name.clone());
        let work = match wish {
            Wish::Command(command) => {
                Work::Command(derive_command(consumer, append, index, command))
            }
            Wish::Facts(facts) => Work::Facts(derive_facts(append, &name, facts)),
            Wish::Malformed { target, reason } => {
                settled.push(Step::Settle {
                    id: id.clone(),
                    refusal: Some(refuse_malformed(&target, &reason)),
                });
                Work::Facts(nothing_for(append))
            }
        };
        outgoing.push(Outgoing {
            id,
            trigger: append.stream.clone(),
            work,
        });
    }
    (outgoing, settled)
}

/// The name of the work at a place of an answer: the hex digits of a hash, so always a valid id.
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

/// Stands for a wish that nothing can be made of: a record without facts, which is refused wherever it comes.
fn nothing_for(append: &Append) -> Facts {
    Facts {
        stream: append.stream.clone(),
        correlation_id: append.correlation_id.clone(),
        events: Vec::new(),
        expected: None,
        trace_parent: append.trace_parent.clone(),
    }
}

fn refuse_malformed(target: &str, reason: &str) -> Status {
    Status::new(
        Code::InvalidArgument,
        format!("the saga's answer for {target} cannot be executed: {reason}"),
    )
}
