//! Servers that do not speak gRPC, or speak it badly.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, ready};
use futures::stream::{self, BoxStream, StreamExt};
use http_body_util::StreamBody;
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Code;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::server::NamedService;
use tonic::transport::Server;

/// The behaviour of a server.
#[derive(Debug, Clone)]
pub(crate) enum Oddity {
    /// Writes bytes that are not HTTP/2.
    Garbage,
    /// Resets each connection in the middle of the first request.
    Resets,
    /// Closes each connection at once.
    Closes,
    /// Accepts connections and never replies.
    Silent,
    /// Speaks HTTP/2 and replies with these headers, pieces of a body and trailers.
    Answers(Answer),
}

/// A reply over HTTP/2.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    pieces: Vec<Vec<u8>>,
    /// The pause before each piece.
    pause: Duration,
    trailers: Vec<(&'static str, &'static str)>,
    encoding: &'static str,
}

/// A frame of gRPC: flag, length and bytes; the length may be wrong.
fn frame(flag: u8, length: u32, bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![flag];
    frame.extend(length.to_be_bytes());
    frame.extend_from_slice(bytes);
    frame
}

fn answers(pieces: Vec<Vec<u8>>, grpc_status: Option<&'static str>) -> Oddity {
    Oddity::Answers(Answer {
        status: 200,
        pieces,
        pause: Duration::ZERO,
        trailers: grpc_status
            .map(|code| ("grpc-status", code))
            .into_iter()
            .collect(),
        encoding: "identity",
    })
}

/// The same, with the name of a compression.
fn encoded(encoding: &'static str, oddity: Oddity) -> Oddity {
    match oddity {
        Oddity::Answers(answer) => Oddity::Answers(Answer { encoding, ..answer }),
        other => other,
    }
}

/// A refusal with a trailer.
fn refuses(trailer: (&'static str, &'static str)) -> Oddity {
    Oddity::Answers(Answer {
        status: 200,
        pieces: Vec::new(),
        pause: Duration::ZERO,
        trailers: vec![("grpc-status", "9"), trailer],
        encoding: "identity",
    })
}

/// The oddities, each with its domain and the expected status code.
#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub(crate) fn oddities() -> Vec<(&'static str, Oddity, Code)> {
    const BROKEN: Code = Code::Unavailable;
    const BREACH: Code = Code::Internal;
    let trickle = Oddity::Answers(Answer {
        status: 200,
        pieces: [frame(0, 1_000, &[])]
            .into_iter()
            .chain(vec![vec![0]; 999])
            .collect(),
        pause: Duration::from_millis(50),
        trailers: vec![("grpc-status", "0")],
        encoding: "identity",
    });
    let page = Oddity::Answers(Answer {
        status: 502,
        pieces: vec![b"<html>Bad Gateway</html>".to_vec()],
        pause: Duration::ZERO,
        trailers: Vec::new(),
        encoding: "identity",
    });
    vec![
        ("garbage", Oddity::Garbage, BROKEN),
        ("resets", Oddity::Resets, BROKEN),
        ("closes", Oddity::Closes, BROKEN),
        ("silent", Oddity::Silent, BROKEN),
        ("trickle", trickle, BROKEN),
        ("html", page, BROKEN),
        ("status-99", answers(Vec::new(), Some("99")), Code::Unknown),
        (
            "status-text",
            answers(Vec::new(), Some("no")),
            Code::Unknown,
        ),
        (
            "details-torn",
            refuses(("grpc-status-details-bin", "no base64!")),
            Code::FailedPrecondition,
        ),
        (
            "message-torn",
            refuses(("grpc-message", "half a character %c3, and a sign %")),
            Code::FailedPrecondition,
        ),
        ("no-message", answers(Vec::new(), Some("0")), BREACH),
        (
            "torn",
            answers(vec![frame(0, 100, &[1, 2])], Some("0")),
            BREACH,
        ),
        (
            "no-protobuf",
            answers(vec![frame(0, 3, &[0xff; 3])], Some("0")),
            BREACH,
        ),
        (
            "compressed",
            answers(vec![frame(1, 3, &[1; 3])], Some("0")),
            BREACH,
        ),
        (
            "brotli",
            encoded("br", answers(vec![frame(1, 3, &[1; 3])], Some("0"))),
            BREACH,
        ),
        (
            "gzip-torn",
            encoded("gzip", answers(vec![frame(1, 3, &[1; 3])], Some("0"))),
            BREACH,
        ),
        (
            "zstd-torn",
            encoded("zstd", answers(vec![frame(1, 3, &[1; 3])], Some("0"))),
            BREACH,
        ),
        (
            "brotli-refuses",
            encoded("br", refuses(("grpc-message", "no"))),
            Code::FailedPrecondition,
        ),
        (
            "boundless",
            answers(vec![frame(0, u32::MAX, &[1; 9])], Some("0")),
            BREACH,
        ),
    ]
}

/// Serves an oddity on a free port.
pub(crate) async fn serve(oddity: Oddity) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    if let Oddity::Answers(answer) = oddity {
        let router = Server::builder().add_service(Odd(answer));
        tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
        return port;
    }
    tokio::spawn(async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            tokio::spawn(misbehave(connection, oddity.clone()));
        }
    });
    port
}

async fn misbehave(mut connection: TcpStream, oddity: Oddity) {
    let mut read = [0; 1_024];
    match oddity {
        Oddity::Garbage => {
            // Whether the other side still listens does not matter.
            let _ = connection.write_all(&[0x47; 4_096]).await;
            while connection
                .read(&mut read)
                .await
                .is_ok_and(|count| count > 0)
            {}
        }
        Oddity::Resets => {
            let _ = connection.read(&mut read).await;
            connection.set_zero_linger().unwrap();
        }
        Oddity::Closes => {}
        Oddity::Silent | Oddity::Answers(_) => std::future::pending().await,
    }
}

/// Replies to every call of the service of the logic in the same way.
#[derive(Clone)]
struct Odd(Answer);

impl NamedService for Odd {
    const NAME: &'static str = "angzarr.v1.BusinessLogic";
}

impl Service<Request<Body>> for Odd {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let response = Response::builder()
            .status(self.0.status)
            .header("content-type", "application/grpc")
            .header("grpc-encoding", self.0.encoding)
            .body(Body::new(StreamBody::new(frames(&self.0))))
            .unwrap();
        ready(Ok(response)).boxed()
    }
}

fn frames(answer: &Answer) -> BoxStream<'static, Result<Frame<Bytes>, Infallible>> {
    let pause = answer.pause;
    let pieces = stream::iter(answer.pieces.clone()).then(move |piece| async move {
        tokio::time::sleep(pause).await;
        Ok(Frame::data(Bytes::from(piece)))
    });
    let trailers = (!answer.trailers.is_empty()).then(|| {
        let mut trailers = HeaderMap::new();
        for (name, value) in &answer.trailers {
            trailers.insert(*name, value.parse().unwrap());
        }
        Ok(Frame::trailers(trailers))
    });
    pieces.chain(stream::iter(trailers)).boxed()
}
