//! What an executor reports to its observer.

use std::time::Duration;

use super::{Error, Executor};
use crate::model::Executed;
use crate::port::observer::{CommandEnd, Limit};

impl Executor {
    pub(super) fn report_end(&self, result: &Result<Executed, Error>, took: Duration) {
        self.ports
            .observer
            .command_ended(&self.settings.domain, end(result), took);
    }

    /// Reports the sizes of the pages of a command or an answer, as far as they are near a limit.
    pub(super) fn report_pages(&self, sizes: impl ExactSizeIterator<Item = usize>) {
        self.report_use(Limit::AppendPages, sizes.len());
        let (mut largest, mut sum) = (0, 0);
        for size in sizes {
            largest = size.max(largest);
            sum += size;
        }
        self.report_use(Limit::PageBytes, largest);
        self.report_use(Limit::AppendBytes, sum);
    }

    /// Reports that so much of a limit is used, if that is near it.
    pub(super) fn report_use(&self, limit: Limit, used: usize) {
        let limits = &self.settings.limits;
        let most = match limit {
            Limit::PageBytes => limits.page_bytes,
            Limit::AppendBytes => limits.append_bytes,
            Limit::AppendPages => limits.append_pages,
            Limit::HistoryBytes => limits.history_bytes,
            Limit::InFlightPerRoot => limits.in_flight_per_root,
            Limit::InFlight => limits.in_flight,
        };
        if is_near(used, most) {
            self.ports
                .observer
                .limit_neared(&self.settings.domain, limit);
        }
    }
}

fn end(result: &Result<Executed, Error>) -> CommandEnd {
    match result {
        Ok(executed) if !executed.is_replayed => CommandEnd::Executed,
        Ok(_) => CommandEnd::Replayed,
        Err(
            Error::Invalid(_)
            | Error::ForeignDomain(_)
            | Error::KeyReused { .. }
            | Error::Unstorable(_),
        ) => CommandEnd::Invalid,
        Err(Error::Conflict { .. } | Error::Contended { .. }) => CommandEnd::Conflict,
        Err(Error::Refused(_)) => CommandEnd::Refused,
        Err(Error::Contract(_)) => CommandEnd::Contract,
        Err(Error::LogicUnavailable(_) | Error::StoreUnavailable(_)) => CommandEnd::Unavailable,
        Err(Error::Busy(_)) => CommandEnd::Busy,
        Err(Error::StoreFull) => CommandEnd::StoreFull,
        Err(Error::HistoryTooLarge { .. }) => CommandEnd::HistoryTooLarge,
        Err(Error::Late(_)) => CommandEnd::Late,
        Err(Error::Unknown(_)) => CommandEnd::Unknown,
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
