//! The numbers of domains, which never change once they are given.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use angzarr_coordinator::model::Domain;
use angzarr_coordinator::port::store::Error;

use super::pool::Pool;
use crate::stored::{Corrupt, read_value};

/// The numbers that are known, and the pool that finds others.
pub(super) struct Partitions {
    pool: Arc<Pool>,
    known: Mutex<HashMap<Domain, i32>>,
}

impl Partitions {
    pub(super) fn new(pool: &Arc<Pool>) -> Self {
        Self {
            pool: Arc::clone(pool),
            known: Mutex::default(),
        }
    }

    /// The number of a domain, if it has one.
    pub(super) async fn find(&self, domain: &Domain) -> Result<Option<i32>, Error> {
        const FIND: &str = "SELECT id FROM partitions WHERE domain = $1";
        if let Some(id) = self.known().get(domain) {
            return Ok(Some(*id));
        }
        self.ask(FIND, domain).await
    }

    /// The number of a domain, which it gets with its first write.
    pub(super) async fn ensure(&self, domain: &Domain) -> Result<i32, Error> {
        const MAKE: &str = "INSERT INTO partitions (domain) VALUES ($1) ON CONFLICT (domain) DO UPDATE SET domain = excluded.domain RETURNING id";
        if let Some(id) = self.find(domain).await? {
            return Ok(id);
        }
        let made = self.ask(MAKE, domain).await?;
        Ok(made.ok_or_else(|| Corrupt::new("partition: it is missing after it was stored"))?)
    }

    async fn ask(&self, sql: &'static str, domain: &Domain) -> Result<Option<i32>, Error> {
        let build = || sqlx::query(sql).bind(domain.as_str());
        let found = self.pool.find(build, read_value).await?;
        if let Some(id) = found {
            self.known().insert(domain.clone(), id);
        }
        Ok(found)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Domain, i32>> {
        // Entries are put in whole, so a panic elsewhere does not spoil the map.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
