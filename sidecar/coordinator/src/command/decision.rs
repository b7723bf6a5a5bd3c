//! Fills in what the logic left unset and refuses what it may not set otherwise. Pure.

use crate::model::{
    Command, Decision, DecisionCover, DecisionPage, Edition, NewEvent, Payload, Sequence, Snapshot,
    SnapshotVersion, StreamId, Timestamp,
};

use super::Limits;

/// The events and snapshot of a decision, ready to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) events: Vec<NewEvent>,
    pub(super) snapshot: Option<Snapshot>,
}

/// What a decision is checked against.
pub(super) struct Context<'a> {
    pub(super) command: &'a Command,
    pub(super) next_sequence: Sequence,
    pub(super) snapshot_version: SnapshotVersion,
    pub(super) now: Timestamp,
    pub(super) limits: &'a Limits,
}

/// Checks a decision; the error names the field that breaks the contract.
pub(super) fn check(decision: Decision, context: &Context<'_>) -> Result<Checked, String> {
    check_cover(&decision.cover, context.command)?;
    let events = check_pages(decision.pages, context)?;
    let end = context.next_sequence.plus(events.len());
    let snapshot = decision
        .snapshot
        .map(|state| check_snapshot(state, end, context))
        .transpose()?;
    Ok(Checked { events, snapshot })
}

fn check_pages(pages: Vec<DecisionPage>, context: &Context<'_>) -> Result<Vec<NewEvent>, String> {
    let limits = context.limits;
    if pages.len() > limits.append_pages {
        return Err(format!(
            "pages holds {} events, at most {} are allowed",
            pages.len(),
            limits.append_pages
        ));
    }
    let mut events = Vec::with_capacity(pages.len());
    let mut bytes = 0;
    for (index, page) in pages.into_iter().enumerate() {
        let event = check_page(page, context.next_sequence.plus(index), context)
            .map_err(|breach| format!("pages[{index}].{breach}"))?;
        bytes += event.size();
        events.push(event);
    }
    if bytes > limits.append_bytes {
        return Err(format!(
            "pages hold {bytes} bytes, at most {} are allowed",
            limits.append_bytes
        ));
    }
    Ok(events)
}

/// Checks a page that is to have the sequence `due`.
fn check_page(
    page: DecisionPage,
    due: Sequence,
    context: &Context<'_>,
) -> Result<NewEvent, String> {
    if let Some(found) = page.sequence.filter(|found| *found != due) {
        return Err(format!(
            "num is {}, the next sequence is {}",
            found.0, due.0
        ));
    }
    let payload = page.payload.ok_or("event is missing")?;
    check_type(&payload).map_err(|breach| format!("event.{breach}"))?;
    let size = payload.size();
    if size > context.limits.page_bytes {
        return Err(format!(
            "event has {size} bytes, at most {} are allowed",
            context.limits.page_bytes
        ));
    }
    if page.created_at.is_some_and(|at| !at.is_valid()) {
        return Err("created_at is not within the years 1 to 9999".to_owned());
    }
    Ok(NewEvent {
        payload,
        created_at: page.created_at.unwrap_or(context.now),
        external: None,
    })
}

/// A type is text from outside, which stores keep and people read.
fn check_type(payload: &Payload) -> Result<(), &'static str> {
    if payload.type_name().is_empty() {
        return Err("type_url is empty");
    }
    if payload.type_url.chars().any(char::is_control) {
        return Err("type_url has a control character");
    }
    Ok(())
}

/// Checks the state of a root that has the events before `end`.
fn check_snapshot(
    state: Payload,
    end: Sequence,
    context: &Context<'_>,
) -> Result<Snapshot, String> {
    let Some(last) = end.0.checked_sub(1) else {
        return Err("snapshot_state is set for a root without events".to_owned());
    };
    check_type(&state).map_err(|breach| format!("snapshot_state.{breach}"))?;
    if state.size() > context.limits.append_bytes {
        return Err(format!(
            "snapshot_state has {} bytes, at most {} are allowed",
            state.size(),
            context.limits.append_bytes
        ));
    }
    Ok(Snapshot {
        sequence: Sequence(last),
        version: context.snapshot_version,
        created_at: context.now,
        state,
    })
}

