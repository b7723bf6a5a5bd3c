//! The direct bus: consumers pull from the sidecars that own the source domains, by gRPC and without a broker.
//!
//! [`DirectBus`] is the consumer's side, [`server`] the owner's, [`topology`] tells one where the other is.
//!
//! # Design
//! The consumer keeps its cursor and dials; the owner keeps nothing but an open log. So an owner can be restarted, moved or read by any number of
//! consumers without state to clean up, and a slow consumer only holds its own stream.

mod error;
mod remote;
pub mod server;
pub mod topology;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use angzarr_coordinator::model::{
    Append, Code, Domain, Position, Sequence, Status, StoreIdentity, StreamId,
};
use angzarr_coordinator::port::bus::{Bus, Error, Subscribe, Subscription};
use angzarr_coordinator::port::log::StreamRead;
use angzarr_coordinator::port::peers::Appends;
use async_trait::async_trait;

use topology::{Owner, Owners};

/// Bytes of one message between sidecars: an append of the largest configurable size with room for its frame.
pub const MESSAGE_BYTES: usize = 64 << 20;
/// Payload bytes that one piece of a fetch holds, about.
const PIECE_BYTES: usize = 1 << 20;

/// The consumer's side: subscribes at the owners of domains and fetches from them.
#[derive(Clone)]
pub struct DirectBus {
    owners: Arc<dyn Owners>,
    answer_within: Duration,
}

impl DirectBus {
    /// Makes a bus; an owner that lets a single answer wait longer than `answer_within` counts as not reached.
    pub fn new(owners: Arc<dyn Owners>, answer_within: Duration) -> Self {
        Self {
            owners,
            answer_within,
        }
    }

    fn require_owner(&self, domain: &Domain) -> Result<Owner, Status> {
        self.owners.owner(domain).ok_or_else(|| {
            Status::new(Code::NotFound, format!("no route leads to domain {domain}"))
        })
    }
}

#[async_trait]
impl Bus for DirectBus {
    async fn subscribe(&self, subscribe: Subscribe) -> Result<Box<dyn Subscription>, Error> {
        let owner = self
            .require_owner(&subscribe.domain)
            .map_err(Error::unavailable)?;
        match owner {
            Owner::Here(source) => source.subscribe(subscribe).await,
            Owner::There { channel, moved } => {
                let opening = remote::subscribe(channel, moved, subscribe);
                let opened = tokio::time::timeout(self.answer_within, opening).await;
                let subscription = opened.map_err(|_| {
                    Error::unavailable(format!(
                        "the owner did not open the subscription within {:?}",
                        self.answer_within
                    ))
                })??;
                Ok(Box::new(subscription))
            }
        }
    }
}

#[async_trait]
impl Appends for DirectBus {
    async fn fetch(
        &self,
        history: StoreIdentity,
        stream: &StreamId,
        from: Sequence,
        after: Position,
    ) -> Result<Vec<Append>, Status> {
        let read = StreamRead {
            stream: stream.clone(),
            from,
            after,
            limit: PIECE_BYTES,
        };
        match self.require_owner(&stream.domain)? {
            Owner::Here(source) => {
                error::check_history(source.log.identity(), history)?;
                let appends = source.log.read_stream(read).await;
                appends.map_err(|failure| error::decode_store(&failure))
            }
            Owner::There { channel, .. } => {
                self.bounded(remote::fetch(channel, history, read)).await
            }
        }
    }
}

impl DirectBus {
    async fn bounded<T>(&self, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        match tokio::time::timeout(self.answer_within, call).await {
            Ok(answer) => answer,
            Err(_) => Err(error::unavailable(format!(
                "the owner did not answer within {:?}",
                self.answer_within
            ))),
        }
    }
}
