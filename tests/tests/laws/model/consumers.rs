//! Operations on a consumer: progress, backlog and leases. Epochs and places only need to ascend, so each side gets its own.

use std::time::Duration;

use angzarr_coordinator::model::ConsumerId;
use angzarr_coordinator::port::backlog::{WorkHead, WorkState};
use angzarr_coordinator::port::leases::Grant;
use angzarr_coordinator::port::store::Store as Ports;
use angzarr_coordinator::port::writer::{ConsumerSteps, Entry, Proposal};
use proptest::test_runner::TestCaseError;

use super::operation::{DOMAINS, Epoch, OfConsumer, STREAMS, StepOf};
use super::pair::{ALL, Checked, Pair, present, same};
use super::words;

impl Pair {
    pub(crate) async fn ask_for(&mut self, consumer: u8, call: &OfConsumer) -> Checked {
        let (model, store) = self.both();
        let id = words::consumer(consumer);
        match call {
            OfConsumer::OpenSource { domain, at } => {
                let (domain, start) = (words::domain(*domain), words::cursor(*at));
                let expected = model.progress.open_source(&id, &domain, start).await;
                let answered = store.progress.open_source(&id, &domain, start).await;
                same(expected, answered)
            }
            OfConsumer::ReadProgress => self.read_progress(consumer).await,
            OfConsumer::Write {
                epoch,
                steps,
                cause,
                beside,
            } => {
                let cause = self.propose(cause.as_slice()).await?.pop();
                let beside = self.propose(beside).await?;
                let written = Written {
                    steps,
                    cause,
                    beside,
                };
                self.write(consumer, *epoch, written).await
            }
            OfConsumer::ListWork { skip, limit } => self.list_work(consumer, *skip, *limit).await,
            OfConsumer::ListParked { after, limit } => {
                let after = after.map(words::stream);
                let expected = model.backlog.list_parked(&id, after.as_ref(), *limit).await;
                let answered = store.backlog.list_parked(&id, after.as_ref(), *limit).await;
                same(expected, answered)
            }
            OfConsumer::ReadWork { work } => {
                let work = words::work_id(*work);
                let ids = vec![work.clone(), words::work_id(0), work];
                let expected = model.backlog.read_work(&id, ids.clone()).await;
                same(expected, store.backlog.read_work(&id, ids).await)
            }
            OfConsumer::Acquire { holder, is_over } => {
                self.acquire(consumer, *holder, *is_over).await
            }
            OfConsumer::Renew { epoch } => {
                let (of_model, of_store) = self.epoch(consumer, *epoch);
                let (name, ttl) = (id.to_string(), words::ttl(false));
                let expected = model.leases.renew(&name, of_model, ttl).await;
                same(expected, store.leases.renew(&name, of_store, ttl).await)
            }
            OfConsumer::Release { epoch } => {
                let (of_model, of_store) = self.epoch(consumer, *epoch);
                let name = id.to_string();
                let expected = model.leases.release(&name, of_model).await;
                same(expected, store.leases.release(&name, of_store).await)
            }
        }
    }

    /// Reads all state of a consumer.
    pub(crate) async fn compare_consumer(&mut self, consumer: u8) -> Checked {
        self.read_progress(consumer).await?;
        self.list_work(consumer, 0, ALL).await?;
        let (after, limit) = (None, ALL);
        self.ask_for(consumer, &OfConsumer::ListParked { after, limit })
            .await
    }

    async fn read_progress(&self, consumer: u8) -> Checked {
        let (model, store) = self.both();
        let id = words::consumer(consumer);
        for domain in (0..DOMAINS).map(words::domain) {
            let expected = model.progress.read_source(&id, &domain).await;
            same(expected, store.progress.read_source(&id, &domain).await)?;
        }
        let streams: Vec<_> = (0..STREAMS).rev().map(words::stream).collect();
        let expected = model.progress.read_roots(&id, streams.clone()).await;
        same(expected, store.progress.read_roots(&id, streams).await)
    }