fn check_cover(cover: &DecisionCover, command: &Command) -> Result<(), String> {
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
            "cover.edition is {found:?}, the command is for {edition}"
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CommandId, CorrelationId, Domain, MergeStrategy, Root};

    const NOW: Timestamp = Timestamp {
        seconds: 1_700_000_000,
        nanos: 5,
    };

    fn payload(size: usize) -> Payload {
        Payload {
            type_url: "t/a.B".into(),
            value: vec![7; size].into(),
        }
    }

    fn page(sequence: Option<u32>) -> DecisionPage {
        DecisionPage {
            sequence: sequence.map(Sequence),
            created_at: None,
            payload: Some(payload(1)),
        }
    }

    fn command() -> Command {
        Command {
            stream: StreamId {
                domain: Domain::parse("till").unwrap(),
                edition: Edition::Main,
                root: Root::random(),
            },
            id: CommandId::parse("c-1").unwrap(),
            correlation_id: CorrelationId::parse("w-1").unwrap(),
            expected: Sequence(3),
            merge_strategy: MergeStrategy::Strict,
            pages: vec![payload(1)],
            origin: None,
            trace_parent: None,
        }
    }

    fn checked(decision: Decision, next: u32) -> Result<Checked, String> {
        let command = command();
        let limits = Limits {
            page_bytes: 200,
            append_bytes: 250,
            append_pages: 3,
            history_bytes: 1_000,
            in_flight_per_root: 1,
            in_flight: 1,
        };
        let context = Context {
            command: &command,
            next_sequence: Sequence(next),
            snapshot_version: SnapshotVersion(2),
            now: NOW,
            limits: &limits,
        };
        check(decision, &context)
    }

    fn with_pages(pages: Vec<DecisionPage>) -> Decision {
        Decision {
            pages,
            ..Decision::default()
        }
    }

    fn with_cover(cover: DecisionCover) -> Decision {
        Decision {
            cover,
            ..Decision::default()
        }
    }

    #[test]
    fn what_is_unset_is_filled_in() {
        let checked = checked(with_pages(vec![page(None), page(Some(4))]), 3).unwrap();
        assert_eq!(checked.events.len(), 2);
        assert_eq!(checked.events[0].created_at, NOW);
        assert_eq!(checked.snapshot, None);
    }

    #[test]
    fn an_empty_answer_is_a_success() {
        assert_eq!(
            checked(Decision::default(), 0),
            Ok(Checked {
                events: Vec::new(),
                snapshot: None
            })
        );
    }

    #[test]
    fn a_cover_that_differs_is_named() {
        assert_breaches([
            (
                with_cover(DecisionCover {
                    domain: Some("other".into()),
                    ..Default::default()
                }),
                "cover.domain",
            ),
            (
                with_cover(DecisionCover {
                    root: Some(vec![1; 16]),
                    ..Default::default()
                }),
                "cover.root",
            ),
            (
                with_cover(DecisionCover {
                    root: Some(vec![1; 15]),
                    ..Default::default()
                }),
                "cover.root",
            ),
            (
                with_cover(DecisionCover {
                    edition: Some("draft".into()),
                    ..Default::default()
                }),
                "cover.edition",
            ),
            (
                with_cover(DecisionCover {
                    correlation_id: Some("w-2".into()),
                    ..Default::default()
                }),
                "cover.correlation_id",
            ),
        ]);
    }

    #[test]
    fn a_page_that_differs_is_named() {
        assert_breaches([
            (with_pages(vec![page(Some(4))]), "pages[0].num"),
            (
                with_pages(vec![page(Some(3)), page(Some(5))]),
                "pages[1].num",
            ),
            (
                with_pages(vec![DecisionPage {
                    payload: None,
                    ..page(None)
                }]),
                "pages[0].event is missing",
            ),
            (
                with_pages(vec![DecisionPage {
                    payload: Some(payload(132)),
                    ..page(None)
                }]),
                "pages[0].event has",
            ),
            (
                with_pages(vec![
                    DecisionPage {
                        payload: Some(payload(80)),
                        ..page(None)
                    };
                    2
                ]),
                "pages hold",
            ),
            (with_pages(vec![page(None); 4]), "pages holds 4 events"),
            (
                with_pages(vec![DecisionPage {
                    created_at: Some(Timestamp {
                        seconds: 0,
                        nanos: -1,
                    }),
                    ..page(None)
                }]),
                "pages[0].created_at",
            ),
        ]);
    }

    #[track_caller]
    fn assert_breaches<const N: usize>(cases: [(Decision, &str); N]) {
        for (decision, field) in cases {
            let breach = checked(decision, 3).unwrap_err();
            assert!(breach.starts_with(field), "{breach} does not name {field}");
        }
    }

    #[test]
    fn a_type_without_a_name_or_with_control_characters_is_refused() {
        for type_url in ["", "t/", "t/a\0B", "t/a\nB"] {
            let odd = || Payload {
                type_url: type_url.into(),
                ..payload(1)
            };
            let event = DecisionPage {
                payload: Some(odd()),
                ..page(None)
            };
            let breach = checked(with_pages(vec![event]), 3).unwrap_err();
            assert!(breach.starts_with("pages[0].event.type_url"), "{breach}");
            let state = Decision {
                snapshot: Some(odd()),
                ..Decision::default()
            };
            let breach = checked(state, 3).unwrap_err();
            assert!(breach.starts_with("snapshot_state.type_url"), "{breach}");
        }
    }

    #[test]
    fn a_snapshot_is_the_state_after_the_events_of_its_answer() {
        let decision = Decision {
            pages: vec![page(None), page(None)],
            snapshot: Some(payload(9)),
            ..Decision::default()
        };
        let snapshot = checked(decision, 3).unwrap().snapshot.unwrap();
        assert_eq!(
            (snapshot.sequence, snapshot.version),
            (Sequence(4), SnapshotVersion(2))
        );
    }

    #[test]
    fn a_snapshot_may_stand_alone_but_not_before_the_first_event() {
        let decision = Decision {
            snapshot: Some(payload(9)),
            ..Decision::default()
        };
        assert_eq!(
            checked(decision.clone(), 3)
                .unwrap()
                .snapshot
                .unwrap()
                .sequence,
            Sequence(2)
        );
        assert!(
            checked(decision, 0)
                .unwrap_err()
                .starts_with("snapshot_state")
        );
    }
}
