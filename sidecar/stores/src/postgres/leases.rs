//! Who may act, by the server's clock.

use std::time::Duration;

use angzarr_coordinator::port::leases::Grant;
use angzarr_coordinator::port::store::Error;

use super::pool::{Operation, Pool};
use crate::stored::{Columns, column};

/// Grants a lease, or says who holds it. A holder that asks again gets a new epoch. The row waits for those that write under the epoch before.
pub(super) async fn acquire(
    pool: &Pool,
    name: &str,
    holder: &str,
    ttl: Duration,
) -> Result<Grant, Error> {
    const ACQUIRE: &str = "WITH granted AS (
            INSERT INTO leases AS l (name, epoch, holder, until)
            VALUES ($1, 1, $2, clock_timestamp() + $3 * interval '1 millisecond')
            ON CONFLICT (name) DO UPDATE SET epoch = l.epoch + 1, holder = excluded.holder, until = excluded.until
            WHERE l.holder IS NULL OR l.holder = excluded.holder OR l.until <= clock_timestamp()
            RETURNING l.epoch
        )
        SELECT epoch, NULL AS holder FROM granted
        UNION ALL
        SELECT NULL, l.holder FROM leases l WHERE l.name = $1 AND NOT EXISTS (SELECT FROM granted)";
    let build = || {
        sqlx::query(ACQUIRE)
            .bind(name)
            .bind(holder)
            .bind(column(ttl.as_millis()))
    };
    loop {
        let read =
            |columns: &mut Columns<'_>| Ok((columns.read_optional()?, columns.read_optional()?));
        match pool.find(build, read).await? {
            Some((Some(epoch), _)) => return Ok(Grant::Granted { epoch }),
            Some((None, Some(holder))) => return Ok(Grant::Held { holder }),
            // Another was granted a lease that did not exist when the statement began; the next look sees it.
            Some((None, None)) | None => {}
        }
    }
}

/// Prolongs a lease that nobody else was granted.
pub(super) async fn renew(pool: &Pool, name: &str, epoch: u64, ttl: Duration) -> Result<(), Error> {
    const RENEW: &str =
        "UPDATE leases SET until = clock_timestamp() + $3 * interval '1 millisecond'
        WHERE name = $1 AND epoch = $2 AND holder IS NOT NULL RETURNING 1";
    let renewed = pool.fetch(Operation::Other, |_| {
        sqlx::query(RENEW)
            .bind(name)
            .bind(column(epoch))
            .bind(column(ttl.as_millis()))
    });
    if renewed.await?.is_empty() {
        return Err(Error::Fenced {
            name: name.to_owned(),
        });
    }
    Ok(())
}

/// Gives a lease back, if it is still held under the epoch.
pub(super) async fn release(pool: &Pool, name: &str, epoch: u64) -> Result<(), Error> {
    const RELEASE: &str =
        "UPDATE leases SET holder = NULL, until = clock_timestamp() WHERE name = $1 AND epoch = $2";
    let released = pool.fetch(Operation::Other, |_| {
        sqlx::query(RELEASE).bind(name).bind(column(epoch))
    });
    released.await.map(|_| ())
}
