//! `EventQuery`: reads of any domain, out of the own store or by asking the owner.

use std::pin::Pin;
use std::sync::Arc;

use angzarr_coordinator::model::{Append, CorrelationId, Domain, Root, Sequence, StreamId};
use angzarr_coordinator::query::{Book, Correlated, Pieces, Reader, Roots, Selection, Wanted};
use angzarr_proto::v1;
use angzarr_proto::v1::event_query_client::EventQueryClient;
use angzarr_proto::v1::event_query_server::EventQuery;
use angzarr_proto::v1::query::Selection as Asked;
use angzarr_wire::{
    check_cover, decode_stream, decode_timestamp, encode_append, encode_book, encode_status,
};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

use super::memory::Held;
use super::status::{invalid, of_query, of_wire};
use crate::places::{Place, Places};
use crate::transport::{FORWARDED, configured};

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The most sequences that a query can name.
const MAX_SEQUENCES: usize = 10_000;
/// The trailer that lists the domains that did not answer.
const UNANSWERED: &str = "x-angzarr-unanswered-domains";

/// Serves reads.
#[derive(Clone)]
pub struct QueryService {
    /// Reads of the own store.
    pub reader: Reader,
    /// Where domains are served.
    pub places: Places,
}

impl QueryService {
    /// A client of the sidecar that reads a domain, unless that is this one.
    fn elsewhere(
        &self,
        domain: &Domain,
        metadata: &MetadataMap,
    ) -> Result<Option<EventQueryClient<Channel>>, Status> {
        let place = self.places.of(domain);
        match place.map_err(|status| encode_status(&status))? {
            Place::Here(_) => Ok(None),
            Place::At(_) if metadata.contains_key(FORWARDED) => {
                let message = format!("no route leads to domain {domain}");
                Err(Status::not_found(message))
            }
            Place::At(channel) => Ok(Some(configured!(EventQueryClient::new(channel)))),
        }
    }

    /// The books of one domain.
    async fn books(
        &self,
        domain: Domain,
        query: v1::Query,
        metadata: &MetadataMap,
    ) -> Result<Replies<v1::EventBook>, Status> {
        let Some(mut client) = self.elsewhere(&domain, metadata)? else {
            return self.own_books(domain, query).await;
        };
        let mut narrowed = query;
        narrowed.cover.get_or_insert_default().domain = domain.to_string();
        let answered = client.get_events(forwarded(narrowed, metadata)).await?;
        Ok(answered.into_inner().boxed())
    }

    async fn own_books(
        &self,
        domain: Domain,
        query: v1::Query,
    ) -> Result<Replies<v1::EventBook>, Status> {
        let selection = read_selection(query.selection)?;
        let cover = query.cover.unwrap_or_default();
        let root = cover
            .root
            .as_ref()
            .map(|root| Root::from_bytes(&root.value))
            .transpose()
            .map_err(|broken| invalid("cover.root", broken.rule))?;
        if cover.correlation_id.is_empty() {
            let stream = decode_stream(Some(&v1::Cover {
                domain: domain.to_string(),
                ..cover
            }))
            .map_err(|breach| of_wire(&breach))?;
            let pieces = Pieces::open(self.reader.clone(), stream, selection)
                .await
                .map_err(|error| of_query(&error))?;
            return Ok(pieces_of(pieces));
        }
        let correlation = CorrelationId::parse(&cover.correlation_id)
            .map_err(|broken| invalid("cover.correlation_id", broken.rule))?;
        Ok(correlated(Correlated::open(
            self.reader.clone(),
            Wanted {
                domain,
                correlation,
                root,
                selection,
            },
        )))
    }

