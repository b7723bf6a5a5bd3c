//! What waits for a consumer, as one list in the order of places.

use async_trait::async_trait;

use super::ModelStore;
use crate::model::{ConsumerId, Status, StreamId};
use crate::port::backlog::{Backlog, Queued, Refused};
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
}

impl Piece {
    fn refused(&self) -> Option<Refused> {
        self.refusal.clone().map(|refusal| Refused {
            place: self.place,
            outgoing: self.outgoing.clone(),
            refusal,
        })
    }
}

impl Work {
    fn find(&self, id: &OutgoingId) -> Option<usize> {
        self.pieces
            .iter()
            .position(|piece| piece.outgoing.id == *id)
    }

    /// Puts work at the end, unless there is some of this id.
    pub(super) fn queue(&mut self, outgoing: Outgoing) {
        if self.find(&outgoing.id).is_none() {
            self.last_place += 1;
            self.pieces.push(Piece {
                place: self.last_place,
                outgoing,
                refusal: None,
            });
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
        if let Some(outgoing) = self.take_refused(id) {
            self.queue(outgoing);
        }
    }

    /// Gives refused work up.
    pub(super) fn discard(&mut self, id: &OutgoingId) {
        self.take_refused(id);
    }

    fn take_refused(&mut self, id: &OutgoingId) -> Option<Outgoing> {
        let at = self.find(id)?;
        let is_refused = self.pieces[at].refusal.is_some();
        is_refused.then(|| self.pieces.remove(at).outgoing)
    }
}

impl ModelStore {
    /// Lists what is made of pieces after a place.
    fn list<T>(
        &self,
        consumer: &ConsumerId,
        after: u64,
        limit: usize,
        make: impl Fn(&Piece) -> Option<T>,
    ) -> Vec<T> {
        let state = self.state();
        let pieces = state
            .consumers
            .get(consumer)
            .map_or(&[][..], |consumer| &consumer.work.pieces);
        let later = pieces.iter().filter(|piece| piece.place > after);
        later.filter_map(make).take(limit).collect()
    }
}

#[async_trait]
impl Backlog for ModelStore {
    async fn list_outgoing(
        &self,
        consumer: &ConsumerId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Queued>, Error> {
        Ok(self.list(consumer, after, limit, |piece| {
            piece.refusal.is_none().then(|| Queued {
                place: piece.place,
                outgoing: piece.outgoing.clone(),
            })
        }))
    }

    async fn list_refused(
        &self,
        consumer: &ConsumerId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Refused>, Error> {
        Ok(self.list(consumer, after, limit, Piece::refused))
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

    async fn read_refused(
        &self,
        consumer: &ConsumerId,
        id: &OutgoingId,
    ) -> Result<Option<Refused>, Error> {
        let refused = self.list(consumer, 0, usize::MAX, Piece::refused);
        Ok(refused
            .into_iter()
            .find(|refused| refused.outgoing.id == *id))
    }
}
