//! What became of the roots, counted, and the summary of it.

use std::fmt;

use angzarr_admin::shape::{Problem, Untouched};

use super::Action;
use crate::cli::table::Table;
use crate::cli::{Error, write_json};

/// The most different failures that the summary shows.
const SHOWN: usize = 20;

/// What became of all roots.
#[derive(Debug, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tally {
    replayed: usize,
    skipped: usize,
    failed: usize,
    gone: usize,
    changed: usize,
    failures: Vec<Failures>,
    /// Why the rest was not tried.
    pub(super) stopped: Option<String>,
    /// Where to go on, when the limit was reached.
    pub(super) next: Option<Place>,
}

/// The roots that failed in the same way.
#[derive(Debug, serde::Serialize)]
struct Failures {
    code: String,
    error: String,
    roots: usize,
    /// One of them.
    first: String,
}

/// A place in the list.
#[derive(Debug, serde::Serialize)]
pub(super) struct Place {
    pub(super) consumer: String,
    /// The last root of the consumer that was taken, if there was one.
    pub(super) after: Option<String>,
}

impl Tally {
    /// Whether a root was tried.
    pub(super) fn has_begun(&self) -> bool {
        self.tried() > 0
    }

    fn tried(&self) -> usize {
        self.replayed + self.skipped + self.failed + self.gone + self.changed
    }

    /// Counts a root that is back. What was skipped before and lacked only its replay counts as replayed.
    pub(super) fn count_back(&mut self, action: Action) {
        match action {
            Action::Replay => self.replayed += 1,
            Action::Skip => self.skipped += 1,
        }
    }

    /// Counts a root that was left alone.
    pub(super) fn count_untouched(&mut self, how: Untouched) {
        match how {
            Untouched::Gone => self.gone += 1,
            Untouched::Changed => self.changed += 1,
        }
    }

    /// Counts a root that stays parked.
    pub(super) fn count_failure(&mut self, root: &str, problem: Problem) {
        self.failed += 1;
        let Problem { code, error, .. } = problem;
        let known = self.failures.iter_mut();
        let mut known = known.filter(|it| it.code == code && it.error == error);
        if let Some(known) = known.next() {
            known.roots += 1;
        } else if self.failures.len() < SHOWN {
            // What does not fit was printed when it happened.
            self.failures.push(Failures {
                code,
                error,
                roots: 1,
                first: root.to_owned(),
            });
        }
    }

    /// The numbers, in a line.
    pub(super) fn counts(&self, action: Action) -> String {
        let Self {
            replayed,
            skipped,
            failed,
            gone,
            changed,
            ..
        } = self;
        let back = match action {
            Action::Replay => format!("replayed {replayed}"),
            Action::Skip => format!("skipped {skipped}, replayed {replayed}"),
        };
        format!("{back}, failed {failed}, gone {gone}, changed {changed}")
    }

    /// Writes the summary.
    pub(super) fn write(
        &self,
        action: Action,
        is_json: bool,
        out: &mut dyn fmt::Write,
    ) -> Result<(), Error> {
        if is_json {
            return write_json(out, self);
        }
        if !self.has_begun() && self.stopped.is_none() {
            writeln!(out, "Nothing that is parked matches.")?;
            return Ok(());
        }
        writeln!(out, "{}", self.counts(action))?;
        if !self.failures.is_empty() {
            let mut table = Table::new(["FAILED", "FIRST", "ERROR"]);
            for failures in &self.failures {
                let error = format!("{}: {}", failures.code, failures.error);
                table.push([failures.roots.to_string(), failures.first.clone(), error]);
            }
            write!(out, "\n{table}")?;
        }
        if let Some(Place { consumer, after }) = &self.next {
            let after = after.as_ref().map(|after| format!(" --after {after}"));
            let after = after.unwrap_or_default();
            writeln!(
                out,
                "The limit is reached; --consumer {consumer}{after} goes on from there."
            )?;
        }
        Ok(())
    }

    /// An error if something failed or was not tried.
    pub(super) fn judge(self) -> Result<(), Error> {
        let (failed, tried) = (self.failed, self.tried());
        match self.stopped {
            Some(why) => Err(Error::Stopped { tried, why }),
            None if failed > 0 => Err(Error::Failed { failed, tried }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(error: &str) -> Problem {
        Problem {
            code: "INTERNAL".to_owned(),
            error: error.to_owned(),
            untouched: None,
        }
    }

    #[test]
    fn failures_are_grouped_and_their_number_is_bounded() {
        let mut tally = Tally::default();
        for number in 0..50 {
            tally.count_failure(&format!("fen/{number}"), problem(&format!("pike {number}")));
        }
        tally.count_failure("fen/again", problem("pike 3"));
        let mut out = String::new();
        tally.write(Action::Replay, false, &mut out).unwrap();
        let lines: Vec<_> = out.lines().collect();
        assert_eq!(lines.len(), 3 + SHOWN, "{out}");
        assert_eq!(lines[0], "replayed 0, failed 51, gone 0, changed 0");
        assert_eq!(lines[6], "2       fen/3   INTERNAL: pike 3");
        let failed = tally.judge().unwrap_err().to_string();
        assert_eq!(failed, "51 of 51 roots failed and stay parked");
    }
}
