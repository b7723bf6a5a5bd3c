//! What waits for a consumer, as one list in the order of places.

use async_trait::async_trait;
use tokio::time::Instant;

use super::ModelStore;
use crate::model::{ConsumerId, Status, StreamId};
use crate::port::backlog::{Backlog, KeptWork, WorkHead, WorkState};
use crate::port::progress::{Outgoing, OutgoingId, Parked};
use crate::port::store::Error;

/// The outgoing work of a consumer, waiting or refused.
#[derive(Default)]
pub(super) struct Work {
    pieces: Vec<Piece>,
    last_place: u64,
}

struct Piece {
    place: u64,
    outgoing: Outgoing,
    refusal: Option<Status>,
    /// Until then an attempt may take effect.
    may_land_until: Instant,
}

impl Piece {
    fn head(&self) -> WorkHead {
        WorkHead {
            place: self.place,
            id: self.outgoing.id.clone(),
            trigger: self.outgoing.trigger.clone(),
            target: self
                .outgoing
                .work
                .target()
                .map(|(stream, _)| stream.domain.clone()),
            bytes: self.outgoing.work.size(),
            may_land_for: Some(
                self.may_land_until
                    .saturating_duration_since(Instant::now()),
            ),
        }
    }

    fn state(&self) -> WorkState {
        match self.refusal {
            None => WorkState::Waiting,
            Some(_) => WorkState::Refused,
        }
    }
}

impl Work {
    fn find(&self, id: &OutgoingId) -> Option<usize> {
        self.pieces
            .iter()
            .position(|piece| piece.outgoing.id == *id)
    }

    /// Puts work at the end, unless there is some of this id.
    pub(super) fn queue(&mut self, outgoing: Outgoing, may_land_until: Instant) {
        if self.find(&outgoing.id).is_none() {
            self.last_place += 1;
            self.pieces.push(Piece {
                place: self.last_place,
                outgoing,
                refusal: None,
                may_land_until,
            });
        }
    }

    /// Notes until when attempts may take effect.
    pub(super) fn attempt(&mut self, id: &OutgoingId, may_land_until: Instant) {
        if let Some(at) = self.find(id) {
            let piece = &mut self.pieces[at];
            piece.may_land_until = piece.may_land_until.max(may_land_until);
        }
    }

    /// Takes the final answer of work.
    pub(super) fn settle(&mut self, id: &OutgoingId, refusal: Option<Status>) {
        let Some(at) = self.find(id) else {
            return;
        };
        match refusal {
            None => {
                self.pieces.remove(at);
            }
            Some(_) => self.pieces[at].refusal = refusal,
        }
    }

    /// Puts refused work at the end of what waits.
    pub(super) fn resend(&mut self, id: &OutgoingId) {
        if let Some(piece) = self.take_refused(id) {
            self.queue(piece.outgoing, piece.may_land_until);
        }
    }

    /// Gives refused work up.
    pub(super) fn discard(&mut self, id: &OutgoingId) {
        self.take_refused(id);
    }

    fn take_refused(&mut self, id: &OutgoingId) -> Option<Piece> {
        let at = self.find(id)?;
        let is_refused = self.pieces[at].refusal.is_some();
        is_refused.then(|| self.pieces.remove(at))
    }
}

#[async_trait]
impl Backlog for ModelStore {
    async fn list_work(
        &self,
        consumer: &ConsumerId,
        state: WorkState,
        after: u64,
        limit: usize,
    ) -> Result<Vec<WorkHead>, Error> {
        let store = self.state();
        let consumer = store.consumers.get(consumer);
        let pieces = consumer.into_iter().flat_map(|it| &it.work.pieces);
        let found = pieces.filter(|piece| piece.place > after && piece.state() == state);
        Ok(found.map(Piece::head).take(limit).collect())
    }

    async fn read_work(
        &self,
        consumer: &ConsumerId,
        ids: Vec<OutgoingId>,
    ) -> Result<Vec<Option<KeptWork>>, Error> {
        let store = self.state();
        let work = store.consumers.get(consumer).map(|it| &it.work);
        let kept = ids.iter().map(|id| {
            let piece = &work?.pieces[work?.find(id)?];
            Some(KeptWork {
                outgoing: piece.outgoing.clone(),
                refusal: piece.refusal.clone(),
            })
        });
        Ok(kept.collect())
    }

    async fn list_parked(
        &self,
        consumer: &ConsumerId,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<(StreamId, Parked)>, Error> {
        let state = self.state();
        let Some(consumer) = state.consumers.get(consumer) else {
            return Ok(Vec::new());
        };
        let later = consumer
            .roots
            .iter()
            .filter(|(stream, _)| after.is_none_or(|after| *stream > after));
        let parked =
            later.filter_map(|(stream, root)| Some((stream.clone(), root.parked.clone()?)));
        Ok(parked.take(limit).collect())
    }
}
