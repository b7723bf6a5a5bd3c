//! Fills in what the logic left unset and refuses what it may not set otherwise. Pure.

use crate::model::{
    Answer, AnswerCover, Command, Edition, NewEvent, Sequence, Snapshot, SnapshotVersion, StreamId,
    Timestamp,
};

use super::Limits;

/// The events and snapshot of an answer, ready to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) events: Vec<NewEvent>,
    pub(super) snapshot: Option<Snapshot>,
}

/// What an answer is checked against.
pub(super) struct Context<'a> {
    pub(super) command: &'a Command,
    pub(super) next_sequence: Sequence,
    pub(super) snapshot_version: SnapshotVersion,
    pub(super) now: Timestamp,
    pub(super) limits: &'a Limits,
}

/// Checks an answer; the error names the field that breaks the contract.
pub(super) fn check(answer: Answer, context: &Context<'_>) -> Result<Checked, String> {
    check_cover(&answer.cover, context.command)?;
    let limits = context.limits;
    if answer.pages.len() > limits.append_pages {
        return Err(format!(
            "pages holds {} events, at most {} are allowed",
            answer.pages.len(),
            limits.append_pages
        ));
    }
    let mut events = Vec::with_capacity(answer.pages.len());
    let mut bytes = 0;
    for (index, page) in answer.pages.into_iter().enumerate() {
        let due = context.next_sequence.plus(index);
        if let Some(found) = page.sequence.filter(|found| *found != due) {
            return Err(format!(
                "pages[{index}].num is {}, the next sequence is {}",
                found.0, due.0
            ));
        }
        let payload = page
            .payload
            .ok_or_else(|| format!("pages[{index}].event is missing"))?;
        if payload.type_name().is_empty() {
            return Err(format!("pages[{index}].event.type_url is empty"));
        }
        if payload.size() > limits.page_bytes {
            return Err(format!(
                "pages[{index}].event has {} bytes, at most {} are allowed",
                payload.size(),
                limits.page_bytes
            ));
        }
        bytes += payload.size();
        events.push(NewEvent {
            payload,
            created_at: page.created_at.unwrap_or(context.now),
            external: None,
        });
    }
    if bytes > limits.append_bytes {
        return Err(format!(
            "pages hold {bytes} bytes, at most {} are allowed",
            limits.append_bytes
        ));
    }
    let end = context.next_sequence.plus(events.len());
    let snapshot = answer.snapshot.map(|state| (state, end.0.checked_sub(1)));
    let snapshot = match snapshot {
        None => None,
        Some((_, None)) => return Err("snapshot_state is set for a root without events".to_owned()),
        Some((state, Some(_))) if state.size() > limits.append_bytes => {
            return Err(format!(
                "snapshot_state has {} bytes, at most {} are allowed",
                state.size(),
                limits.append_bytes
            ));
        }
        Some((state, Some(last))) => Some(Snapshot {
            sequence: Sequence(last),
            version: context.snapshot_version,
            created_at: context.now,
            state,
        }),
    };
    Ok(Checked { events, snapshot })
}

fn check_cover(cover: &AnswerCover, command: &Command) -> Result<(), String> {
    let StreamId {
        domain,
        edition,
        root,
    } = &command.stream;
    if let Some(found) = cover
        .domain
        .as_deref()
        .filter(|found| *found != domain.as_str())
    {
        return Err(format!(
            "cover.domain is {found:?}, the command is for {domain}"
        ));
    }
    if cover
        .root
        .as_deref()
        .is_some_and(|found| found != root.as_bytes())
    {
        return Err(format!("cover.root is not {root}, the root of the command"));
    }
    let other_edition = |found: &&str| Edition::parse(Some(found)).as_ref() != Ok(edition);
    if let Some(found) = cover.edition.as_deref().filter(other_edition) {
        return Err(format!(
            "cover.edition is {found:?}, the command is for {}",
            edition.as_str()
        ));
    }
    if let Some(found) = cover
        .correlation_id
        .as_deref()
        .filter(|found| *found != command.correlation_id.as_str())
    {
        return Err(format!(
            "cover.correlation_id is {found:?}, the command has {}",
            command.correlation_id
        ));
    }
    Ok(())
}
