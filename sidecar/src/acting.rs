//! Where a consumer of this sidecar acts: here, or at the sidecar that holds its lease.

use angzarr_coordinator::consumer::{Consumer, Holder, Until};
use angzarr_proto::v1;
use angzarr_wire::{encode_append, encode_cover};
use tonic::Request;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;

use crate::routes::Routes;
use crate::transport::{FORWARDED, put};

/// A connection to the sidecar that acts for a consumer; none when that is this one, or nobody that is known.
pub fn elsewhere(consumer: &Consumer, routes: &Routes) -> Option<Channel> {
    match consumer.snapshot().holder {
        Holder::Elsewhere(address) => routes.at(&address),
        Holder::Here(_) | Holder::Unknown => None,
    }
}

/// Whether a call was passed on by another sidecar.
pub fn is_passed_on(metadata: &MetadataMap) -> bool {
    metadata.contains_key(FORWARDED)
}

/// Makes the request that passes a synchronous call on; `kind` is the metadata that names the consumer.
pub fn pass_on(until: &Until, kind: &'static str, name: &str) -> Request<v1::EventBook> {
    let mut request = Request::new(match until {
        Until::Append(append) => encode_append(append),
        Until::Head(stream) => v1::EventBook {
            cover: Some(encode_cover(stream, None)),
            ..v1::EventBook::default()
        },
    });
    put(request.metadata_mut(), kind, Some(name));
    put(request.metadata_mut(), FORWARDED, Some("1"));
    request
}
