//! Requests that are malformed, out of bounds or contradictory.

use std::time::Duration;

use angzarr_proto::v1;
use angzarr_proto::v1::business_coordinator_client::BusinessCoordinatorClient;
use angzarr_proto::v1::command_gateway_client::CommandGatewayClient;
use angzarr_proto::v1::event_query_client::EventQueryClient;
use angzarr_proto::v1::projector_coordinator_client::ProjectorCoordinatorClient;
use angzarr_proto::v1::query::Selection;
use angzarr_proto::v1::temporal_query::Point;
use angzarr_tests::client::{command, cover, execute, root, sequences};
use angzarr_tests::probe::any;
use angzarr_tests::sidecar::until;
use futures::future::join_all;
use tonic::Code;

use super::System;

/// A valid command, made invalid.
fn spoiled(spoil: impl FnOnce(&mut v1::CommandBook)) -> v1::CommandBook {
    let mut book = command("Add", root(1), "spoiled");
    spoil(&mut book);
    book
}

fn rooted(bytes: usize) -> v1::CommandBook {
    spoiled(|book| {
        let cover = book.cover.as_mut().unwrap();
        cover.root = Some(v1::Uuid {
            value: vec![1; bytes].into(),
        });
    })
}

fn of_domain(domain: &str) -> v1::CommandBook {
    spoiled(|book| book.cover.as_mut().unwrap().domain = domain.to_owned())
}

fn with_id(id: &str) -> v1::CommandBook {
    spoiled(|book| book.command_id = id.to_owned())
}

fn with_strategies(strategies: &[i32]) -> v1::CommandBook {
    spoiled(|book| {
        let page = book.pages[0].clone();
        let pages = strategies.iter().map(|strategy| v1::CommandPage {
            merge_strategy: *strategy,
            ..page.clone()
        });
        book.pages = pages.collect();
    })
}

fn sized(pages: usize, bytes: usize) -> v1::CommandBook {
    spoiled(|book| {
        book.pages[0].command = Some(any("Add", vec![1; bytes]));
        book.pages = vec![book.pages[0].clone(); pages];
    })
}

/// The command, its status code, and the text in the message.
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn cases() -> Vec<(v1::CommandBook, Code, &'static str)> {
    use Code::{InvalidArgument, NotFound, Unimplemented};
    let long = "d".repeat(64);
    vec![
        (spoiled(|book| book.cover = None), InvalidArgument, "cover"),
        (
            spoiled(|book| book.cover.as_mut().unwrap().root = None),
            InvalidArgument,
            "cover.root",
        ),
        (rooted(0), InvalidArgument, "cover.root"),
        (rooted(15), InvalidArgument, "cover.root"),
        (rooted(17), InvalidArgument, "cover.root"),
        (of_domain("nowhere"), NotFound, "nowhere"),
        (of_domain(""), InvalidArgument, "cover.domain"),
        (of_domain("-tally"), InvalidArgument, "cover.domain"),
        (of_domain("Tally"), InvalidArgument, "cover.domain"),
        (of_domain("tal\0ly"), InvalidArgument, "cover.domain"),
        (of_domain("tal/ly"), InvalidArgument, "cover.domain"),
        (of_domain("tälly"), InvalidArgument, "cover.domain"),
        (of_domain(&long), InvalidArgument, "cover.domain"),
        (
            spoiled(|book| book.cover.as_mut().unwrap().edition = Some("draft".to_owned())),
            Unimplemented,
            "cover.edition",
        ),
        (
            spoiled(|book| book.cover.as_mut().unwrap().edition = Some("a\nb".to_owned())),
            InvalidArgument,
            "cover.edition",
        ),
        (
            spoiled(|book| book.cover.as_mut().unwrap().correlation_id = "c".repeat(201)),
            InvalidArgument,
            "cover.correlation_id",
        ),
        (
            spoiled(|book| book.cover.as_mut().unwrap().correlation_id = "a\rb".to_owned()),
            InvalidArgument,
            "cover.correlation_id",
        ),
        (with_id(&"i".repeat(201)), InvalidArgument, "command_id"),
        (with_id("a\nb"), InvalidArgument, "command_id"),
        (with_id("a\0"), InvalidArgument, "command_id"),
        (spoiled(|book| book.pages.clear()), InvalidArgument, "pages"),
        (
            spoiled(|book| book.pages[0].command = None),
            InvalidArgument,
            "pages[0].command",
        ),
        (
            spoiled(|book| book.pages[0].command = Some(prost_types::Any::default())),
            InvalidArgument,
            "pages[0].command",
        ),
        (
            with_strategies(&[1, 2]),
            InvalidArgument,
            "pages[1].merge_strategy",
        ),
        (
            with_strategies(&[0, 1]),
            InvalidArgument,
            "pages[1].merge_strategy",
        ),
        (with_strategies(&[99]), InvalidArgument, "merge_strategy"),
        (with_strategies(&[-1]), InvalidArgument, "merge_strategy"),
        (with_strategies(&[3]), Unimplemented, "merge_strategy"),
        (with_strategies(&[4]), Unimplemented, "merge_strategy"),
        (sized(1, 2 << 20), InvalidArgument, "pages[0]"),
        (sized(5, 900 << 10), InvalidArgument, "bytes"),
        (sized(1_001, 1), InvalidArgument, "1001"),
        (sized(30, 900 << 10), Code::OutOfRange, "message length"),
        (
            spoiled(|book| book.saga_origin = Some(v1::SagaCommandOrigin::default())),
            InvalidArgument,
            "saga_origin.triggering_aggregate",
        ),
    ]
}

