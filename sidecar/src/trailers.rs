//! What a status may take up in the trailers of a call.
//!
//! # Design
//! A client that gets more headers than it reads (8 KB for gRPC in Java by default) replaces the status by one of its own, and a final refusal looks
//! like an outage. So a layer around all services cuts every status that leaves, no matter who wrote it. Cutting where statuses are made would
//! miss those of tonic, and those that are made tomorrow.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::future::{MapOk, TryFutureExt};
use http::{HeaderMap, Request, Response};
use hyper::body::{Body as HttpBody, Frame};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode, percent_encode};
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::metadata::MetadataMap;
use tonic_types::pb;
use tower_layer::Layer;

/// The most bytes of headers that are read from logic and peers. A status of logic may be as long as its replies.
pub const HEADER_BYTES: u32 = 16 << 20;
/// The most bytes of message and details, as they are sent, of a status that leaves. The rest of 8 KB is for all other trailers.
pub const STATUS_BYTES: usize = 6 << 10;
/// The bytes of a long message that are kept beside long details.
const MESSAGE_BYTES: usize = 1 << 10;

const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";
/// Never sent: it is set on what was received.
const MARK: &str = "x-angzarr-status-of-logic";
const DETAILS: &str = "grpc-status-details-bin";

/// Cuts a status to [`STATUS_BYTES`]: the code stays, of a `google.rpc.Status` in the details those that fit, of the message the beginning, with a mark.
pub fn cut(status: Status) -> Status {
    let (message, details) = (status.message(), status.details());
    if sent_text(message) + sent_bytes(details.len()) <= STATUS_BYTES {
        return status;
    }
    let kept = cut_details(
        details,
        STATUS_BYTES - sent_text(message).min(MESSAGE_BYTES),
    );
    let message = cut_text(message, STATUS_BYTES - sent_bytes(kept.len()));
    let metadata = status.metadata().clone();
    Status::with_details_and_metadata(status.code(), message, kept, metadata)
}

/// Cuts a text at a character, with a mark that says so, to what takes at most `room` bytes when it is sent.
pub fn cut_text(text: &str, room: usize) -> String {
    if sent_text(text) <= room {
        return text.to_owned();
    }
    let mark = format!("...[cut: it has {} bytes]", text.len());
    let mut left = room.saturating_sub(sent_text(&mark));
    let mut end = 0;
    for character in text.chars() {
        let size = sent_text(character.encode_utf8(&mut [0; 4]));
        if size > left {
            break;
        }
        left -= size;
        end += character.len_utf8();
    }
    format!("{}{mark}", &text[..end])
}

fn cut_details(details: &[u8], room: usize) -> Bytes {
    if sent_bytes(details.len()) <= room {
        return Bytes::copy_from_slice(details);
    }
    // Details of another kind mean nothing in part.
    let Ok(whole) = pb::Status::decode(details) else {
        return Bytes::new();
    };
    let mut kept = pb::Status {
        code: whole.code,
        message: cut_text(&whole.message, MESSAGE_BYTES),
        details: Vec::new(),
    };
    for detail in whole.details {
        kept.details.push(detail);
        if sent_bytes(kept.encoded_len()) > room {
            kept.details.pop();
        }
    }
    kept.encode_to_vec().into()
}

/// The bytes of a text once it is percent-encoded; at least as many as are sent.
fn sent_text(text: &str) -> usize {
    let sent = |byte: u8| match byte {
        b'"' | b'#' | b'%' | b'<' | b'>' | b'`' | b'?' | b'{' | b'}' => 3,
        byte if byte.is_ascii_graphic() => 1,
        _ => 3,
    };
    text.bytes().map(sent).sum()
}

/// The bytes of details once they are base64.
fn sent_bytes(count: usize) -> usize {
    count.div_ceil(3) * 4
}