    async fn write(&self, consumer: u8, epoch: Epoch, written: Written<'_>) -> Checked {
        let (model, store) = self.both();
        let (of_model, of_store) = self.epoch(consumer, epoch);
        let expected = model.writer.write(written.batch(consumer, of_model)).await;
        same(
            expected,
            store.writer.write(written.batch(consumer, of_store)).await,
        )
    }

    async fn list_work(&self, consumer: u8, skip: usize, limit: usize) -> Checked {
        let (model, store) = self.both();
        let id = words::consumer(consumer);
        let expected = work(&model, &id, skip, limit).await?;
        same(Ok(expected), Ok(work(&store, &id, skip, limit).await?))
    }

    async fn acquire(&mut self, consumer: u8, holder: u8, is_over: bool) -> Checked {
        let (model, store) = self.both();
        let name = words::consumer(consumer).to_string();
        let (holder, ttl) = (words::holder(holder), words::ttl(is_over));
        let expected = present(model.leases.acquire(&name, holder, ttl).await)?;
        let answered = present(store.leases.acquire(&name, holder, ttl).await)?;
        let granted = self.epochs.entry(consumer).or_default();
        match (&expected, &answered) {
            (Grant::Granted { epoch: of_model }, Grant::Granted { epoch: of_store }) => {
                let former = granted.last().map_or(0, |(_, of_store)| *of_store);
                if *of_store <= former {
                    let sunk = format!("epoch {of_store} was granted after {former}");
                    return Err(TestCaseError::fail(sunk));
                }
                granted.push((*of_model, *of_store));
                Ok(())
            }
            _ => same(Ok(expected), Ok(answered)),
        }
    }

    /// An epoch as granted by the model and by the store.
    fn epoch(&self, consumer: u8, which: Epoch) -> (u64, u64) {
        let granted = self.epochs.get(&consumer).map_or(&[][..], Vec::as_slice);
        let back = match which {
            Epoch::Current => 0,
            Epoch::Former(grants) => usize::from(grants),
            Epoch::NeverGranted => return (1 << 40, 1 << 40),
        };
        let at = granted.len().checked_sub(1 + back);
        at.map_or((0, 0), |at| granted[at])
    }
}

/// Steps, with the events of the same entry and the entries beside it.
struct Written<'a> {
    steps: &'a [StepOf],
    cause: Option<Proposal>,
    beside: Vec<Proposal>,
}

impl Written<'_> {
    fn batch(&self, consumer: u8, epoch: u64) -> Vec<Entry> {
        let steps = ConsumerSteps {
            consumer: words::consumer(consumer),
            epoch,
            steps: self.steps.iter().map(words::step).collect(),
        };
        let entry = match &self.cause {
            Some(cause) => Entry::Both(cause.clone(), steps),
            None => Entry::Steps(steps),
        };
        let beside = self.beside.iter().cloned().map(Entry::Proposal);
        std::iter::once(entry).chain(beside).collect()
    }
}

/// Heads of waiting and of refused work after the first `skip` of each, without places and sizes, which differ between stores, and with times rounded
/// to hours.
async fn work(
    ports: &Ports,
    consumer: &ConsumerId,
    skip: usize,
    limit: usize,
) -> Result<Vec<WorkHead>, TestCaseError> {
    let backlog = &ports.backlog;
    let mut all = Vec::new();
    for state in [WorkState::Waiting, WorkState::Refused] {
        let before = present(backlog.list_work(consumer, state, 0, skip).await)?;
        let after = before.last().map_or(0, |head| head.place);
        let listed = present(backlog.list_work(consumer, state, after, limit).await)?;
        if !listed.is_sorted_by(|a, b| a.place < b.place) {
            return Err(TestCaseError::fail("places do not ascend"));
        }
        all.extend(listed.into_iter().map(|head| WorkHead {
            place: 0,
            bytes: 0,
            may_land_for: head.may_land_for.map(to_hours),
            ..head
        }));
    }
    Ok(all)
}

fn to_hours(time: Duration) -> Duration {
    const HALF: Duration = Duration::from_mins(30);
    Duration::from_hours((time + HALF).as_secs() / 3_600)
}
