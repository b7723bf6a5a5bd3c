//! The catalogue: the log, looked at across streams.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::ModelStore;
use super::log::until_exceeded;
use crate::model::{Append, CorrelationId, Domain, Edition, Position, Root, RootHead, StreamId};
use crate::port::catalog::{CORRELATED_APPENDS, Catalog};
use crate::port::store::{Durability, Error};

#[async_trait]
impl Catalog for ModelStore {
    async fn list_roots(
        &self,
        domain: &Domain,
        after: Option<Root>,
        limit: usize,
    ) -> Result<Vec<RootHead>, Error> {
        let state = self.state();
        let streams: BTreeSet<&StreamId> = state
            .recorded
            .of_domain(domain)
            .map(|append| &append.stream)
            .filter(|stream| stream.edition == Edition::Main)
            .filter(|stream| after.is_none_or(|after| stream.root > after))
            .collect();
        let heads = streams.into_iter().take(limit).map(|stream| RootHead {
            root: stream.root,
            next_sequence: state.recorded.next_sequence(stream),
        });
        Ok(heads.collect())
    }

    async fn read_correlated(
        &self,
        domain: &Domain,
        correlation: &CorrelationId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Append>, Error> {
        let state = self.state();
        let appends = state
            .recorded
            .of_domain(domain)
            .filter(|append| append.correlation_id == *correlation && append.last_position > after);
        Ok(until_exceeded(appends.take(CORRELATED_APPENDS), limit))
    }

    async fn probe(&self) -> Result<(), Error> {
        Ok(())
    }

    fn durability(&self) -> Durability {
        Durability::Process
    }
}
