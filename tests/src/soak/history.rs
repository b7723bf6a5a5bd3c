//! The operations and results of a test, and whether they are linearizable.
//!
//! # Design
//! The log itself is the claimed order, so checking linearizability needs no search: an operation that ended before another began must come before it. An
//! operation with an unknown outcome never ends, so it may be anywhere after its beginning, or missing.

use std::collections::BTreeMap;
use std::time::Instant;

/// The outcome of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was acknowledged with its events.
    Acknowledged {
        /// The sequences of its events.
        sequences: Vec<u32>,
        /// The position of the last event.
        position: u64,
    },
    /// It was refused and no attempt has an unknown outcome: nothing is stored.
    Refused,
    /// It may have taken effect, or may do so later.
    Unknown,
}

/// A command, with all attempts under its id.
#[derive(Debug, Clone)]
pub struct Attempted {
    /// The number of its root.
    pub root: u8,
    /// Its id.
    pub id: String,
    /// The number of events that it requests.
    pub events: usize,
    /// When it was first sent.
    pub began: Instant,
    /// The time of its first reply.
    pub ended: Instant,
    /// Its outcome.
    pub outcome: Outcome,
}

/// A read of a whole stream.
#[derive(Debug, Clone)]
pub struct Read {
    /// The number of its root.
    pub root: u8,
    /// The number of events that it saw.
    pub events: usize,
    /// The time of the request.
    pub began: Instant,
    /// The time of the reply.
    pub ended: Instant,
}

/// All operations and results.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The commands.
    pub commands: Vec<Attempted>,
    /// The external ids of the facts that were acknowledged.
    pub facts: Vec<String>,
    /// The reads.
    pub reads: Vec<Read>,
}

impl History {
    /// Adds another history.
    pub fn extend(&mut self, other: Self) {
        self.commands.extend(other.commands);
        self.facts.extend(other.facts);
        self.reads.extend(other.reads);
    }

    /// The number of commands that were acknowledged, refused, or have an unknown outcome.
    pub fn outcomes(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for command in &self.commands {
            let kind = match command.outcome {
                Outcome::Acknowledged { .. } => 0,
                Outcome::Refused => 1,
                Outcome::Unknown => 2,
            };
            counts[kind] += 1;
        }
        counts
    }
}

/// The place of a command in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The number of its root.
    pub root: u8,
    /// The sequence of its first event.
    pub first: u32,
    /// The number of its events.
    pub events: usize,
    /// The position of its last event.
    pub position: u64,
}

/// An operation with a place in a claimed order.
#[derive(Debug, Clone)]
struct Point {
    place: u64,
    began: Instant,
    ended: Option<Instant>,
    what: String,
}

/// Lists all operations that are placed before an operation that had ended when they began.
fn contradictions(mut points: Vec<Point>) -> Vec<String> {
    points.sort_by_key(|point| point.place);
    let mut found = Vec::new();
    let mut latest: Option<Point> = None;
    for point in points {
        if let (Some(before), Some(ended)) = (&latest, point.ended)
            && ended < before.began
        {
            found.push(format!(
                "{} ended before {} began, but is placed after it",
                point.what, before.what
            ));
        }
        if latest
            .as_ref()
            .is_none_or(|latest| latest.began < point.began)
        {
            latest = Some(point);
        }
    }
    found
}

/// Lists commands and reads that contradict the sequences of the streams.
pub fn unexplained_in_streams(history: &History, log: &BTreeMap<String, Placed>) -> Vec<String> {
    let mut roots: BTreeMap<u8, Vec<Point>> = BTreeMap::new();
    for (command, placed) in placed(history, log) {
        // A read that saw only the first of two events is placed between them.
        roots.entry(placed.root).or_default().push(Point {
            place: u64::from(placed.first) * 2 + 1,
            ..point(command)
        });
    }
    for read in &history.reads {
        roots.entry(read.root).or_default().push(Point {
            place: read.events as u64 * 2,
            began: read.began,
            ended: Some(read.ended),
            what: format!("a read of {} events of root {}", read.events, read.root),
        });
    }
    roots.into_values().flat_map(contradictions).collect()
}

