//! Clients that take nothing of their replies, or stop in the middle of a request, while that holds memory.

use std::time::Duration;

use angzarr_proto::v1;
use angzarr_proto::v1::event_query_client::EventQueryClient;
use angzarr_proto::v1::query::Selection;
use angzarr_tests::client::{MOST, cover, pages, root, sequences_of};
use angzarr_tests::sidecar::until;
use futures::future::join_all;
use futures::stream::{self, StreamExt};
use http_body_util::StreamBody;
use hyper::body::Frame;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{Request, Response};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::System;
use super::memory::of_workflow;

const SHORT: &str = "\"timeouts\":{\"client\":\"1s\"}";
/// Much less than the patience of those who wait for room.
const SOON: Duration = Duration::from_secs(15);
/// What a connection takes without being read.
const WINDOW: u32 = 64 << 10;

impl System {
    /// A reader on a connection of its own, whose transport takes little.
    fn narrow(&self) -> EventQueryClient<Channel> {
        let at = format!("http://127.0.0.1:{}", self.place.grpc);
        let endpoint = Endpoint::from_shared(at).unwrap();
        let endpoint = endpoint
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW);
        EventQueryClient::new(endpoint.connect_lazy()).max_decoding_message_size(MOST)
    }

    /// How many calls were ended because the client stood still in a part of them.
    async fn stalled(&self, part: &str) -> usize {
        let metrics = self.place.ask_http("GET", "/metrics").await;
        let name = format!("angzarr_call_stalled_total{{part=\"{part}\"}} ");
        let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
        value.map_or(0, |value| value.parse().unwrap())
    }
}

/// Reads to the end; returns the sequences and how it ended.
async fn read_on(books: &mut tonic::Streaming<v1::EventBook>) -> (Vec<u32>, Option<Status>) {
    let mut read = Vec::new();
    loop {
        match books.message().await {
            Ok(Some(book)) => read.extend(sequences_of(&book)),
            Ok(None) => return (read, None),
            Err(status) => return (read, Some(status)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_go_on_beside_readers_that_do_not_read_and_those_are_ended() {
    const READERS: usize = 200;
    let system = System::start_with(SHORT).await;
    system.fill_with(1, 20, 500 << 10).await;
    let opening = (0..READERS).map(async |_| {
        let query = v1::Query {
            cover: Some(cover("tally", root(1))),
            selection: None,
        };
        let books = system.narrow().get_events(query).await;
        books.unwrap().into_inner()
    });
    let readers = join_all(opening).await;
    let others = (0..10).map(|_| pages(system.place.channel(), "tally", root(1)));
    let others = timeout(SOON, join_all(others)).await.unwrap();
    for read in others {
        assert_eq!(read.unwrap().len(), 20);
    }
    until(async || system.stalled("reply").await == READERS).await;
    for mut books in readers {
        let (read, end) = read_on(&mut books).await;
        assert!(read.len() < 20, "{read:?}");
        assert_eq!(end.unwrap().code(), Code::ResourceExhausted);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_paused_for_too_long_is_told_so_and_goes_on_after_what_it_has() {
    const EVENTS: u32 = 60;
    let system = System::start_with(SHORT).await;
    system.fill_with(1, EVENTS as usize, 10 << 10).await;
    let mut books = system
        .narrow()
        .get_events(of_workflow(None))
        .await
        .unwrap()
        .into_inner();
    until(async || system.stalled("reply").await == 1).await;
    let (mut read, end) = read_on(&mut books).await;
    let end = end.unwrap();
    assert_eq!(end.code(), Code::ResourceExhausted);
    assert!(end.message().contains("timeouts.client"), "{end}");
    assert!(end.message().contains("from the sequence after"), "{end}");
    let rest = v1::SequenceRange {
        lower: read.last().unwrap() + 1,
        upper: None,
    };
    let rest = of_workflow(Some(Selection::Range(rest)));
    let mut books = system.narrow().get_events(rest).await.unwrap().into_inner();
    let (rest, end) = read_on(&mut books).await;
    assert!(end.is_none(), "{end:?}");
    read.extend(rest);
    assert_eq!(read, (0..EVENTS).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_that_goes_on_steadily_gets_everything() {
    let system = System::start_with(SHORT).await;
    system.fill_with(1, 20, 100 << 10).await;
    let mut books = system
        .narrow()
        .get_events(of_workflow(None))
        .await
        .unwrap()
        .into_inner();
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    let mut read = Vec::new();
    while let Some(book) = books.message().await.unwrap() {
        read.extend(sequences_of(&book));
        ticks.tick().await;
    }
    assert_eq!(read, (0..20).collect::<Vec<_>>());
    assert_eq!(system.stalled("reply").await, 0);
}

/// Sends the head of a message of some bytes and nothing more.
async fn stop_within_request(mut channel: Channel, method: &str, bytes: u32) -> Response<Body> {
    let mut head = vec![0];
    head.extend(bytes.to_be_bytes());
    let head = stream::iter([Ok::<_, Status>(Frame::data(head.into()))]);
    let request = Request::post(format!("http://localhost/angzarr.v1.{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(StreamBody::new(head.chain(stream::pending()))))
        .unwrap();
    std::future::poll_fn(|context| channel.poll_ready(context))
        .await
        .unwrap();
    channel.call(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_on_beside_requests_that_stop_in_the_middle_and_those_are_ended() {
    let system = System::start_with(SHORT).await;
    system.ask("Add", 1, "before").await.unwrap();
    let stopping = [
        ("EventQuery/GetEvents", 200 << 10, 180),
        ("CommandGateway/Execute", 20 << 20, 4),
        ("BusinessCoordinator/Handle", 20 << 20, 4),
    ];
    let mut stopped = Vec::new();
    for (method, bytes, calls) in stopping {
        let channel = system.place.channel();
        stopped.extend((0..calls).map(|_| stop_within_request(channel.clone(), method, bytes)));
    }
    let (all, stopped) = (stopped.len(), join_all(stopped));
    let others = async {
        // They come when the others hold all.
        until(async || system.stalled("request").await > 0).await;
        assert_eq!(system.stored(1).await.len(), 1);
        system.ask("Add", 1, "beside").await.unwrap();
    };
    let both = timeout(SOON, futures::future::join(stopped, others));
    let (ended, ()) = both.await.unwrap();
    assert_eq!(system.stalled("request").await, all);
    for response in ended {
        let status = Status::from_header_map(response.headers()).unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
        assert!(status.message().contains("timeouts.client"), "{status}");
    }
}
