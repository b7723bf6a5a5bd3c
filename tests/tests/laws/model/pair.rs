//! The model and a store: both get the same calls, and all results are compared.

use std::collections::BTreeMap;
use std::fmt::Debug;

use angzarr_coordinator::port::store::{Error, Store as Ports};
use angzarr_coordinator::port::writer::Proposal;
use angzarr_coordinator::testkit::store::{Bench, Model};
use proptest::test_runner::TestCaseError;

use super::operation::{CONSUMERS, Epoch, OfConsumer, Operation};

pub(crate) type Checked = Result<(), TestCaseError>;

/// A limit that is never reached.
pub(crate) const ALL: usize = 1 << 20;

/// A store and the model.
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

    /// Applies a whole history, then compares all stored state, before and after a restart.
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

    /// Leases are released first, since the effect of a restart on held ones depends on how many processes may open the store.
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

/// The two results must be equal; errors are compared by their message.
pub(crate) fn same<T: PartialEq + Debug>(
    model: Result<T, Error>,
    store: Result<T, Error>,
) -> Checked {
    let (model, store) = (said(model), said(store));
    if model == store {
        return Ok(());
    }
    let differ = format!("the model returned {model:#?}, the store {store:#?}");
    Err(TestCaseError::fail(differ))
}

fn said<T>(answer: Result<T, Error>) -> Result<T, String> {
    answer.map_err(|error| error.to_string())
}

/// A result that must be present.
pub(crate) fn present<T>(answer: Result<T, Error>) -> Result<T, TestCaseError> {
    said(answer).map_err(TestCaseError::fail)
}
