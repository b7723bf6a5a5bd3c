//! The conditions of an EventStore.

use angzarr_admin::prepared::Failure;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{Answers, Outcome, Reason, Report, Seen, Type, Value};

/// What is known of the tables of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::controller) enum Tables {
    /// Nothing looks at them.
    Unwatched,
    /// They are made or migrated.
    Migrated,
    /// They are as they must be.
    Verified,
    /// The Job has not ended.
    Pending(String),
    /// The Job fails.
    Failed(Failure, String),
}

/// The conditions of an EventStore, the most important first.
pub(in crate::controller) fn store_conditions(seen: &Seen, tables: &Tables) -> Vec<Condition> {
    let mut report = Report::new(seen);
    report.stalled();
    report.stalled_by(tables);
    report.reconciling_by(tables);
    report.usable(tables);
    report.paused();
    report.accepted();
    if report.unresolved.is_some() {
        report.references();
    }
    report.storage(tables);
    report.schema(tables);
    report.conditions
}

impl Report<'_> {
    fn has(&self, kind: Type) -> bool {
        let mut all = self.conditions.iter();
        all.any(|it| it.type_ == kind.as_str())
    }

    fn stalled_by(&mut self, tables: &Tables) {
        if self.has(Type::Stalled) {
            return;
        }
        if let Tables::Failed(failure, sentence) = tables {
            let reason = match failure {
                Failure::Unreachable => return,
                Failure::Outdated => Reason::SchemaOutdated,
                Failure::OtherStore => Reason::StoreIdentityChanged,
                Failure::Refused => Reason::SchemaFailed,
            };
            self.add(Type::Stalled, true, reason, sentence.clone());
        }
    }

    fn reconciling_by(&mut self, tables: &Tables) {
        let sentence = match tables {
            Tables::Pending(sentence) | Tables::Failed(Failure::Unreachable, sentence) => sentence,
            _ => return,
        };
        if !self.has(Type::Stalled) {
            let reason = Reason::SchemaPending;
            self.add(Type::Reconciling, true, reason, sentence.clone());
        }
    }

    /// A store that was usable stays so while its tables are prepared for something newer.
    fn usable(&mut self, tables: &Tables) {
        if !matches!(self.seen.outcome, Outcome::Applied { .. }) {
            return self.unknown_ready();
        }
        let is_prepared = match tables {
            Tables::Unwatched | Tables::Migrated | Tables::Verified => true,
            Tables::Pending(_) | Tables::Failed(..) => false,
        };
        let before = self.serving_before();
        if !is_prepared && before.is_none() {
            let sentence = "its tables are not prepared yet";
            return self.add(Type::Ready, false, Reason::SchemaPending, sentence);
        }
        let sentence = "components can use it";
        self.add(Type::Ready, true, Reason::Serving, sentence);
        if let (false, Some(ready)) = (is_prepared, self.conditions.last_mut()) {
            ready.observed_generation = before;
        }
    }

    /// What sidecars say of the storage; until one can tell, what the Job found.
    fn storage(&mut self, tables: &Tables) {
        let kind = Type::StorageReachable;
        let told = Answers(self.seen.asked).tell(kind);
        let can_tell = told
            .as_ref()
            .is_some_and(|(value, _, _)| *value != Value::Unknown);
        match tables {
            Tables::Failed(Failure::Unreachable, sentence) if !can_tell => {
                let reason = Reason::StorageUnreachable;
                self.add(kind, false, reason, sentence.clone());
            }
            Tables::Failed(..) if !can_tell => {
                let sentence = "the storage answers the Job of the tables";
                self.add(kind, true, Reason::StorageAnswers, sentence);
            }
            _ => self.answers(kind),
        }
    }

    fn schema(&mut self, tables: &Tables) {
        let (is_ready, reason, sentence) = match tables {
            Tables::Unwatched => return,
            Tables::Migrated => (true, Reason::Migrated, "the tables are migrated"),
            Tables::Verified => (true, Reason::Verified, "the tables are as they must be"),
            Tables::Pending(sentence) | Tables::Failed(Failure::Unreachable, sentence) => {
                (false, Reason::SchemaPending, sentence.as_str())
            }
            Tables::Failed(Failure::Outdated, sentence) => {
                (false, Reason::SchemaOutdated, sentence.as_str())
            }
            Tables::Failed(Failure::OtherStore | Failure::Refused, sentence) => {
                (false, Reason::SchemaFailed, sentence.as_str())
            }
        };
        self.add(Type::SchemaReady, is_ready, reason, sentence);
    }
}
