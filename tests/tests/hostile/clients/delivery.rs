//! Misuse of the streams between sidecars.

use std::time::Duration;

use angzarr_proto::internal::v1::delivered::Message;
use angzarr_proto::internal::v1::delivery_client::DeliveryClient;
use angzarr_proto::internal::v1::subscribe_request::Request as Asked;
use angzarr_proto::internal::v1::subscribe_start::From;
use angzarr_proto::internal::v1::{
    AppendRecord, Credit, Delivered, FetchAppendsRequest, ResumePoint, SubscribeOpened,
    SubscribeRequest, SubscribeStart,
};
use angzarr_tests::client::{cover, root};
use angzarr_tests::sidecar::WITHIN;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::System;

/// How long a test waits to assert that nothing arrives.
const SOON: Duration = Duration::from_millis(300);

/// A subscription whose messages the test sends.
struct Subscribed {
    requests: mpsc::Sender<SubscribeRequest>,
    delivered: Streaming<Delivered>,
}

fn start(from: From, credit: u32) -> Asked {
    Asked::Start(SubscribeStart {
        domain: "tally".to_owned(),
        from: Some(from),
        consumer: "probe/projector/abuser".to_owned(),
        credit,
    })
}

fn credit(appends: u32) -> Asked {
    Asked::Credit(Credit { appends })
}

impl Subscribed {
    async fn send(&self, asked: Asked) {
        let request = SubscribeRequest {
            request: Some(asked),
        };
        self.requests.send(request).await.unwrap();
    }

    /// The next append; other messages are skipped.
    async fn append(&mut self) -> Result<AppendRecord, Status> {
        let coming = async {
            loop {
                let delivered = self.delivered.message().await?;
                match delivered.and_then(|delivered| delivered.message) {
                    Some(Message::Append(append)) => return Ok(append),
                    Some(_) => {}
                    None => return Err(Status::aborted("the subscription ended")),
                }
            }
        };
        timeout(WITHIN, coming).await.expect("it arrives in time")
    }

    /// Asserts that no append arrives for a while.
    async fn expect_nothing(&mut self) {
        assert!(timeout(SOON, self.append()).await.is_err());
    }
}

impl System {
    fn delivery(&self) -> DeliveryClient<tonic::transport::Channel> {
        DeliveryClient::new(self.place.channel())
    }

    async fn subscribe(&self, first: Asked) -> Result<Subscribed, Status> {
        let (requests, sent) = mpsc::channel(16);
        let first = SubscribeRequest {
            request: Some(first),
        };
        requests.send(first).await.unwrap();
        let answered = self.delivery().subscribe(ReceiverStream::new(sent)).await?;
        Ok(Subscribed {
            requests,
            delivered: answered.into_inner(),
        })
    }

    /// Where the log ends, as a subscription from now says it.
    async fn head(&self) -> SubscribeOpened {
        let mut subscribed = self.subscribe(start(From::Now(()), 0)).await.unwrap();
        let opened = subscribed.delivered.message().await.unwrap();
        match opened.and_then(|delivered| delivered.message) {
            Some(Message::Opened(opened)) => opened,
            other => panic!("the subscription did not open: {other:?}"),
        }
    }

    async fn fill(&self) {
        for number in 0..20 {
            let id = format!("fill-{number}");
            self.ask("Add", number % 4, &id).await.unwrap();
        }
    }
}

fn resume(head: &SubscribeOpened) -> ResumePoint {
    ResumePoint {
        position: head.head,
        append_id: head.head_append_id.clone(),
        incarnation: head.incarnation.clone(),
        store_id: head.store_id.clone(),
    }
}

#[tokio::test]
async fn nothing_arrives_without_credit_and_only_existing_appends_with_too_much() {
    let system = System::start().await;
    system.fill().await;
    let mut subscribed = system
        .subscribe(start(From::Beginning(()), 0))
        .await
        .unwrap();
    subscribed.expect_nothing().await;
    subscribed.send(credit(0)).await;
    subscribed.expect_nothing().await;
    subscribed.send(credit(1)).await;
    assert_eq!(subscribed.append().await.unwrap().position, 1);
    subscribed.expect_nothing().await;
    for _ in 0..3 {
        subscribed.send(credit(u32::MAX)).await;
    }
    for position in 2..=20 {
        let append = subscribed.append().await.unwrap();
        assert_eq!(append.position, position);
    }
    subscribed.expect_nothing().await;
}

