//! Writing: each entry is judged whole before anything of it is kept.

use async_trait::async_trait;

use super::{ModelStore, State};
use crate::port::store::Error;
use crate::port::writer::{ConsumerSteps, Entry, Outcome, Writer};

impl State {
    fn write(&mut self, entry: Entry) -> Outcome {
        if let Some(name) = entry.steps().and_then(|steps| self.lost_lease(steps)) {
            return Outcome::Fenced { name };
        }
        let (outcome, steps) = match entry {
            Entry::Proposal(proposal) => (self.recorded.append(proposal), None),
            Entry::Both(proposal, steps) => (self.recorded.append(proposal), Some(steps)),
            Entry::Steps(steps) => (Outcome::Stepped, Some(steps)),
        };
        if let Some(steps) = steps.filter(|_| !outcome.is_refused()) {
            let consumer = self.consumers.entry(steps.consumer).or_default();
            steps.steps.into_iter().for_each(|step| consumer.take(step));
        }
        outcome
    }

    fn lost_lease(&self, steps: &ConsumerSteps) -> Option<String> {
        let name = steps.consumer.to_string();
        let current = self.leases.get(&name).map(|lease| lease.epoch);
        (current != Some(steps.epoch)).then_some(name)
    }
}

#[async_trait]
impl Writer for ModelStore {
    async fn write(&self, batch: Vec<Entry>) -> Result<Vec<Outcome>, Error> {
        let mut state = self.state();
        Ok(batch.into_iter().map(|entry| state.write(entry)).collect())
    }
}
