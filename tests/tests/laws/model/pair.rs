//! The model beside a store: both are asked the same, and every answer is compared.

use std::collections::BTreeMap;
use std::fmt::Debug;

use angzarr_coordinator::port::store::{Error, Store as Ports};
use angzarr_coordinator::port::writer::Proposal;
use angzarr_coordinator::testkit::store::{Bench, Model};
use proptest::test_runner::TestCaseError;

use super::operation::{CONSUMERS, Epoch, OfConsumer, Operation};

pub(crate) type Checked = Result<(), TestCaseError>;

/// A limit that nothing reaches.
pub(crate) const ALL: usize = 1 << 20;

/// A store beside the model.
pub(crate) struct Pair {
    model: Model,
    store: Box<dyn Bench>,
    /// The epochs granted to each consumer, by the model and by the store.
    pub(crate) epochs: BTreeMap<u8, Vec<(u64, u64)>>,
    pub(crate) last_batch: Vec<Proposal>,
    pub(crate) appends: u128,
}

impl Pair {
    pub(crate) fn new(store: Box<dyn Bench>) -> Self {
        Self {
            model: Model::new(),
            store,
            epochs: BTreeMap::new(),
            last_batch: Vec::new(),
            appends: 0,
        }
    }

    /// Applies a whole history, then compares all that is left of it, before and after a restart.
    pub(crate) async fn run(&mut self, history: &[Operation]) -> Checked {
        for operation in history {
            match operation {
                Operation::OfLog(call) => self.ask_log(call).await?,
                Operation::OfConsumer(consumer, call) => self.ask_for(*consumer, call).await?,
                Operation::Restart => self.restart().await?,
            }
        }
        self.compare_all().await?;
        self.restart().await?;
        self.compare_all().await
    }

    /// The ports of the model and of the store.
    pub(crate) fn both(&self) -> (Ports, Ports) {
        (self.model.ports(), self.store.ports())
    }

    /// Leases are given back first: what a restart does to held ones depends on how many processes may open the store.
    async fn restart(&mut self) -> Checked {
        for consumer in 0..CONSUMERS {
            let epoch = Epoch::Current;
            self.ask_for(consumer, &OfConsumer::Release { epoch })
                .await?;
        }
        self.model.reopen().await;
        self.store.reopen().await;
        Ok(())
    }

    async fn compare_all(&mut self) -> Checked {
        self.compare_log().await?;
        for consumer in 0..CONSUMERS {
            self.compare_consumer(consumer).await?;
        }
        Ok(())
    }
}

/// The two answers must be equal; an error is compared by its sentence.
pub(crate) fn same<T: PartialEq + Debug>(
    model: Result<T, Error>,
    store: Result<T, Error>,
) -> Checked {
    let (model, store) = (said(model), said(store));
    if model == store {
        return Ok(());
    }
    let differ = format!("the model answers {model:#?}, the store {store:#?}");
    Err(TestCaseError::fail(differ))
}

fn said<T>(answer: Result<T, Error>) -> Result<T, String> {
    answer.map_err(|error| error.to_string())
}

/// An answer that must be there.
pub(crate) fn present<T>(answer: Result<T, Error>) -> Result<T, TestCaseError> {
    said(answer).map_err(TestCaseError::fail)
}