    /// The books of all domains that are known; those that did not answer are named at the end.
    async fn books_everywhere(
        &self,
        query: v1::Query,
        metadata: MetadataMap,
    ) -> Replies<v1::EventBook> {
        let domains = self.places.domains();
        let service = self.clone();
        let unanswered = Arc::new(std::sync::Mutex::new(Vec::new()));
        let missing = Arc::clone(&unanswered);
        let books = stream::iter(domains).then(move |domain| {
            let (service, query, metadata) = (service.clone(), query.clone(), metadata.clone());
            async move {
                (
                    domain.clone(),
                    service.books(domain, query, &metadata).await,
                )
            }
        });
        let note = move |missing: &std::sync::Mutex<Vec<String>>, domain: &Domain| {
            // Names are only added, so a panic elsewhere does not spoil the list.
            missing
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .push(domain.to_string());
        };
        let books = books.flat_map(move |(domain, books)| match books {
            Err(_) => {
                note(&missing, &domain);
                stream::empty().boxed()
            }
            Ok(books) => {
                let missing = Arc::clone(&missing);
                let kept = books.scan(false, move |is_over, book| {
                    if book.is_err() {
                        note(&missing, &domain);
                        *is_over = true;
                    }
                    std::future::ready(if *is_over { None } else { Some(book) })
                });
                kept.boxed()
            }
        });
        let end = stream::once(async move { trailer(&unanswered) }).filter_map(std::future::ready);
        books.chain(end).boxed()
    }
}

/// A stream that ends with OK and trailers ends, for tonic, with a status OK that carries them.
fn trailer(unanswered: &std::sync::Mutex<Vec<String>>) -> Option<Result<v1::EventBook, Status>> {
    let names = unanswered
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .join(",");
    if names.is_empty() {
        return None;
    }
    let mut status = Status::new(tonic::Code::Ok, "");
    let names = names.parse().expect("names of domains are ASCII");
    status.metadata_mut().insert(UNANSWERED, names);
    Some(Err(status))
}

fn pieces_of(pieces: Pieces) -> Replies<v1::EventBook> {
    let books = stream::try_unfold(pieces, |mut pieces| async move {
        let piece = pieces.next().await.map_err(|error| of_query(&error))?;
        Ok::<_, Status>(piece.map(|piece| (encode_book(&piece), pieces)))
    });
    books.boxed()
}

fn correlated(appends: Correlated) -> Replies<v1::EventBook> {
    let books = stream::try_unfold(appends, |mut appends| async move {
        let append = appends.next().await.map_err(|error| of_query(&error))?;
        Ok::<_, Status>(append.map(|append| (encode_part(&append), appends)))
    });
    books.boxed()
}

/// Writes what is left of an append after a selection.
fn encode_part(append: &Append) -> v1::EventBook {
    let next_sequence = append
        .events
        .last()
        .map_or(append.first_sequence, |event| event.sequence.plus(1));
    v1::EventBook {
        next_sequence: next_sequence.0,
        ..encode_append(append)
    }
}

fn forwarded<T>(message: T, metadata: &MetadataMap) -> Request<T> {
    let mut request = Request::new(message);
    *request.metadata_mut() = metadata.clone();
    request
        .metadata_mut()
        .insert(FORWARDED, tonic::metadata::MetadataValue::from_static("1"));
    request
}

fn read_selection(asked: Option<Asked>) -> Result<Selection, Status> {
    use v1::temporal_query::Point;
    match asked {
        None => Ok(Selection::All),
        Some(Asked::Range(range)) => match range.upper {
            Some(upper) if upper < range.lower => Err(invalid("range.upper", "is less than lower")),
            upper => Ok(Selection::Range(Sequence(range.lower), upper.map(Sequence))),
        },
        Some(Asked::Sequences(set)) if set.values.len() > MAX_SEQUENCES => Err(invalid(
            "sequences",
            "has too many values; give at most 10,000, or a range",
        )),
        Some(Asked::Sequences(set)) => {
            let values = set.values.into_iter().map(Sequence);
            Ok(Selection::Set(Arc::new(values.collect())))
        }
        Some(Asked::Temporal(temporal)) => match temporal.point {
            Some(Point::AsOfSequence(sequence)) => Ok(Selection::Through(Sequence(sequence))),
            Some(Point::AsOfTime(time)) => Ok(Selection::AsOf(decode_timestamp(time))),
            None => Err(invalid(
                "temporal",
                "has no point; give as_of_time or as_of_sequence",
            )),
        },
    }
}