/// Cuts the status of trailers, if they have one that is too long.
fn cut_headers(headers: &mut HeaderMap) {
    let sent = |name| headers.get(name).map_or(0, http::HeaderValue::len);
    if sent(MESSAGE) + sent(DETAILS) <= STATUS_BYTES {
        return;
    }
    let Some(status) = Status::from_header_map(headers) else {
        return;
    };
    headers.remove(DETAILS);
    // What was read from headers can be written to headers.
    let _ = cut(status).add_header(headers);
}

/// Makes a status of logic readable: tonic panics for details that are not base64, and loses the code beside a message that is not UTF-8. The
/// status is marked, so that [`came_over_the_wire`] can tell it from those that tonic makes of what it cannot read.
pub fn read_status(headers: &mut HeaderMap) {
    headers.remove(MARK);
    if !headers.contains_key(STATUS) {
        return;
    }
    headers.insert(MARK, http::HeaderValue::from_static("1"));
    if let Some(details) = headers.remove(DETAILS) {
        let alone =
            HeaderMap::from_iter([(http::HeaderName::from_static(DETAILS), details.clone())]);
        let alone = MetadataMap::from_headers(alone);
        if alone
            .get_bin(DETAILS)
            .is_some_and(|value| value.to_bytes().is_ok())
        {
            headers.insert(DETAILS, details);
        }
    }
    if let Some(message) = headers.get_mut(MESSAGE) {
        let decoded = percent_decode(message.as_bytes());
        if decoded.clone().decode_utf8().is_err() {
            let encoded = percent_encode(decoded.decode_utf8_lossy().as_bytes(), NON_ALPHANUMERIC)
                .to_string();
            *message = encoded.parse().expect("what is percent-encoded is ASCII");
        }
    }
}

/// Whether a status was read from headers that passed [`read_status`].
pub fn came_over_the_wire(status: &Status) -> bool {
    status.metadata().contains_key(MARK)
}

/// Cuts every status that leaves.
#[derive(Debug, Clone, Copy)]
pub struct CutStatuses;

impl<S> Layer<S> for CutStatuses {
    type Service = Cutting<S>;

    fn layer(&self, inner: S) -> Cutting<S> {
        Cutting(inner)
    }
}

/// A service whose statuses are cut.
#[derive(Debug, Clone)]
pub struct Cutting<S>(S);

impl<S: Service<Request<Body>, Response = Response<Body>>> Service<Request<Body>> for Cutting<S> {
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = MapOk<S::Future, fn(Response<Body>) -> Response<Body>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.call(request).map_ok(|mut response| {
            cut_headers(response.headers_mut());
            response.map(|body| Body::new(CutBody(body)))
        })
    }
}

/// A body whose status, if it comes in trailers, is cut.
struct CutBody(Body);

impl HttpBody for CutBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut frame = ready!(Pin::new(&mut self.0).poll_frame(context));
        if let Some(Ok(frame)) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            cut_headers(trailers);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.0.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(status: &Status) -> usize {
        let mut headers = HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        headers.values().map(http::HeaderValue::len).sum()
    }

    #[test]
    fn what_is_cut_fits_and_is_not_cut_again() {
        for text in ["a", "é", "%", "漢", "{\"a\": 1}", "\n"] {
            for (length, bytes) in [(100_000, 0), (5_000, 5_000), (0, 100_000), (7, 4_500)] {
                let details = vec![7; bytes].into();
                let long = Status::with_details(tonic::Code::Aborted, text.repeat(length), details);
                let short = cut(long);
                assert!(sent(&short) <= STATUS_BYTES + 2, "{text} {length} {bytes}");
                assert_eq!(short.code(), tonic::Code::Aborted);
                let again = cut(short.clone());
                assert_eq!(
                    (again.message(), again.details()),
                    (short.message(), short.details())
                );
            }
        }
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let status = Status::with_details(tonic::Code::Aborted, "no", vec![7; 4_000].into());
        assert_eq!(cut(status.clone()).details(), status.details());
        assert_eq!(cut_text("é", 6), "é");
    }
}
