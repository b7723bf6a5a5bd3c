//! Where a consumer of this sidecar acts: here, or at the sidecar that holds its lease.

use angzarr_coordinator::consumer::{Consumer, Holder, Until};
use angzarr_proto::v1;
use angzarr_wire::encode_cover;
use tonic::Request;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;

use crate::routes::Routes;
use crate::transport::{FORWARDED, put, request};

/// A connection to the sidecar that acts for a consumer; none when that is this one, or nobody that is known.
pub fn elsewhere(consumer: &Consumer, routes: &Routes) -> Option<Channel> {
    match consumer.snapshot().holder {
        Holder::Elsewhere(address) => routes.at(&address),
        Holder::Here(_) | Holder::Unknown | Holder::Twin => None,
    }
}

/// Whether a call was passed on by another sidecar.
pub fn is_passed_on(metadata: &MetadataMap) -> bool {
    metadata.contains_key(FORWARDED)
}

/// Makes the request that asks a consumer to be somewhere; `kind` is the metadata that names it. The book has no pages: where it ends says how far
/// the consumer is wanted, and the events are read from their owner.
pub fn ask(until: &Until, kind: &'static str, name: &str) -> Request<v1::EventBook> {
    let correlation = until.correlation_id.as_ref();
    let book = v1::EventBook {
        cover: Some(encode_cover(&until.stream, correlation)),
        next_sequence: until.next_sequence.map_or(0, |next| next.0),
        ..v1::EventBook::default()
    };
    let trace_parent = until.trace_parent.as_deref();
    let mut request = request(book, correlation.map(|id| id.as_str()), trace_parent);
    put(request.metadata_mut(), kind, Some(name));
    request
}

/// Makes the request that passes a synchronous call on, which is not passed on again.
pub fn pass_on(until: &Until, kind: &'static str, name: &str) -> Request<v1::EventBook> {
    let mut request = ask(until, kind, name);
    put(request.metadata_mut(), FORWARDED, Some("1"));
    request
}
