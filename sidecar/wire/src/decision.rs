//! What an aggregate's logic is sent and what it returns.

use angzarr_coordinator::model::{
    Command, Decision, DecisionCover, DecisionPage, History, Sequence,
};
use angzarr_proto::v1;

use crate::append::encode_history;
use crate::command::encode_command;
use crate::field::{decode_payload, decode_timestamp};

/// Writes the call to the logic.
pub fn encode_contextual(history: &History, command: &Command) -> v1::ContextualCommand {
    v1::ContextualCommand {
        events: Some(encode_history(history, &command.correlation_id)),
        command: Some(encode_command(command)),
    }
}

/// Reads what the logic returned, unchecked; it is checked later, against the command.
pub fn decode_decision(book: v1::EventBook) -> Decision {
    let cover = book
        .cover
        .map_or_else(DecisionCover::default, |cover| DecisionCover {
            domain: set(cover.domain),
            root: cover.root.map(|root| root.value.to_vec()),
            edition: cover.edition,
            correlation_id: set(cover.correlation_id),
        });
    let pages = book.pages.into_iter().map(|page| DecisionPage {
        sequence: match page.sequence {
            Some(v1::event_page::Sequence::Num(num)) => Some(Sequence(num)),
            Some(v1::event_page::Sequence::Force(_)) | None => None,
        },
        created_at: page.created_at.map(decode_timestamp),
        payload: page.event.map(decode_payload),
    });
    Decision {
        cover,
        pages: pages.collect(),
        snapshot: book.snapshot_state.map(decode_payload),
    }
}

fn set(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
