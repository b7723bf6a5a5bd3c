//! How far consumers got, and what that caused.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tokio::time::Instant;

use super::ModelStore;
use super::backlog::Work;
use crate::model::{ConsumerId, Cursor, Domain, Sequence, StreamId};
use crate::port::progress::{Parked, Progress, RootProgress, SourceProgress, Step};
use crate::port::store::Error;

/// All that a consumer left.
#[derive(Default)]
pub(super) struct Consumer {
    sources: BTreeMap<Domain, SourceProgress>,
    pub(super) roots: BTreeMap<StreamId, RootProgress>,
    pub(super) work: Work,
}

impl Consumer {
    pub(super) fn take(&mut self, step: Step) {
        match step {
            Step::Advance {
                stream,
                next,
                outgoing,
                may_land_within,
            } => {
                self.advance(stream, next);
                for outgoing in outgoing {
                    self.work.queue(outgoing, Instant::now() + may_land_within);
                }
            }
            Step::MoveCursor { domain, cursor } => self.move_cursor(&domain, cursor),
            Step::Park { stream, parked } => self.set_parked(stream, Some(parked)),
            Step::Unpark { stream } => self.set_parked(stream, None),
            Step::Attempt {
                id,
                may_land_within,
            } => self.work.attempt(&id, Instant::now() + may_land_within),
            Step::Settle { id, refusal } => self.work.settle(&id, refusal),
            Step::Resend { id } => self.work.resend(&id),
            Step::Discard { id } => self.work.discard(&id),
        }
    }

    fn advance(&mut self, stream: StreamId, next: Sequence) {
        let root = self.roots.entry(stream).or_default();
        // An absent sequence is lower than any.
        root.next_sequence = root.next_sequence.max(Some(next));
    }

    fn move_cursor(&mut self, domain: &Domain, cursor: Cursor) {
        if let Some(source) = self.sources.get_mut(domain)
            && source.cursor.position < cursor.position
        {
            source.cursor = cursor;
        }
    }

    fn set_parked(&mut self, stream: StreamId, parked: Option<Parked>) {
        self.roots.entry(stream).or_default().parked = parked;
    }
}

#[async_trait]
impl Progress for ModelStore {
    async fn open_source(
        &self,
        consumer: &ConsumerId,
        domain: &Domain,
        start: Cursor,
    ) -> Result<SourceProgress, Error> {
        let mut state = self.state();
        let consumer = state.consumers.entry(consumer.clone()).or_default();
        let source = consumer
            .sources
            .entry(domain.clone())
            .or_insert(SourceProgress {
                start,
                cursor: start,
            });
        Ok(source.clone())
    }

    async fn read_source(
        &self,
        consumer: &ConsumerId,
        domain: &Domain,
    ) -> Result<Option<SourceProgress>, Error> {
        let state = self.state();
        let consumer = state.consumers.get(consumer);
        Ok(consumer.and_then(|consumer| consumer.sources.get(domain).cloned()))
    }

    async fn read_roots(
        &self,
        consumer: &ConsumerId,
        streams: Vec<StreamId>,
    ) -> Result<Vec<RootProgress>, Error> {
        let state = self.state();
        let consumer = state.consumers.get(consumer);
        let read = |stream| {
            let root = consumer.and_then(|consumer| consumer.roots.get(stream));
            root.cloned().unwrap_or_default()
        };
        Ok(streams.iter().map(read).collect())
    }
}