fn require_target(cover: Option<&v1::Cover>) -> Result<(), Status> {
    if cover.is_none_or(|cover| cover.root.is_none() && cover.correlation_id.is_empty()) {
        return Err(invalid(
            "cover",
            "names neither root nor correlation_id; give at least one",
        ));
    }
    Ok(())
}

/// Judged before the query is passed on: what every owner would refuse is not an owner that did not answer.
fn require_valid(cover: Option<&v1::Cover>) -> Result<(), Status> {
    let checked = cover.map_or(Ok(()), check_cover);
    checked.map_err(|breach| of_wire(&breach))
}

#[tonic::async_trait]
impl EventQuery for QueryService {
    type GetEventsStream = Replies<v1::EventBook>;
    type SynchronizeStream = Replies<v1::EventBook>;
    type GetAggregateRootsStream = Replies<v1::AggregateRoot>;

    async fn get_event_book(
        &self,
        request: Request<v1::Query>,
    ) -> Result<Response<v1::EventBook>, Status> {
        let (metadata, _, query) = request.into_parts();
        let stream: StreamId =
            decode_stream(query.cover.as_ref()).map_err(|breach| of_wire(&breach))?;
        require_valid(query.cover.as_ref())?;
        if let Some(mut client) = self.elsewhere(&stream.domain, &metadata)? {
            return client.get_event_book(forwarded(query, &metadata)).await;
        }
        let selection = read_selection(query.selection)?;
        let limit = self.places.routes.current().limits.history_bytes;
        let Book { history, share } = self
            .reader
            .book(&stream, selection, limit)
            .await
            .map_err(|error| of_query(&error))?;
        let mut response = Response::new(encode_book(&history));
        // It takes its memory until the client has read it.
        response.extensions_mut().insert(Held::new(share));
        Ok(response)
    }

    async fn get_events(
        &self,
        request: Request<v1::Query>,
    ) -> Result<Response<Self::GetEventsStream>, Status> {
        let (metadata, _, query) = request.into_parts();
        require_target(query.cover.as_ref())?;
        require_valid(query.cover.as_ref())?;
        let name = query.cover.as_ref().map_or("", |cover| &cover.domain);
        if name.is_empty() {
            read_selection(query.selection.clone())?;
            return Ok(Response::new(self.books_everywhere(query, metadata).await));
        }
        let domain = Domain::parse(name).map_err(|broken| invalid("cover.domain", broken.rule))?;
        self.books(domain, query, &metadata)
            .await
            .map(Response::new)
    }

    async fn synchronize(
        &self,
        _: Request<Streaming<v1::Query>>,
    ) -> Result<Response<Self::SynchronizeStream>, Status> {
        Err(Status::unimplemented(
            "Synchronize is not served yet; use GetEvents with a range that begins after the last event you have",
        ))
    }

    async fn get_aggregate_roots(
        &self,
        _: Request<()>,
    ) -> Result<Response<Self::GetAggregateRootsStream>, Status> {
        let roots = stream::try_unfold(Roots::open(self.reader.clone()), |mut roots| async move {
            let next = roots.next().await?;
            Ok(next.map(|(domain, head)| {
                let root = v1::AggregateRoot {
                    domain: domain.to_string(),
                    root: Some(v1::Uuid {
                        value: head.root.as_bytes().to_vec().into(),
                    }),
                    next_sequence: head.next_sequence.0,
                };
                (root, roots)
            }))
        });
        let roots = roots.map_err(|error: angzarr_coordinator::query::Error| of_query(&error));
        Ok(Response::new(roots.boxed()))
    }
}
