//! The conditions that come from what sidecars say.

use super::look::{Answer, Asked, Lag, Reach, Said};
use super::manual::Value;
use super::reasons::{Reason, Type};

/// The content of a condition.
pub(super) type Told = (Value, Reason, String);

/// What the sidecars of pods say together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answers<'a>(pub(super) &'a [Asked]);

impl Answers<'_> {
    /// The condition of a type; `None` while a pod was not asked yet, which leaves it as it is.
    pub(super) fn tell(self, kind: Type) -> Option<Told> {
        match kind {
            Type::RoutingSynced => self.routing(),
            Type::LogicReachable => self.logic(),
            Type::CaughtUp => self.caught_up(),
            Type::StorageReachable => self.storage(),
            Type::Stalled
            | Type::Reconciling
            | Type::Ready
            | Type::Suspended
            | Type::Paused
            | Type::Accepted
            | Type::ReferencesResolved
            | Type::WorkloadAvailable
            | Type::WorkloadUpToDate
            | Type::SchemaReady => None,
        }
    }

    /// How far the consumer is behind, if it acts in one of the pods.
    pub(super) fn lag(self) -> Option<Lag> {
        self.said().filter_map(|(_, said)| said.lag.clone()).max()
    }

    /// The identity of the store.
    pub(super) fn store_id(self) -> Option<String> {
        self.said().find_map(|(_, said)| said.store_id.clone())
    }

    /// What is wrong with the store of a sidecar that should have the one of an id.
    pub(super) fn other_store(self, expected: Option<&str>) -> Option<String> {
        self.said().find_map(|(pod, said)| {
            if let Some(sentence) = &said.other_store {
                return Some(format!("pod {pod}: {sentence}"));
            }
            let (found, expected) = (said.store_id.as_deref()?, expected?);
            (found != expected).then(|| {
                format!(
                    "pod {pod} works with the store {found}, and the store {expected} is expected"
                )
            })
        })
    }

    fn ready(self) -> Vec<Asked> {
        let ready = self.0.iter().filter(|it| it.is_ready);
        ready.cloned().collect()
    }

    fn routing(self) -> Option<Told> {
        let ready = self.ready();
        let ready_only = Answers(&ready);
        if !ready_only.are_all_asked() {
            return None;
        }
        let (routed, all) = (ready.iter().filter(|it| it.is_routed).count(), ready.len());
        let counted = format!("acknowledged {routed}/{all}");
        if let Some(silence) = ready_only.silence() {
            return Some(unverifiable(format!("{counted}; {silence}")));
        }
        if ready.is_empty() {
            return Some(unverifiable("no pod is ready".to_owned()));
        }
        if routed == all {
            return Some((Value::True, Reason::Acknowledged, counted));
        }
        let error = ready_only.said().find_map(|(pod, said)| {
            Some(format!(
                "{counted}; pod {pod}: {}",
                said.routing_error.as_ref()?
            ))
        });
        Some((Value::False, Reason::Pending, error.unwrap_or(counted)))
    }

    /// While pods are ready, the logic of a new one that starts is no trouble.
    fn logic(self) -> Option<Told> {
        let ready = self.ready();
        let looked_at = if ready.is_empty() {
            self
        } else {
            Answers(&ready)
        };
        let fine = (Reason::LogicAnswers, "the logic answers its sidecar");
        looked_at.reach(|said| &said.logic, fine, Reason::LogicUnreachable)
    }

    fn storage(self) -> Option<Told> {
        let fine = (Reason::StorageAnswers, "the storage answers the sidecars");
        self.reach(|said| &said.store, fine, Reason::StorageUnreachable)
    }

    /// What sidecars say of something that they reach or not; one that does not outweighs the others.
    fn reach(
        self,
        of: impl Fn(&Said) -> &Reach,
        (reason, sentence): (Reason, &str),
        trouble: Reason,
    ) -> Option<Told> {
        let unreachable = self.said().find_map(|(pod, said)| match of(said) {
            Reach::Unreachable(why) => Some(format!("pod {pod}: {why}")),
            Reach::Unknown | Reach::Reachable => None,
        });
        if let Some(sentence) = unreachable {
            return Some((Value::False, trouble, sentence));
        }
        if !self.are_all_asked() {
            return None;
        }
        if self.said().any(|(_, said)| *of(said) == Reach::Reachable) {
            return Some((Value::True, reason, sentence.to_owned()));
        }
        let silence = self.silence();
        Some(unverifiable(silence.unwrap_or_else(|| {
            "no sidecar has tried to reach it yet".to_owned()
        })))
    }

    fn caught_up(self) -> Option<Told> {
        if let Some(lag) = self.lag() {
            let sentence = format!("{lag} events behind");
            return Some(if lag.is_caught_up {
                (Value::True, Reason::CaughtUp, sentence)
            } else {
                (Value::False, Reason::Lagging, sentence)
            });
        }
        if !self.are_all_asked() {
            return None;
        }
        let silence = self.silence();
        Some(unverifiable(
            silence.unwrap_or_else(|| "no pod reads events for it".to_owned()),
        ))
    }

    fn are_all_asked(self) -> bool {
        self.0.iter().all(|it| it.answer.is_some())
    }

    fn said(&self) -> impl Iterator<Item = (&str, &Said)> {
        self.0.iter().filter_map(|it| match &it.answer {
            Some(Answer::Said(said)) => Some((it.pod.as_str(), &**said)),
            Some(Answer::Silent(_)) | None => None,
        })
    }

    /// Why the first pod that does not answer does not.
    fn silence(self) -> Option<String> {
        self.0.iter().find_map(|it| match &it.answer {
            Some(Answer::Silent(why)) => Some(format!("pod {}: {why}", it.pod)),
            Some(Answer::Said(_)) | None => None,
        })
    }
}

fn unverifiable(sentence: String) -> Told {
    (Value::Unknown, Reason::Unverifiable, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, is_ready: bool, logic: Reach) -> Asked {
        Asked {
            pod: name.to_owned(),
            is_ready,
            is_routed: is_ready,
            answer: Some(Answer::Said(Box::new(Said {
                is_routed: is_ready,
                routing_error: None,
                logic,
                store: Reach::Unknown,
                store_id: None,
                other_store: None,
                lag: None,
            }))),
        }
    }

    fn told(asked: &[Asked], kind: Type) -> Option<(Value, Reason)> {
        let told = Answers(asked).tell(kind);
        told.map(|(value, reason, _)| (value, reason))
    }

    #[test]
    fn a_pod_that_starts_is_no_trouble_while_another_serves() {
        let away = || Reach::Unreachable("nobody listens".to_owned());
        let new = pod("new", false, away());
        let alone = told(std::slice::from_ref(&new), Type::LogicReachable);
        assert_eq!(alone, Some((Value::False, Reason::LogicUnreachable)));
        let both = [pod("old", true, Reach::Reachable), new];
        let beside = told(&both, Type::LogicReachable);
        assert_eq!(beside, Some((Value::True, Reason::LogicAnswers)));
        let routing = told(&both, Type::RoutingSynced);
        assert_eq!(routing, Some((Value::True, Reason::Acknowledged)));
    }

    #[test]
    fn a_pod_that_was_not_asked_yet_leaves_a_condition_as_it_is() {
        let mut asked = [pod("nest", true, Reach::Reachable)];
        asked[0].answer = None;
        for kind in [Type::RoutingSynced, Type::LogicReachable, Type::CaughtUp] {
            assert_eq!(told(&asked, kind), None, "{kind:?}");
        }
    }
}
