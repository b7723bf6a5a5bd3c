//! Who may act.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::ModelStore;
use crate::port::leases::{Grant, Leases};
use crate::port::store::Error;

/// What is left of the last grant under a name.
pub(super) struct Lease {
    pub(super) epoch: u64,
    held: Option<Held>,
}

struct Held {
    holder: String,
    until: Instant,
}

impl Lease {
    /// Ends the grant; its epoch remains the current one.
    pub(super) fn free(&mut self) {
        self.held = None;
    }
}

#[async_trait]
impl Leases for ModelStore {
    async fn acquire(&self, name: &str, holder: &str, ttl: Duration) -> Result<Grant, Error> {
        let now = Instant::now();
        let mut state = self.state();
        let lease = state.leases.entry(name.to_owned()).or_insert(Lease {
            epoch: 0,
            held: None,
        });
        if let Some(held) = &lease.held
            && held.holder != holder
            && held.until > now
        {
            return Ok(Grant::Held {
                holder: held.holder.clone(),
            });
        }
        lease.epoch += 1;
        lease.held = Some(Held {
            holder: holder.to_owned(),
            until: now + ttl,
        });
        Ok(Grant::Granted { epoch: lease.epoch })
    }

    async fn renew(&self, name: &str, epoch: u64, ttl: Duration) -> Result<(), Error> {
        let mut state = self.state();
        let lease = state.leases.get_mut(name);
        match lease.filter(|lease| lease.epoch == epoch) {
            Some(Lease {
                held: Some(held), ..
            }) => {
                held.until = Instant::now() + ttl;
                Ok(())
            }
            Some(Lease { held: None, .. }) | None => Err(Error::Fenced {
                name: name.to_owned(),
            }),
        }
    }

    async fn release(&self, name: &str, epoch: u64) -> Result<(), Error> {
        let mut state = self.state();
        if let Some(lease) = state
            .leases
            .get_mut(name)
            .filter(|lease| lease.epoch == epoch)
        {
            lease.free();
        }
        Ok(())
    }
}
