//! What an executor measures, with labels that are made ahead: a command allocates nothing for them.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};

use super::{Error, Limits};
use crate::model::{Domain, Executed};

struct Instruments {
    duration: Histogram<f64>,
    total: Counter<u64>,
    near: Counter<u64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter = global::meter("angzarr");
    Instruments {
        duration: meter
            .f64_histogram("angzarr.command.duration")
            .with_description("Commands and records from their arrival to a durable result or refusal, by outcome")
            .with_unit("s")
            .build(),
        total: meter
            .u64_counter("angzarr.command.total")
            .with_description("Commands and records, by outcome")
            .build(),
        near: meter
            .u64_counter("angzarr.limit.near.total")
            .with_description("Commands that used four fifths of a limit or more")
            .build(),
    }
});

/// What became of a command, as a label.
const OUTCOMES: [&str; 12] = [
    "ok",
    "replayed",
    "invalid",
    "conflict",
    "refused",
    "contract",
    "unavailable",
    "busy",
    "full",
    "too_large",
    "late",
    "unknown",
];

fn outcome(result: &Result<Executed, Error>) -> usize {
    match result {
        Ok(executed) if !executed.is_replayed => 0,
        Ok(_) => 1,
        Err(
            Error::Invalid(_)
            | Error::ForeignDomain(_)
            | Error::KeyReused { .. }
            | Error::Unstorable(_),
        ) => 2,
        Err(Error::Conflict { .. } | Error::Contended { .. }) => 3,
        Err(Error::Refused(_)) => 4,
        Err(Error::Contract(_)) => 5,
        Err(Error::LogicUnavailable(_) | Error::StoreUnavailable(_)) => 6,
        Err(Error::Busy(_)) => 7,
        Err(Error::StoreFull) => 8,
        Err(Error::HistoryTooLarge { .. }) => 9,
        Err(Error::Late(_)) => 10,
        Err(Error::Unknown(_)) => 11,
    }
}

/// The measurements of one domain.
pub(super) struct Measured {
    outcomes: [[KeyValue; 2]; OUTCOMES.len()],
    page_bytes: Watched,
    append_bytes: Watched,
    append_pages: Watched,
    history_bytes: Watched,
    in_flight_per_root: Watched,
    in_flight: Watched,
}

impl Measured {
    pub(super) fn new(domain: &Domain, limits: &Limits) -> Self {
        let watched = |name, limit| Watched {
            limit,
            labels: [label(domain), KeyValue::new("limit", name)],
        };
        Self {
            outcomes: OUTCOMES.map(|outcome| [label(domain), KeyValue::new("outcome", outcome)]),
            page_bytes: watched("pageBytes", limits.page_bytes),
            append_bytes: watched("appendBytes", limits.append_bytes),
            append_pages: watched("appendPages", limits.append_pages),
            history_bytes: watched("historyBytes", limits.history_bytes),
            in_flight_per_root: watched("inFlightPerRoot", limits.in_flight_per_root),
            in_flight: watched("inFlight", limits.in_flight),
        }
    }

    /// Notes what became of a command.
    pub(super) fn done(&self, result: &Result<Executed, Error>, took: Duration) {
        let labels = &self.outcomes[outcome(result)];
        INSTRUMENTS.duration.record(took.as_secs_f64(), labels);
        INSTRUMENTS.total.add(1, labels);
    }

    /// Notes the sizes of the pages of a command or an answer.
    pub(super) fn pages(&self, sizes: impl ExactSizeIterator<Item = usize>) {
        self.append_pages.note(sizes.len());
        let (mut largest, mut sum) = (0, 0);
        for size in sizes {
            largest = size.max(largest);
            sum += size;
        }
        self.page_bytes.note(largest);
        self.append_bytes.note(sum);
    }

    /// Notes the bytes of a history.
    pub(super) fn history(&self, bytes: usize) {
        self.history_bytes.note(bytes);
    }

    /// Notes how many commands are in flight in the domain.
    pub(super) fn in_flight(&self, commands: usize) {
        self.in_flight.note(commands);
    }

    /// Notes how many commands wait for one root.
    pub(super) fn waiting(&self, commands: usize) {
        self.in_flight_per_root.note(commands);
    }
}

fn label(domain: &Domain) -> KeyValue {
    KeyValue::new("domain", domain.to_shared())
}

/// A limit whose use is watched.
struct Watched {
    limit: usize,
    labels: [KeyValue; 2],
}

impl Watched {
    fn note(&self, used: usize) {
        if is_near(used, self.limit) {
            INSTRUMENTS.near.add(1, &self.labels);
        }
    }
}

fn is_near(used: usize, limit: usize) -> bool {
    used.saturating_mul(5) >= limit.saturating_mul(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_fifths_of_a_limit_are_near_it() {
        for (used, limit, expected) in [
            (0, 10, false),
            (7, 10, false),
            (8, 10, true),
            (11, 10, true),
            (usize::MAX, 10, true),
        ] {
            assert_eq!(is_near(used, limit), expected, "{used} of {limit}");
        }
    }
}
