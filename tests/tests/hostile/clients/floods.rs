//! Too many calls, cancelled calls, readers that do not read.

use std::collections::BTreeSet;
use std::time::Duration;

use angzarr_proto::v1;
use angzarr_proto::v1::business_coordinator_client::BusinessCoordinatorClient;
use angzarr_proto::v1::event_query_client::EventQueryClient;
use angzarr_tests::client::{command, cover, execute, root, sequences};
use angzarr_tests::probe::any;
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::Code;

use super::System;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_cancelled_at_any_stage_are_stored_completely_or_not_at_all() {
    let system = System::start().await;
    let mut random = StdRng::seed_from_u64(7);
    let channel = system.place.channel();
    let mut calls = JoinSet::new();
    for number in 0..600 {
        let name = ["Twice", "Twice", "Twice", "Hang"][number % 4];
        let to = root(u8::try_from(number % 3).unwrap());
        let asked = command(name, to, &format!("given-up-{number}"));
        let patience = Duration::from_micros(random.random_range(0..40_000));
        let channel = channel.clone();
        // Their outcome is checked with the stored events.
        calls.spawn(async move { timeout(patience, execute(channel, asked)).await.is_ok() });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap();
    }
    for number in 0..3 {
        system.expect_whole(number).await;
        let stored = system.stored(number).await;
        let events = stored.iter().map(|page| page.event.as_ref().unwrap());
        let notes: Vec<_> = events.map(angzarr_tests::probe::note).collect();
        let commands = notes.chunk_by(|one, next| one == next);
        for command in commands.filter(|command| command[0].starts_with(b"given-up")) {
            assert_eq!(command.len(), 2, "a command is stored completely");
        }
        let distinct: BTreeSet<_> = notes.iter().collect();
        let runs = notes.chunk_by(|one, next| one == next).count();
        assert_eq!(distinct.len(), runs, "a command is stored once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_at_once_are_bounded_and_leave_nothing_behind() {
    const CONNECTIONS: usize = 100;
    let system = System::start_with(
        "\"timeouts\":{\"command\":\"3s\"},\"limits\":{\"inFlight\":500,\"inFlightPerRoot\":50}",
    )
    .await;
    system.ask("Add", 1, "before").await.unwrap();
    let before = system.memory_bytes();
    let connections = (0..CONNECTIONS).map(|_| system.place.channel());
    let connections: Vec<_> = connections.collect();
    let calls = (0..10_000_usize).map(|number| {
        let to = root(u8::try_from(number % 200).unwrap());
        let asked = command("Hang", to, &format!("flood-{number}"));
        execute(connections[number % CONNECTIONS].clone(), asked)
    });
    let codes: Vec<_> = join_all(calls)
        .await
        .into_iter()
        .map(|answer| answer.unwrap_err().code())
        .collect();
    let refused = codes
        .iter()
        .filter(|code| **code == Code::ResourceExhausted);
    assert!(
        refused.count() > 1_000,
        "calls beyond the limit are refused"
    );
    let open = |code: &Code| {
        matches!(
            code,
            Code::ResourceExhausted | Code::Unavailable | Code::DeadlineExceeded
        )
    };
    assert!(codes.iter().all(open), "nothing else happens");
    let grown = system.memory_bytes().saturating_sub(before);
    assert!(grown < 256 << 20, "{grown} bytes");
    for number in 0..200 {
        let answer = system.ask("Add", number, "after").await.unwrap();
        assert_eq!(sequences(&answer).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_root_with_too_many_waiting_calls_refuses_the_rest() {
    let system =
        System::start_with("\"timeouts\":{\"command\":\"3s\"},\"limits\":{\"inFlightPerRoot\":10}")
            .await;
    let hung = system.ask("Hang", 1, "hung");
    let crowd = async {
        let crowd = (0..100).map(|number| async move { number });
        let numbers = join_all(crowd).await;
        let ids: Vec<_> = numbers
            .iter()
            .map(|number| format!("crowd-{number}"))
            .collect();
        let calls = ids.iter().map(|id| system.ask("Add", 1, id));
        join_all(calls).await
    };
    let (hung, answers) = tokio::join!(hung, crowd);
    assert!(hung.is_err());
    let refused = answers.iter().filter(|answer| {
        let code = answer.as_ref().err().map(tonic::Status::code);
        code == Some(Code::ResourceExhausted)
    });
    assert!(refused.count() >= 80);
    system.expect_whole(1).await;
    assert!(system.ask("Add", 2, "other").await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dry_runs_count_as_in_flight() {
    let system =
        System::start_with("\"timeouts\":{\"command\":\"3s\"},\"limits\":{\"inFlight\":5}").await;
    let tries = (0..20).map(async |number| {
        let request = v1::DryRunRequest {
            command: Some(command("Hang", root(1), &format!("tried-{number}"))),
            point: None,
        };
        let mut client = BusinessCoordinatorClient::new(system.place.channel());
        client.dry_run(request).await.unwrap_err().code()
    });
    let codes = join_all(tries).await;
    let refused = codes
        .iter()
        .filter(|code| **code == Code::ResourceExhausted);
    assert_eq!(refused.count(), 15);
    system.expect_whole(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_do_not_read_cost_no_memory() {
    const EVENTS: usize = 40;
    let system = System::start().await;
    for number in 0..EVENTS {
        let mut asked = command("Add", root(1), &format!("large-{number}"));
        asked.pages[0].command = Some(any("Add", vec![1; 500 << 10]));
        execute(system.place.channel(), asked).await.unwrap();
    }
    let before = system.memory_bytes();
    let mut readers = Vec::new();
    for _ in 0..30 {
        let query = v1::Query {
            cover: Some(cover("tally", root(1))),
            selection: None,
        };
        let mut client = EventQueryClient::new(system.place.channel());
        let mut books = client.get_events(query).await.unwrap().into_inner();
        assert!(books.message().await.unwrap().is_some());
        readers.push(books);
    }
    angzarr_tests::sidecar::always(Duration::from_millis(500), async || {
        // Two books and two windows each, far less than the stream itself.
        system.memory_bytes().saturating_sub(before) < 30 * (6 << 20)
    })
    .await;
    for mut books in readers {
        let mut read = 1;
        while books.message().await.unwrap().is_some() {
            read += 1;
        }
        assert!(read > EVENTS / 4);
    }
    system.expect_whole(1).await;
}