#[tokio::test]
async fn an_invalid_command_names_the_field_and_stores_nothing() {
    let system = System::start().await;
    let mut wrong = Vec::new();
    for (book, code, says) in cases() {
        for is_gateway in [true, false] {
            let channel = system.place.channel();
            let answer = if is_gateway {
                execute(channel, book.clone()).await
            } else {
                let mut client = BusinessCoordinatorClient::new(channel);
                let handled = client.handle(book.clone()).await;
                handled.map(tonic::Response::into_inner)
            };
            let is_told = answer
                .as_ref()
                .is_err_and(|refused| refused.code() == code && refused.message().contains(says));
            if !is_told {
                wrong.push(format!("{says} for the gateway {is_gateway}: {answer:?}"));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert_eq!(system.stored(1).await, []);
    system.expect_whole(1).await;
}

#[tokio::test]
async fn unknown_modes_are_refused() {
    let system = System::start().await;
    let cases = [(2, Code::Unimplemented), (99, Code::InvalidArgument)];
    for (sync_mode, code) in cases {
        let book = v1::SyncCommandBook {
            command: Some(command("Add", root(1), "mode")),
            sync_mode,
            ..v1::SyncCommandBook::default()
        };
        let mut client = CommandGatewayClient::new(system.place.channel());
        let refused = client.execute_sync(book).await.unwrap_err();
        assert_eq!(refused.code(), code);
        assert!(refused.message().contains("sync_mode"), "{refused}");
    }
    let mut client = CommandGatewayClient::new(system.place.channel());
    let empty = client.execute_sync(v1::SyncCommandBook::default()).await;
    assert_eq!(empty.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(system.stored(1).await, []);
}

fn fact(id: &str) -> v1::EventPage {
    v1::EventPage {
        sequence: Some(v1::event_page::Sequence::Force(true)),
        event: Some(any("Noted", vec![1])),
        external_id: id.to_owned(),
        ..v1::EventPage::default()
    }
}

#[tokio::test]
async fn invalid_facts_name_the_field_and_store_nothing() {
    let system = System::start().await;
    let at = |seconds, nanos| v1::EventPage {
        created_at: Some(prost_types::Timestamp { seconds, nanos }),
        ..fact("a")
    };
    let cases = [
        (vec![fact("")], "external_id"),
        (vec![fact(&"x".repeat(201))], "external_id"),
        (vec![fact("a\0")], "external_id"),
        (vec![], "pages"),
        (
            vec![v1::EventPage {
                event: None,
                ..fact("a")
            }],
            "event",
        ),
        (
            vec![v1::EventPage {
                sequence: None,
                ..fact("a")
            }],
            "pages[0]",
        ),
        (vec![at(i64::MIN, 0)], "created_at"),
        (vec![at(0, 1_000_000_000)], "created_at"),
        (vec![fact("a"); 1_001], "1001"),
    ];
    for (pages, says) in cases {
        let book = v1::EventBook {
            cover: Some(cover("notes", root(1))),
            pages,
            ..v1::EventBook::default()
        };
        let mut client = BusinessCoordinatorClient::new(system.place.channel());
        let refused = client.record(book).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        assert!(refused.message().contains(says), "{refused}");
    }
    let stored = angzarr_tests::client::pages(system.place.channel(), "notes", root(1)).await;
    assert_eq!(stored.unwrap(), []);
}

fn asking(selection: Option<Selection>) -> v1::Query {
    v1::Query {
        cover: Some(cover("tally", root(1))),
        selection,
    }
}

#[tokio::test]
async fn queries_at_the_limits_are_executed_or_refused_with_a_message() {
    let system = System::start().await;
    system.ask("Twice", 1, "a").await.unwrap();
    let temporal = |point| Some(Selection::Temporal(v1::TemporalQuery { point }));
    let range = |lower, upper| Some(Selection::Range(v1::SequenceRange { lower, upper }));
    let set = |values| Some(Selection::Sequences(v1::SequenceSet { values }));
    let time = |seconds, nanos| Some(Point::AsOfTime(prost_types::Timestamp { seconds, nanos }));
    let cases = [
        (temporal(Some(Point::AsOfSequence(u32::MAX))), Some(2)),
        (temporal(time(i64::MAX, i32::MAX)), Some(2)),
        (temporal(time(i64::MIN, i32::MIN)), Some(0)),
        (temporal(None), None),
        (range(0, Some(u32::MAX)), Some(2)),
        (range(u32::MAX, None), Some(0)),
        (range(2, Some(1)), None),
        (set(vec![u32::MAX, 1]), Some(1)),
        (set(vec![]), Some(0)),
    ];
    let mut client = EventQueryClient::new(system.place.channel());
    for (selection, expected) in cases {
        let book = client.get_event_book(asking(selection.clone())).await;
        let found = book.map(|book| book.into_inner().pages.len());
        match expected {
            Some(expected) => assert_eq!(found.unwrap(), expected, "{selection:?}"),
            None => assert_eq!(found.unwrap_err().code(), Code::InvalidArgument),
        }
        let books = client.get_events(asking(selection.clone())).await;
        let is_refused = match books {
            Ok(books) => books.into_inner().message().await.is_err(),
            Err(_) => true,
        };
        assert_eq!(is_refused, expected.is_none(), "{selection:?}");
    }
    for cover in [None, Some(v1::Cover::default())] {
        let nothing = v1::Query {
            cover,
            selection: None,
        };
        let refused = client.get_events(nothing).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn a_book_that_selects_nothing_still_says_where_the_stream_ends() {
    let system = System::start().await;
    system.ask("Twice", 1, "a").await.unwrap();
    let range = |lower, upper| Some(Selection::Range(v1::SequenceRange { lower, upper }));
    let set = |values| Some(Selection::Sequences(v1::SequenceSet { values }));
    let cases = [
        (range(2, None), 2),
        (range(u32::MAX, None), 2),
        (range(7, Some(9)), 2),
        (range(0, Some(0)), 1),
        (set(vec![]), 2),
        (set(vec![5]), 2),
    ];
    let mut client = EventQueryClient::new(system.place.channel());
    for (selection, next_sequence) in cases {
        let book = client.get_event_book(asking(selection.clone())).await;
        let found = book.unwrap().into_inner().next_sequence;
        assert_eq!(found, next_sequence, "{selection:?}");
    }
}

#[tokio::test]
async fn every_query_judges_the_whole_cover() {
    let system = System::start().await;
    system.ask("Twice", 1, "a").await.unwrap();
    let of = |domain: &str, bytes: usize, correlation: &str, edition: Option<&str>| v1::Query {
        cover: Some(v1::Cover {
            domain: domain.to_owned(),
            root: (bytes > 0).then(|| v1::Uuid {
                value: vec![1; bytes].into(),
            }),
            correlation_id: correlation.to_owned(),
            edition: edition.map(str::to_owned),
        }),
        selection: None,
    };
    let mut client = EventQueryClient::new(system.place.channel());
    for domain in ["tally", ""] {
        let cases = [
            (of(domain, 16, "", Some("draft")), Code::Unimplemented),
            (of(domain, 0, "c", Some("draft")), Code::Unimplemented),
            (of(domain, 16, "c", Some("draft")), Code::Unimplemented),
            (of(domain, 3, "", None), Code::InvalidArgument),
            (of(domain, 3, "c", None), Code::InvalidArgument),
            (of(domain, 16, "c\0", None), Code::InvalidArgument),
            (of(domain, 0, "c\0", None), Code::InvalidArgument),
        ];
        for (query, code) in cases {
            let refused = client.get_events(query.clone()).await;
            assert_eq!(
                refused.err().map(|refused| refused.code()),
                Some(code),
                "{query:?}"
            );
            if query.cover.as_ref().unwrap().root.is_some() && domain == "tally" {
                let refused = client.get_event_book(query.clone()).await;
                assert_eq!(refused.unwrap_err().code(), code, "{query:?}");
            }
        }
    }
    let mut hints = ProjectorCoordinatorClient::new(system.place.channel());
    let hint = v1::EventBook {
        cover: of("tally", 16, "", Some("draft")).cover,
        ..v1::EventBook::default()
    };
    let refused = hints.handle_sync(hint).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented, "{refused}");
}

#[tokio::test]
async fn a_stored_command_is_repeated_under_lower_limits() {
    let system = System::start().await;
    let stored = system.ask("Twice", 1, "before").await.unwrap();
    let mut two = command("Add", root(1), "pages");
    two.pages.push(two.pages[0].clone());
    let pages = execute(system.place.channel(), two.clone()).await.unwrap();
    let before = system.place.status().await["routing"]["hash"].clone();
    system.place.route(
        "{\"schemaVersion\":1,\"limits\":{\"appendPages\":1,\"pageBytes\":8,\"appendBytes\":8}}",
    );
    until(async || system.place.status().await["routing"]["hash"] != before).await;
    until(async || system.ask("Add", 2, "after").await.is_err()).await;
    let again = system.ask("Twice", 1, "before").await.unwrap();
    assert_eq!(sequences(&again), sequences(&stored));
    let again = execute(system.place.channel(), two.clone()).await.unwrap();
    assert_eq!(sequences(&again), sequences(&pages));
    two.command_id = "other".to_owned();
    let refused = execute(system.place.channel(), two).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    assert_eq!(system.stored(2).await, []);
}

#[tokio::test]
async fn a_dry_run_beyond_the_end_is_refused() {
    let system = System::start().await;
    system.ask("Twice", 1, "a").await.unwrap();
    let mut client = BusinessCoordinatorClient::new(system.place.channel());
    for point in [2, u32::MAX] {
        let request = v1::DryRunRequest {
            command: Some(command("Add", root(1), "tried")),
            point: Some(v1::dry_run_request::Point::AsOfSequence(point)),
        };
        let refused = client.dry_run(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        assert!(refused.message().contains("as_of_sequence"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_payloads_under_one_id_one_takes_effect_and_the_other_is_refused() {
    let system = System::start().await;
    let attempts = (0..32).map(|number| {
        let name = if number % 2 == 0 { "Add" } else { "Twice" };
        system.ask(name, 1, "same")
    });
    let answers = join_all(attempts).await;
    let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), refused.len()), (16, 16));
    let first = sequences(done[0].as_ref().unwrap());
    for answer in done {
        assert_eq!(sequences(&answer.unwrap()), first);
    }
    for answer in refused {
        assert_eq!(answer.unwrap_err().code(), Code::InvalidArgument);
    }
    assert_eq!(system.stored(1).await.len(), first.len());
}

#[tokio::test]
async fn deadlines_of_zero_store_nothing_partially_and_free_the_root() {
    let system = System::start().await;
    let mut client = CommandGatewayClient::new(system.place.channel());
    for millis in [0, 0, 1, 1, 2, 5] {
        let id = format!("hasty-{millis}");
        let mut request = tonic::Request::new(command("Twice", root(1), &id));
        request.set_timeout(Duration::from_millis(millis));
        if let Err(status) = client.execute(request).await {
            let is_open = matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled);
            assert!(is_open, "{status}");
        }
    }
    let again = system.ask("Twice", 1, "hasty-0").await.unwrap();
    assert_eq!(sequences(&again).len(), 2);
    assert_eq!(system.stored(1).await.len() % 2, 0);
    system.expect_whole(1).await;
}
