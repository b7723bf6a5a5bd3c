//! Operations on the log and the catalogue.

use std::collections::BTreeMap;

use angzarr_coordinator::model::{Position, Sequence, StreamId};
use angzarr_coordinator::port::log::{Load, PartitionRead, StreamRead};
use angzarr_coordinator::port::writer::{Entry, Proposal};
use proptest::test_runner::TestCaseError;

use super::operation::{DOMAINS, LoadOf, OfLog, Propose, STREAMS};
use super::pair::{ALL, Checked, Pair, present, same};
use super::words;

fn whole(stream: StreamId) -> StreamRead {
    StreamRead {
        stream,
        from: Sequence::FIRST,
        after: Position::ORIGIN,
        limit: ALL,
    }
}

impl Pair {
    pub(crate) async fn ask_log(&mut self, call: &OfLog) -> Checked {
        match call {
            OfLog::Append(proposals) => self.append(proposals).await,
            OfLog::Repeat => self.send(self.last_batch.clone()).await,
            OfLog::Load(loads) => self.load(loads.iter().map(words::load).collect()).await,
            OfLog::ReadStream {
                stream,
                from,
                after,
                limit,
            } => {
                self.read_stream(StreamRead {
                    stream: words::stream(*stream),
                    from: Sequence(*from),
                    after: Position(*after),
                    limit: *limit,
                })
                .await
            }
            OfLog::ReadPartition {
                domain,
                after,
                limit,
            } => self.read_partition(*domain, *after, *limit).await,
            OfLog::ListRoots {
                domain,
                after,
                limit,
            } => self.list_roots(*domain, *after, *limit).await,
            OfLog::ReadCorrelated {
                domain,
                correlation,
                after,
                limit,
            } => {
                self.read_correlated(*domain, *correlation, *after, *limit)
                    .await
            }
        }
    }

    /// Reads everything.
    pub(crate) async fn compare_log(&self) -> Checked {
        for stream in 0..STREAMS {
            self.read_stream(whole(words::stream(stream))).await?;
            let load = |version| {
                words::load(&LoadOf {
                    expected: None,
                    stream,
                    key: None,
                    version,
                    through: None,
                    limit: ALL,
                })
            };
            self.load([None, Some(0), Some(1)].map(load).to_vec())
                .await?;
        }
        for domain in 0..DOMAINS {
            self.read_partition(domain, 0, ALL).await?;
            self.list_roots(domain, None, ALL).await?;
        }
        Ok(())
    }

    async fn append(&mut self, proposals: &[Propose]) -> Checked {
        let batch = self.propose(proposals).await?;
        self.last_batch.clone_from(&batch);
        self.send(batch).await
    }

    /// Makes proposals of one batch: what is relative in them is so to the streams as they are, and to the proposals before.
    pub(crate) async fn propose(
        &mut self,
        proposals: &[Propose],
    ) -> Result<Vec<Proposal>, TestCaseError> {
        let mut batch = Vec::new();
        let mut lengths = BTreeMap::new();
        for propose in proposals {
            let length = match lengths.get(&propose.stream) {
                Some(length) => *length,
                None => self.length(words::stream(propose.stream)).await?,
            };
            self.appends += 1;
            let proposal = words::proposal(propose, length, self.appends);
            let more = u32::try_from(proposal.events.len()).unwrap();
            lengths.insert(propose.stream, length + more);
            batch.push(proposal);
        }
        Ok(batch)
    }

    async fn length(&self, stream: StreamId) -> Result<u32, TestCaseError> {
        let (model, _) = self.both();
        let appends = present(model.log.read_stream(whole(stream)).await)?;
        Ok(appends.last().map_or(0, |append| append.next_sequence().0))
    }

    async fn send(&self, batch: Vec<Proposal>) -> Checked {
        let (model, store) = self.both();
        let batch: Vec<_> = batch.into_iter().map(Entry::Proposal).collect();
        let expected = model.writer.write(batch.clone()).await;
        same(expected, store.writer.write(batch).await)
    }

    async fn load(&self, loads: Vec<Load>) -> Checked {
        let (model, store) = self.both();
        for load in loads {
            let expected = model.log.load(load.clone()).await;
            same(expected, store.log.load(load).await)?;
        }
        Ok(())
    }

    async fn read_stream(&self, read: StreamRead) -> Checked {
        let (model, store) = self.both();
        let expected = model.log.read_stream(read.clone()).await;
        same(expected, store.log.read_stream(read).await)
    }

    async fn read_partition(&self, domain: u8, after: u64, limit: usize) -> Checked {
        let (model, store) = self.both();
        let read = PartitionRead {
            domain: words::domain(domain),
            after: Position(after),
            limit,
        };
        let expected = model.log.read_partition(read.clone()).await;
        same(expected, store.log.read_partition(read).await)
    }

    async fn list_roots(&self, domain: u8, after: Option<u8>, limit: usize) -> Checked {
        let (model, store) = self.both();
        let (domain, after) = (words::domain(domain), after.map(words::root));
        let expected = model.catalog.list_roots(&domain, after, limit).await;
        same(
            expected,
            store.catalog.list_roots(&domain, after, limit).await,
        )
    }

    async fn read_correlated(
        &self,
        domain: u8,
        correlation: u8,
        after: u64,
        limit: usize,
    ) -> Checked {
        let (model, store) = self.both();
        let (domain, correlation) = (words::domain(domain), words::correlation(correlation));
        let after = Position(after);
        let expected = model
            .catalog
            .read_correlated(&domain, &correlation, after, limit)
            .await;
        let answered = store
            .catalog
            .read_correlated(&domain, &correlation, after, limit)
            .await;
        same(expected, answered)
    }
}