/// Lists commands that contradict the order of positions, over all roots.
pub fn unexplained_in_log(history: &History, log: &BTreeMap<String, Placed>) -> Vec<String> {
    let points = placed(history, log).map(|(command, placed)| Point {
        place: placed.position,
        ..point(command)
    });
    contradictions(points.collect())
}

fn placed<'a>(
    history: &'a History,
    log: &'a BTreeMap<String, Placed>,
) -> impl Iterator<Item = (&'a Attempted, &'a Placed)> {
    let commands = history.commands.iter();
    commands.filter_map(|command| Some((command, log.get(&command.id)?)))
}

fn point(command: &Attempted) -> Point {
    let ended = match command.outcome {
        Outcome::Acknowledged { .. } => Some(command.ended),
        Outcome::Refused | Outcome::Unknown => None,
    };
    Point {
        place: 0,
        began: command.began,
        ended,
        what: command.id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Builds a history of one root from (id, began, ended or unknown, first sequence), and its log.
    fn history_of(
        start: Instant,
        commands: &[(&str, u64, Option<u64>, u32)],
    ) -> (History, BTreeMap<String, Placed>) {
        let at = |tick| start + Duration::from_millis(tick);
        let mut history = History::default();
        let mut log = BTreeMap::new();
        for (id, began, ended, first) in commands {
            let position = u64::from(*first) + 1;
            history.commands.push(Attempted {
                root: 1,
                id: (*id).to_owned(),
                events: 1,
                began: at(*began),
                ended: at(ended.unwrap_or(*began)),
                outcome: ended.map_or(Outcome::Unknown, |_| Outcome::Acknowledged {
                    sequences: vec![*first],
                    position,
                }),
            });
            let placed = Placed {
                root: 1,
                first: *first,
                events: 1,
                position,
            };
            log.insert((*id).to_owned(), placed);
        }
        (history, log)
    }

    fn read(start: Instant, events: usize, began: u64, ended: u64) -> Read {
        let at = |tick| start + Duration::from_millis(tick);
        Read {
            root: 1,
            events,
            began: at(began),
            ended: at(ended),
        }
    }

    #[test]
    fn overlapping_commands_may_have_any_order() {
        let (history, log) = history_of(
            Instant::now(),
            &[("a", 0, Some(5), 1), ("b", 1, Some(4), 0)],
        );
        assert_eq!(unexplained_in_streams(&history, &log), [""; 0]);
        assert_eq!(unexplained_in_log(&history, &log), [""; 0]);
    }

    #[test]
    fn a_command_that_ended_before_another_began_must_precede_it() {
        let (history, log) = history_of(
            Instant::now(),
            &[("a", 0, Some(2), 1), ("b", 3, Some(4), 0)],
        );
        assert_eq!(unexplained_in_streams(&history, &log).len(), 1);
        assert_eq!(unexplained_in_log(&history, &log).len(), 1);
    }

    #[test]
    fn an_unknown_command_may_be_late_but_not_precede_ended_ones() {
        let start = Instant::now();
        let (history, log) = history_of(start, &[("a", 0, None, 1), ("b", 3, Some(4), 0)]);
        assert_eq!(unexplained_in_streams(&history, &log), [""; 0]);
        let (history, log) = history_of(start, &[("a", 0, Some(2), 1), ("b", 3, None, 0)]);
        assert_eq!(unexplained_in_streams(&history, &log).len(), 1);
    }

    #[test]
    fn a_read_sees_all_ended_commands_and_no_later_ones() {
        let start = Instant::now();
        let (mut history, log) = history_of(start, &[("a", 0, Some(2), 0), ("b", 9, Some(10), 1)]);
        history.reads = vec![read(start, 1, 3, 4)];
        assert_eq!(unexplained_in_streams(&history, &log), [""; 0]);
        history.reads = vec![read(start, 0, 3, 4)];
        assert_eq!(unexplained_in_streams(&history, &log).len(), 1);
        history.reads = vec![read(start, 2, 3, 4)];
        assert_eq!(unexplained_in_streams(&history, &log).len(), 1);
    }
}