#[tokio::test]
async fn a_position_of_another_history_is_refused() {
    let system = System::start().await;
    system.fill().await;
    let sound = resume(&system.head().await);
    let spoiled = |spoil: fn(&mut ResumePoint)| {
        let mut point = sound.clone();
        spoil(&mut point);
        point
    };
    let cases = [
        (
            spoiled(|point| point.position += 1),
            Code::FailedPrecondition,
        ),
        (
            spoiled(|point| point.position = u64::MAX),
            Code::FailedPrecondition,
        ),
        (
            spoiled(|point| point.position = 0),
            Code::FailedPrecondition,
        ),
        (
            spoiled(|point| point.position -= 1),
            Code::FailedPrecondition,
        ),
        (
            spoiled(|point| point.append_id = vec![1; 16].into()),
            Code::FailedPrecondition,
        ),
        (
            spoiled(|point| point.incarnation = vec![1; 16].into()),
            Code::FailedPrecondition,
        ),
        (
            spoiled(|point| point.store_id = vec![1; 16].into()),
            Code::FailedPrecondition,
        ),
        (
            spoiled(|point| point.append_id = vec![1; 3].into()),
            Code::InvalidArgument,
        ),
        (
            spoiled(|point| point.incarnation = Vec::new().into()),
            Code::InvalidArgument,
        ),
    ];
    for (point, code) in cases {
        let told = format!("{point:?}");
        let refused = system.subscribe(start(From::Resume(point), 1)).await;
        let refused = refused.err().unwrap_or_else(|| Status::ok(""));
        assert_eq!(refused.code(), code, "{told}: {refused}");
    }
    let subscribed = system.subscribe(start(From::Resume(sound), 1)).await;
    assert!(subscribed.is_ok());
}

#[tokio::test]
async fn an_invalid_subscription_is_refused_with_a_message() {
    let system = System::start().await;
    let of = |domain: &str, consumer: &str| {
        Asked::Start(SubscribeStart {
            domain: domain.to_owned(),
            from: Some(From::Now(())),
            consumer: consumer.to_owned(),
            credit: 1,
        })
    };
    let cases = [
        (credit(1), Code::InvalidArgument),
        (of("nowhere", "probe/projector/a"), Code::NotFound),
        (of("No\0where", "probe/projector/a"), Code::InvalidArgument),
        (of("tally", "nobody"), Code::InvalidArgument),
        (of("tally", ""), Code::InvalidArgument),
    ];
    for (first, code) in cases {
        let refused = system.subscribe(first).await.err().unwrap();
        assert_eq!(refused.code(), code, "{refused}");
        assert!(!refused.message().is_empty());
    }
    let mut twice = system
        .subscribe(start(From::Beginning(()), 1))
        .await
        .unwrap();
    twice.send(start(From::Beginning(()), 1)).await;
    let refused = twice.append().await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(system.head().await.head, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abandoned_subscriptions_leave_nothing_behind() {
    let system = System::start().await;
    system.fill().await;
    let before = system.memory_bytes();
    for _ in 0..10 {
        let opening = (0..100).map(|_| system.subscribe(start(From::Beginning(()), u32::MAX)));
        for subscribed in futures::future::join_all(opening).await {
            drop(subscribed.unwrap());
        }
    }
    let grown = system.memory_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes");
    system.expect_whole(1).await;
}

#[tokio::test]
async fn fetches_beyond_the_end_return_nothing() {
    let system = System::start().await;
    system.fill().await;
    let fetch = |from_sequence, after_position| FetchAppendsRequest {
        store_id: Default::default(),
        incarnation: Default::default(),
        cover: Some(cover("tally", root(1))),
        from_sequence,
        after_position,
        through_position: None,
    };
    for (request, expected) in [
        (fetch(0, 0), 5),
        (fetch(u32::MAX, 0), 0),
        (fetch(0, u64::MAX), 0),
    ] {
        let answered = system.delivery().fetch_appends(request).await;
        let mut records = answered.unwrap().into_inner();
        let mut found = 0;
        while records.message().await.unwrap().is_some() {
            found += 1;
        }
        assert_eq!(found, expected);
    }
}
