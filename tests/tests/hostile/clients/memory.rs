//! Floods of large messages: what calls hold stays within its bounds, and everything is served once there is room.

use angzarr_proto::v1;
use angzarr_proto::v1::business_coordinator_client::BusinessCoordinatorClient;
use angzarr_proto::v1::event_query_client::EventQueryClient;
use angzarr_proto::v1::projector_coordinator_client::ProjectorCoordinatorClient;
use angzarr_tests::client::{MOST, command, cover, execute, pages, root};
use angzarr_tests::probe::any;
use futures::future::join_all;
use tonic::Code;

use super::System;

/// What the larger of the budgets allows by default.
const BUDGET: usize = 64 << 20;
/// What a process may grow by: a budget, and some more of them for what is under way, in windows and kept by the allocator. Each flood would take
/// several times as much.
const BOUND: usize = 6 * BUDGET;
const CORRELATION: &str = "flood";

impl System {
    /// Stores events of one root in one workflow.
    pub(super) async fn fill_with(&self, to: u8, events: usize, bytes: usize) {
        for number in 0..events {
            let mut asked = command("Add", root(to), &format!("large-{to}-{number}"));
            asked.pages[0].command = Some(any("Add", vec![1; bytes]));
            asked.cover.as_mut().unwrap().correlation_id = CORRELATION.to_owned();
            execute(self.place.channel(), asked).await.unwrap();
        }
    }

    fn query(&self) -> EventQueryClient<tonic::transport::Channel> {
        EventQueryClient::new(self.place.channel()).max_decoding_message_size(MOST)
    }

    /// The most that the process grew by while something was done.
    async fn growth_during<T>(&self, done: impl Future<Output = T>) -> (T, usize) {
        let before = self.memory_bytes();
        let mut most = before;
        let mut done = std::pin::pin!(done);
        let done = loop {
            let tick = std::pin::pin!(tokio::time::sleep(std::time::Duration::from_millis(5)));
            match futures::future::select(done.as_mut(), tick).await {
                futures::future::Either::Left((done, _)) => break done,
                futures::future::Either::Right(_) => most = most.max(self.memory_bytes()),
            }
        };
        (done, most.max(self.memory_bytes()) - before)
    }
}

