//! How far consumers got.

use angzarr_coordinator::model::{ConsumerId, Cursor, Domain, StreamId};
use angzarr_coordinator::port::progress::{RootProgress, SourceProgress};
use angzarr_coordinator::port::store::Error;

use super::pool::{Operation, Pool, each};
use crate::stored::{self, Corrupt, column, edition_column, read_root};

/// Stores where a consumer starts, unless it is stored, and returns what is stored.
pub(super) async fn open_source(
    pool: &Pool,
    consumer: &ConsumerId,
    domain: &Domain,
    start: Cursor,
) -> Result<SourceProgress, Error> {
    const OPEN: &str = "WITH made AS (
            INSERT INTO consumers (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id
        )
        INSERT INTO sources (consumer_id, domain, start_position, start_append_id, start_store_id, start_incarnation,
            position, append_id, store_id, incarnation)
        SELECT id, $2, $3, $4, $5, $6, $3, $4, $5, $6 FROM made ON CONFLICT DO NOTHING";
    let name = consumer.to_string();
    let opened = pool.fetch(Operation::Other, |_| {
        sqlx::query(OPEN)
            .bind(&name)
            .bind(domain.as_str())
            .bind(column(start.position.0))
            .bind(start.append_id.map(|append| append.0))
            .bind(start.identity.store_id.0)
            .bind(start.identity.incarnation.0)
    });
    opened.await?;
    let source = read_source(pool, consumer, domain).await?;
    Ok(source.ok_or_else(|| Corrupt::new("source: it is missing after it was stored"))?)
}

/// Reads how far a consumer got in a source.
pub(super) async fn read_source(
    pool: &Pool,
    consumer: &ConsumerId,
    domain: &Domain,
) -> Result<Option<SourceProgress>, Error> {
    const SOURCE: &str = "SELECT s.start_position, s.start_append_id, s.start_store_id, s.start_incarnation,
            s.position, s.append_id, s.store_id, s.incarnation
        FROM sources s JOIN consumers c ON c.id = s.consumer_id WHERE c.name = $1 AND s.domain = $2";
    let name = consumer.to_string();
    let build = || sqlx::query(SOURCE).bind(&name).bind(domain.as_str());
    pool.find(build, stored::read_source).await
}

/// Reads how far a consumer got in streams.
pub(super) async fn read_roots(
    pool: &Pool,
    consumer: &ConsumerId,
    streams: &[StreamId],
) -> Result<Vec<RootProgress>, Error> {
    const ROOTS: &str = "SELECT r.next_sequence, r.parked_sequence, r.parked_attempts, r.parked_code, r.parked_message, r.parked_details
        FROM unnest($2::text[], $3::text[], $4::uuid[]) WITH ORDINALITY q(domain, edition, root, ordinal)
        LEFT JOIN consumers c ON c.name = $1
        LEFT JOIN roots r ON r.consumer_id = c.id AND r.domain = q.domain AND r.edition = q.edition AND r.root = q.root
        ORDER BY q.ordinal";
    let name = consumer.to_string();
    let build = || {
        sqlx::query(ROOTS)
            .bind(&name)
            .bind(each(streams, |stream| stream.domain.as_str()))
            .bind(each(streams, |stream| edition_column(&stream.edition)))
            .bind(each(streams, |stream| stream.root.0))
    };
    pool.list(build, read_root).await
}
