//! What people do with work that was parked: look at it, replay it, or skip it.
//!
//! # Design
//! Every operation names what it changes (a sequence or an id), and each of its steps is one commit after which the whole operation can be repeated
//! with the same result: the caller may not have got the reply, and the process may have ended between two steps.

use std::sync::Arc;
use std::time::Duration;

use super::Consumer;
use super::active::Active;
use super::live_status::Needed;
use super::root::{self, DeliveryError, catch_up};
use super::settlements::Settlement;
use super::sync::{not_reached, refuse};
use crate::describe;
use crate::model::{Code, Sequence, Status, StreamId};
use crate::port::backlog::{KeptWork, WorkState};
use crate::port::progress::{Outgoing, OutgoingId, Parked, Step};
use crate::port::store;

/// Bytes of refused work on one page; one piece may be larger.
const PAGE_BYTES: usize = 16 << 20;

/// Outgoing work that its target refused for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What was refused.
    pub outgoing: Outgoing,
    /// What the target replied.
    pub refusal: Status,
}

fn refused(kept: KeptWork) -> Option<Refused> {
    let KeptWork { outgoing, refusal } = kept;
    refusal.map(|refusal| Refused { outgoing, refusal })
}

impl Consumer {
    /// Lists up to `limit` roots that are parked, after the given one.
    ///
    /// # Errors
    /// UNAVAILABLE when the store does not reply.
    pub async fn list_parked(
        &self,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<(StreamId, Parked)>, Status> {
        let settings = self.settings();
        let listed = self.ports.backlog.list_parked(&settings.id, after, limit);
        listed.await.map_err(refuse_store)
    }

    /// Lists up to `limit` commands and facts that their targets refused, after the given place, and the place after which the next page begins, if
    /// there may be one; a page of large ones has fewer.
    ///
    /// # Errors
    /// UNAVAILABLE when the store does not reply.
    pub async fn list_refused(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<(Vec<Refused>, Option<u64>), Status> {
        let (settings, backlog) = (self.settings(), &self.ports.backlog);
        let listing = backlog.list_work(&settings.id, WorkState::Refused, after, limit);
        let mut heads = listing.await.map_err(refuse_store)?;
        let (listed, mut bytes) = (heads.len(), 0);
        let fitting = heads.iter().take_while(|head| {
            bytes += head.bytes;
            bytes <= PAGE_BYTES
        });
        heads.truncate(fitting.count().max(1));
        let is_last = heads.len() == listed && listed < limit;
        let next = heads.last().filter(|_| !is_last).map(|head| head.place);
        let ids = heads.into_iter().map(|head| head.id).collect();
        let read = backlog.read_work(&settings.id, ids).await;
        let works = read.map_err(refuse_store)?.into_iter();
        Ok((works.flatten().filter_map(refused).collect(), next))
    }

    /// Shows why a root is parked.
    ///
    /// # Errors
    /// NOT_FOUND when it is not, UNAVAILABLE when the store does not reply.
    pub async fn show_parked(&self, stream: &StreamId) -> Result<Parked, Status> {
        let streams = vec![stream.clone()];
        let read = self
            .ports
            .progress
            .read_roots(&self.settings().id, streams)
            .await;
        let progress = read.map_err(refuse_store)?.into_iter().next();
        progress
            .and_then(|progress| progress.parked)
            .ok_or_else(|| not_parked(stream))
    }

    /// Shows a refused command or record.
    ///
    /// # Errors
    /// NOT_FOUND when there is none of this id, UNAVAILABLE when the store does not reply.
    pub async fn show_refused(&self, id: &OutgoingId) -> Result<Refused, Status> {
        let kept = self.read_work(id).await?;
        kept.and_then(refused).ok_or_else(|| {
            Status::new(
                Code::NotFound,
                format!("no refused work has the id {}", id.0),
            )
        })
    }

    /// Reads outgoing work in any state.
    pub(super) async fn read_work(&self, id: &OutgoingId) -> Result<Option<KeptWork>, Status> {
        let (settings, backlog) = (self.settings(), &self.ports.backlog);
        let read = backlog.read_work(&settings.id, vec![id.clone()]).await;
        Ok(read.map_err(refuse_store)?.pop().flatten())
    }

    /// Delivers a root from the append at which it was parked to its head, then takes it back in. Returns the sequence that comes next.
    ///
    /// # Errors
    /// NOT_FOUND when the root is not parked; the status of the logic when it fails again, after which the root stays aside from there;
    /// UNAVAILABLE when something outside is away or the consumer does not run here.
    pub async fn replay(&self, stream: &StreamId) -> Result<Sequence, Status> {
        self.bring_back(stream, None).await
    }

    /// Like [`Consumer::replay`], but the logic never sees the append that begins at `skipped`, at which the root was parked. May be repeated: an
    /// append that was skipped before stays the only one.
    ///
    /// # Errors
    /// As those of [`Consumer::replay`]; FAILED_PRECONDITION when the root is parked at another append, which is left as it is.
    pub async fn skip(&self, stream: &StreamId, skipped: Sequence) -> Result<Sequence, Status> {
        self.bring_back(stream, Some(skipped)).await
    }

    /// Sends a refused command or record again, after all that waits; returns what became of it within the budget.
    ///
    /// # Errors
    /// As those of [`Consumer::show_refused`], and UNAVAILABLE when the consumer does not run here.
    pub async fn resend(&self, id: &OutgoingId, budget: Duration) -> Result<Settlement, Status> {
        self.show_refused(id).await?;
        let active = self.active()?;
        tracing::info!(consumer = %self.settings().id, id = id.0, "refused work is sent again on request");
        let step = Step::Resend { id: id.clone() };
        let stored = active.commit_steps(vec![step], None).await;
        stored.map_err(|error| refuse(&active, error))?;
        active.outgoing.notify_one();
        self.settlement(id, budget).await
    }

    /// Gives a refused command or record up.
    ///
    /// # Errors
    /// As those of [`Consumer::resend`].
    pub async fn discard(&self, id: &OutgoingId) -> Result<(), Status> {
        self.show_refused(id).await?;
        let active = self.active()?;
        tracing::info!(consumer = %self.settings().id, id = id.0, "refused work is given up on request");
        let step = Step::Discard { id: id.clone() };
        let stored = active.commit_steps(vec![step], None).await;
        stored.map_err(|error| refuse(&active, error))
    }

    async fn bring_back(
        &self,
        stream: &StreamId,
        skipped: Option<Sequence>,
    ) -> Result<Sequence, Status> {
        let active = self.active()?;
        let working = Arc::clone(&active);
        let stream = stream.clone();
        tracing::info!(consumer = %self.settings().id, domain = %stream.domain, root = %stream.root, skipped = skipped.map(|sequence| sequence.0), "a root is brought back on request");
        let task = active
            .calls
            .spawn(async move { bring_back(&working, &stream, skipped).await });
        task.await
            .unwrap_or_else(|_| Err(Status::new(Code::Internal, "the replay panicked")))
    }
}

async fn bring_back(
    active: &Active,
    stream: &StreamId,
    skipped: Option<Sequence>,
) -> Result<Sequence, Status> {
    let ticket = active
        .turns
        .take(stream.clone())
        .map_err(|full| Status::new(Code::ResourceExhausted, full.to_string()))?;
    let _turn = tokio::select! {
        () = active.stop.cancelled() => return Err(not_reached("the consumer is ending")),
        turn = ticket.granted() => turn,
    };
    let refused = |error| refuse(active, error);
    let progress = active.read_root(stream).await.map_err(refused)?;
    let mut parked = progress.parked.ok_or_else(|| not_parked(stream))?;
    let mut next = progress.next_sequence;
    // An append below the next sequence was skipped by an earlier call that did not come to its end.
    if let Some(skipped) = skipped.filter(|skipped| next.is_none_or(|next| *skipped >= next)) {
        if skipped != parked.sequence {
            let at = parked.sequence.0;
            let message = format!(
                "{stream} is parked at sequence {at}, not at {}; to skip that append, name sequence {at}",
                skipped.0
            );
            return Err(Status::new(Code::FailedPrecondition, message));
        }
        parked = skip(active, stream, skipped).await.map_err(refused)?;
        next = Some(parked.sequence);
    }
    let error = match replay(active, stream, next).await {
        Ok(next) => return Ok(next),
        Err(error) => error,
    };
    if let DeliveryError::Failed(failure) | DeliveryError::Broken(failure) = &error {
        let before = match failure.at == parked.sequence {
            true => parked.attempts,
            false => 0,
        };
        let parked = Parked {
            sequence: failure.at,
            attempts: before.saturating_add(1),
            error: failure.status.clone(),
        };
        let stored = active.park(stream, parked, &[]).await;
        stored.map_err(refused)?;
    }
    Err(refuse(active, error))
}

/// Moves a parked root past an append in one step; it stays parked at what follows, until that is delivered.
async fn skip(
    active: &Active,
    stream: &StreamId,
    skipped: Sequence,
) -> Result<Parked, DeliveryError> {
    let fetched = root::fetch(active, stream, Some(skipped)).await?;
    let Some(append) = fetched
        .first()
        .filter(|append| append.first_sequence == skipped)
    else {
        let reason = format!("the owner of {stream} does not show sequence {}", skipped.0);
        return Err(DeliveryError::Outage(Needed::Owner, reason));
    };
    let parked = Parked {
        sequence: append.next_sequence(),
        attempts: 0,
        error: Status::new(
            Code::Cancelled,
            format!("sequence {} was skipped; replay the root", skipped.0),
        ),
    };
    active.park_further_on(stream, parked.clone()).await?;
    Ok(parked)
}

async fn replay(
    active: &Active,
    stream: &StreamId,
    next: Option<Sequence>,
) -> Result<Sequence, DeliveryError> {
    let (reached, _) = catch_up(active, stream, next, None).await?;
    active.unpark(stream).await?;
    active.failures.forget(stream);
    Ok(reached.unwrap_or(Sequence::FIRST))
}

fn not_parked(stream: &StreamId) -> Status {
    Status::new(Code::NotFound, format!("{stream} is not parked"))
}

fn refuse_store(error: store::Error) -> Status {
    let code = if error.is_retryable() {
        Code::Unavailable
    } else {
        Code::Internal
    };
    Status::new(code, describe(&error))
}