pub(super) fn of_workflow(selection: Option<v1::query::Selection>) -> v1::Query {
    v1::Query {
        cover: Some(v1::Cover {
            domain: "tally".to_owned(),
            correlation_id: CORRELATION.to_owned(),
            ..v1::Cover::default()
        }),
        selection,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_a_workflow_that_do_not_read_hold_no_more_than_a_book_each() {
    let system = System::start().await;
    system.fill_with(1, 60, 500 << 10).await;
    let opened = async {
        let opening = (0..20).map(async |_| {
            let mut books = system.query().get_events(of_workflow(None)).await?;
            books.get_mut().message().await?;
            Ok::<_, tonic::Status>(books.into_inner())
        });
        join_all(opening).await
    };
    let (readers, growth) = system.growth_during(opened).await;
    assert!(growth < BOUND, "{growth} bytes");
    for books in readers {
        let mut books = books.unwrap();
        let mut read = 1;
        while books.message().await.unwrap().is_some() {
            read += 1;
        }
        assert_eq!(read, 60);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_books_that_nobody_reads_hold_up_queries_but_no_commands() {
    let system = System::start().await;
    system.fill_with(1, 30, 500 << 10).await;
    // From the first event on, whatever snapshots there are.
    let all = v1::SequenceRange {
        lower: 0,
        upper: None,
    };
    let asked = || v1::Query {
        cover: Some(cover("tally", root(1))),
        selection: Some(v1::query::Selection::Range(all)),
    };
    // All on one connection: their books wait for the room of its window.
    let client = system.query();
    let books = async {
        let reading = (0..60).map(async |_| client.clone().get_event_book(asked()).await);
        join_all(reading).await
    };
    let (books, growth) = system.growth_during(books).await;
    assert!(growth < BOUND, "{growth} bytes");
    for book in books {
        assert_eq!(book.unwrap().into_inner().pages.len(), 30);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selection_of_many_sequences_is_bounded_and_shared_by_all_roots() {
    let system = System::start().await;
    for to in 0..60 {
        system.fill_with(to, 1, 10).await;
    }
    let of = |count: u32| {
        let values = (0..count).collect();
        of_workflow(Some(v1::query::Selection::Sequences(v1::SequenceSet {
            values,
        })))
    };
    let refused = system.query().get_events(of(10_001)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    assert!(refused.message().starts_with("sequences"), "{refused}");
    let flood = async {
        let asking = (0..20).map(async |_| {
            let mut books = system.query().get_events(of(10_000)).await?.into_inner();
            let mut read = 0;
            while books.message().await?.is_some() {
                read += 1;
            }
            Ok::<_, tonic::Status>(read)
        });
        join_all(asking).await
    };
    let (read, growth) = system.growth_during(flood).await;
    assert!(read.into_iter().all(|read| read.unwrap() == 60));
    assert!(growth < BUDGET, "{growth} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_large_hints_is_let_in_as_there_is_room() {
    let system = System::start().await;
    let hint = || v1::EventBook {
        cover: Some(v1::Cover {
            correlation_id: CORRELATION.to_owned(),
            ..cover("tally", root(1))
        }),
        pages: (0..15)
            .map(|number| v1::EventPage {
                sequence: Some(v1::event_page::Sequence::Num(number)),
                created_at: Some(prost_types::Timestamp::default()),
                event: Some(any("Added", vec![1; 1 << 20])),
                position: u64::from(number) + 1,
                ..v1::EventPage::default()
            })
            .collect(),
        next_sequence: 15,
        ..v1::EventBook::default()
    };
    let flood = async {
        let hinting = (0..60).map(async |_| {
            let mut client = ProjectorCoordinatorClient::new(system.place.channel());
            client.handle(hint()).await
        });
        join_all(hinting).await
    };
    let (hinted, growth) = system.growth_during(flood).await;
    for hinted in hinted {
        hinted.unwrap();
    }
    assert!(growth < BOUND, "{growth} bytes");
    system.expect_whole(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_commands_to_long_histories_is_let_in_as_there_is_room() {
    let system = System::start_with("\"timeouts\":{\"command\":\"60s\"}").await;
    for to in 0..4 {
        system.fill_with(to, 4, 1_000 << 10).await;
    }
    // A dry run never waits for the turn of its root.
    let flood = async {
        let trying = (0..60_u8).map(async |number| {
            let request = v1::DryRunRequest {
                command: Some(command("Add", root(number % 4), &format!("try-{number}"))),
                point: Some(v1::dry_run_request::Point::AsOfSequence(3)),
            };
            let mut client = BusinessCoordinatorClient::new(system.place.channel());
            client.dry_run(request).await
        });
        join_all(trying).await
    };
    let (tried, growth) = system.growth_during(flood).await;
    for tried in tried {
        tried.unwrap();
    }
    assert!(growth < BOUND, "{growth} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_and_framing_count_in_histories_and_books() {
    const RECORDS: u32 = 80;
    let system = System::start_with("\"timeouts\":{\"command\":\"60s\"}").await;
    for record in 0..RECORDS {
        let facts = (0..1_000).map(|number| v1::EventPage {
            sequence: Some(v1::event_page::Sequence::Force(true)),
            event: Some(any("Added", vec![1; 3])),
            external_id: format!("{record:0100}{number:0100}"),
            ..v1::EventPage::default()
        });
        let book = v1::EventBook {
            cover: Some(cover("notes", root(1))),
            pages: facts.collect(),
            ..v1::EventBook::default()
        };
        let mut client = BusinessCoordinatorClient::new(system.place.channel());
        client.record(book).await.unwrap();
    }
    let asked = v1::CommandBook {
        cover: Some(cover("notes", root(1))),
        ..command("Add", root(1), "after")
    };
    let refused = execute(system.place.channel(), asked).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(refused.message().contains("historyBytes"), "{refused}");
    let query = v1::Query {
        cover: Some(cover("notes", root(1))),
        selection: None,
    };
    let refused = system.query().get_event_book(query).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.message().contains("GetEvents"), "{refused}");
    let read = pages(system.place.channel(), "notes", root(1)).await;
    assert_eq!(read.unwrap().len(), RECORDS as usize * 1_000);
}
