//! Commands through a real sidecar, its store, its consumers and a second sidecar.

use angzarr_proto::v1;
use angzarr_proto::v1::business_coordinator_client::BusinessCoordinatorClient;
use angzarr_proto::v1::command_gateway_client::CommandGatewayClient;
use angzarr_proto::v1::event_query_client::EventQueryClient;
use angzarr_tests::client::{command, cover, execute, execute_simple, pages, root, sequences};
use angzarr_tests::probe::{Probes, Tally, any, number};
use angzarr_tests::sidecar::{Place, Process, until};
use prost::Message;
use tonic::Code;

use crate::PROGRAM;

struct System {
    place: Place,
    process: Process,
    probes: Probes,
}

impl System {
    async fn start() -> Self {
        let probes = Probes::start().await;
        let place = Place::new(PROGRAM, &probes.components());
        place.route(
            "{\"schemaVersion\":1,\"delivery\":{\"maxAttempts\":2,\"backoffInitial\":\"10ms\"},\"timeouts\":{\"command\":\"3s\"}}",
        );
        let process = place.start_ready().await;
        Self {
            place,
            process,
            probes,
        }
    }

    /// A sidecar without the domain, which has a route to it.
    async fn neighbour(&self) -> (Place, Process) {
        let place = Place::new(PROGRAM, &self.probes.bystander());
        place.route_to(&self.place);
        let process = place.start_ready().await;
        (place, process)
    }

    async fn add(
        &self,
        name: &str,
        number: u8,
        id: &str,
    ) -> Result<v1::CommandResponse, tonic::Status> {
        execute(self.place.channel(), command(name, root(number), id)).await
    }
}

#[tokio::test]
async fn a_command_is_recorded_and_read_back() {
    let system = System::start().await;
    let answer = system.add("Twice", 1, "first").await.unwrap();
    assert_eq!(sequences(&answer), [0, 1]);
    let receipt = answer.receipt.unwrap();
    assert_eq!(receipt.position, 2);
    assert!(!receipt.replayed);
    let read = pages(system.place.channel(), "tally", root(1))
        .await
        .unwrap();
    assert_eq!(read, answer.events.unwrap().pages);
}

#[tokio::test]
async fn a_repeat_gets_the_first_result_even_after_a_crash() {
    let System {
        place,
        process,
        probes: _probes,
    } = System::start().await;
    let first = execute(place.channel(), command("Add", root(1), "once"))
        .await
        .unwrap();
    process.kill().await;
    let _process = place.start_ready().await;
    let again = execute(place.channel(), command("Add", root(1), "once"))
        .await
        .unwrap();
    assert_eq!(again.events, first.events);
    assert!(again.receipt.unwrap().replayed);
    let other = execute(place.channel(), command("Twice", root(1), "once"))
        .await
        .unwrap_err();
    assert_eq!(other.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_stale_sequence_conflicts_with_both_numbers_in_the_detail() {
    let system = System::start().await;
    system.add("Twice", 1, "first").await.unwrap();
    let mut stale = command("Add", root(1), "stale");
    stale.pages[0].merge_strategy = v1::MergeStrategy::Strict.into();
    stale.pages[0].sequence = 1;
    let refused = execute(system.place.channel(), stale).await.unwrap_err();
    assert_eq!(refused.code(), Code::Aborted);
    assert_eq!(
        refused.metadata().get("x-angzarr-command-id").unwrap(),
        "stale"
    );
    let status = tonic_types_status(&refused);
    let conflict = v1::SequenceConflict::decode(&status.value[..]).unwrap();
    assert_eq!((conflict.expected, conflict.actual), (1, 2));
}

/// The first detail of a status.
fn tonic_types_status(status: &tonic::Status) -> prost_types::Any {
    #[derive(Clone, PartialEq, Message)]
    struct Rich {
        #[prost(message, repeated, tag = "3")]
        details: Vec<prost_types::Any>,
    }
    Rich::decode(status.details()).unwrap().details.remove(0)
}

#[tokio::test]
async fn logic_that_refuses_or_breaks_the_contract_stores_nothing() {
    let system = System::start().await;
    let cases = [
        ("Refuse", Code::FailedPrecondition, "the counter refuses"),
        ("Odd", Code::Unknown, "does not know"),
        ("Away", Code::Unavailable, "is away"),
        ("Gap", Code::Internal, "sequence"),
        ("Elsewhere", Code::Internal, "root"),
        ("Huge", Code::Internal, "bytes"),
    ];
    for (name, code, says) in cases {
        let refused = system.add(name, 1, name).await.unwrap_err();
        assert_eq!(refused.code(), code, "{name}: {refused}");
        assert!(refused.message().contains(says), "{name}: {refused}");
    }
    let hung = system.add("Hang", 2, "hang").await.unwrap_err();
    assert!(
        matches!(hung.code(), Code::Unavailable | Code::DeadlineExceeded),
        "{hung}"
    );
    for number in [1, 2] {
        assert_eq!(
            pages(system.place.channel(), "tally", root(number))
                .await
                .unwrap(),
            []
        );
    }
}

#[tokio::test]
async fn a_cancelled_call_frees_its_root() {
    let system = System::start().await;
    let impatient = std::time::Duration::from_millis(200);
    let given_up = tokio::time::timeout(impatient, system.add("Hang", 1, "hang")).await;
    assert!(given_up.is_err());
    let answer = system.add("Add", 1, "next").await.unwrap();
    assert_eq!(sequences(&answer), [0]);
}

#[tokio::test]
async fn repeats_during_the_first_attempt_take_effect_once() {
    let system = System::start().await;
    let repeats = (0..16).map(|_| system.add("Twice", 1, "same"));
    let answers: Vec<_> = futures::future::try_join_all(repeats).await.unwrap();
    let replayed = answers
        .iter()
        .filter(|answer| answer.receipt.as_ref().unwrap().replayed);
    assert_eq!(replayed.count(), 15);
    for answer in &answers {
        assert_eq!(sequences(answer), [0, 1]);
    }
}

#[tokio::test]
async fn bad_requests_name_the_field() {
    let system = System::start().await;
    let mut short = command("Add", root(1), "a");
    short.cover.as_mut().unwrap().root = Some(v1::Uuid {
        value: vec![1; 15].into(),
    });
    let mut bare = command("Add", root(1), "b");
    bare.cover = None;
    let mut empty = command("Add", root(1), "c");
    empty.pages.clear();
    let mut large = command("Add", root(1), "d");
    large.pages[0].command = Some(any("Add", vec![0; 2 << 20]));
    let mut foreign = command("Add", root(1), "e");
    foreign.cover.as_mut().unwrap().domain = "nowhere".to_owned();
    let mut branch = command("Add", root(1), "f");
    branch.cover.as_mut().unwrap().edition = Some("draft".to_owned());
    let cases = [
        (short, Code::InvalidArgument, "root"),
        (bare, Code::InvalidArgument, "cover"),
        (empty, Code::InvalidArgument, "pages"),
        (large, Code::InvalidArgument, "pages[0]"),
        (foreign, Code::NotFound, "nowhere"),
        (branch, Code::Unimplemented, "edition"),
    ];
    for (book, code, says) in cases {
        let refused = execute(system.place.channel(), book).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        assert!(refused.message().contains(says), "{refused}");
    }
    assert_eq!(
        pages(system.place.channel(), "tally", root(1))
            .await
            .unwrap(),
        []
    );
}

#[tokio::test]
async fn simple_mode_returns_the_projections() {
    let system = System::start().await;
    for expected in 1..=3_u64 {
        let id = format!("command-{expected}");
        let answer = execute_simple(system.place.channel(), command("Add", root(1), &id))
            .await
            .unwrap();
        assert_eq!(answer.reaction_errors, []);
        assert_eq!(answer.receipt.unwrap().consumers_reached, ["ledger"]);
        let projected = answer.projections[0].projection.as_ref().unwrap();
        assert_eq!(number(projected), expected);
    }
    assert_eq!(system.probes.ledger.faults(), [""; 0]);
}

#[tokio::test]
async fn a_saga_commands_once_per_append() {
    let system = System::start().await;
    for id in ["a", "b", "c", "a"] {
        system.add("Twice", 1, id).await.unwrap();
    }
    until(async || {
        pages(system.place.channel(), "mirror", root(1))
            .await
            .unwrap()
            .len()
            == 3
    })
    .await;
}

#[tokio::test]
async fn any_sidecar_reaches_any_domain() {
    let system = System::start().await;
    let (place, _process) = system.neighbour().await;
    let answer = execute_simple(place.channel(), command("Twice", root(1), "through"))
        .await
        .unwrap();
    assert_eq!(answer.receipt.unwrap().consumers_reached, ["ledger"]);
    assert_eq!(
        pages(place.channel(), "tally", root(1))
            .await
            .unwrap()
            .len(),
        2
    );
    let query = v1::Query {
        cover: Some(cover("tally", root(1))),
        selection: None,
    };
    let book = EventQueryClient::new(place.channel())
        .get_event_book(query)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(book.next_sequence, 2);
    let own = BusinessCoordinatorClient::new(place.channel())
        .handle(command("Add", root(1), "own"))
        .await;
    assert_eq!(own.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn facts_are_recorded_once() {
    let system = System::start().await;
    let mut tally = Tally::default();
    let (one, two) = (tally.add(b"one"), tally.add(b"two"));
    let fact = |id: &str, event: &prost_types::Any| v1::EventPage {
        sequence: Some(v1::event_page::Sequence::Force(true)),
        event: Some(event.clone()),
        external_id: id.to_owned(),
        ..v1::EventPage::default()
    };
    let book = |pages: Vec<v1::EventPage>| v1::EventBook {
        cover: Some(cover("tally", root(1))),
        pages,
        ..v1::EventBook::default()
    };
    let mut client = BusinessCoordinatorClient::new(system.place.channel());
    let first = client
        .record(book(vec![fact("x", &one)]))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(sequences(&first), [0]);
    let second = client
        .record(book(vec![fact("x", &one), fact("y", &two)]))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(sequences(&second), [1]);
    assert_eq!(second.receipt.unwrap().known_external_ids, ["x"]);
    let other = client
        .record(book(vec![fact("x", &two)]))
        .await
        .unwrap_err();
    assert_eq!(other.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_dry_run_at_a_sequence_stores_nothing() {
    let system = System::start().await;
    system.add("Twice", 1, "first").await.unwrap();
    let mut client = BusinessCoordinatorClient::new(system.place.channel());
    for (point, expected) in [(None, 2), (Some(0), 1)] {
        let request = v1::DryRunRequest {
            command: Some(command("Add", root(1), "tried")),
            point: point.map(v1::dry_run_request::Point::AsOfSequence),
        };
        let answer = client.dry_run(request).await.unwrap().into_inner();
        assert_eq!(sequences(&answer), [expected]);
        assert_eq!(answer.receipt, None);
    }
    assert_eq!(
        pages(system.place.channel(), "tally", root(1))
            .await
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn a_selection_reads_what_it_names() {
    use v1::query::Selection;
    let system = System::start().await;
    for id in ["a", "b", "c"] {
        system.add("Twice", 1, id).await.unwrap();
    }
    let cases = [
        (
            Selection::Range(v1::SequenceRange {
                lower: 1,
                upper: Some(2),
            }),
            2,
        ),
        (
            Selection::Range(v1::SequenceRange {
                lower: 4,
                upper: None,
            }),
            2,
        ),
        (
            Selection::Sequences(v1::SequenceSet {
                values: vec![5, 0, 99],
            }),
            2,
        ),
        (
            Selection::Temporal(v1::TemporalQuery {
                point: Some(v1::temporal_query::Point::AsOfSequence(3)),
            }),
            4,
        ),
    ];
    let mut client = EventQueryClient::new(system.place.channel());
    for (selection, expected) in cases {
        let query = v1::Query {
            cover: Some(cover("tally", root(1))),
            selection: Some(selection.clone()),
        };
        let mut books = client.get_events(query).await.unwrap().into_inner();
        let mut found = 0;
        while let Some(book) = books.message().await.unwrap() {
            found += book.pages.len();
        }
        assert_eq!(found, expected, "{selection:?}");
    }
    let mut roots = client.get_aggregate_roots(()).await.unwrap().into_inner();
    let mut heads = Vec::new();
    while let Some(root) = roots.message().await.unwrap() {
        heads.push((root.domain, root.next_sequence));
    }
    assert!(heads.contains(&("tally".to_owned(), 6)), "{heads:?}");
}

#[tokio::test]
async fn a_poisoned_root_is_parked_alone_and_replayed_on_request() {
    let system = System::start().await;
    system.probes.ledger.poison(Some(root(1)));
    system.add("Add", 1, "a").await.unwrap();
    system.add("Add", 2, "b").await.unwrap();
    until(async || system.probes.ledger.count(&root(2)) == 1).await;
    until(async || {
        system
            .place
            .ask(&["parked", "list"])
            .await
            .1
            .contains("does not take this root")
    })
    .await;
    system.add("Add", 1, "c").await.unwrap();
    system.probes.ledger.poison(None);
    let named = "tally/01010101-0101-0101-0101-010101010101";
    let words = ["parked", "replay", named, "--consumer", "ledger"];
    let (status, said) = system.place.ask(&words).await;
    assert!(status.success(), "{said}");
    until(async || system.probes.ledger.count(&root(1)) == 2).await;
    assert_eq!(system.probes.ledger.faults(), [""; 0]);
}

#[tokio::test]
async fn a_parked_root_is_named_as_it_is_listed_or_by_its_uuid() {
    let system = System::start().await;
    system.probes.ledger.poison(Some(root(1)));
    system.add("Add", 1, "a").await.unwrap();
    let (uuid, listed) = (
        "01010101-0101-0101-0101-010101010101",
        "tally/01010101-0101-0101-0101-010101010101",
    );
    until(async || {
        let (_, said) = system.place.ask(&["parked", "list"]).await;
        said.contains(&format!(" {listed} "))
    })
    .await;
    let old = "tally/angzarr/01010101-0101-0101-0101-010101010101";
    let without_dashes = "01010101010101010101010101010101";
    for named in [uuid, without_dashes, listed, old] {
        let words = ["parked", "show", named, "--consumer", "ledger"];
        let (status, said) = system.place.ask(&words).await;
        assert!(status.success(), "{named}: {said}");
        assert!(said.contains(&format!("root      {listed}\n")), "{said}");
    }
    system.probes.ledger.poison(None);
    let words = ["parked", "replay", uuid, "--consumer", "ledger"];
    let (status, said) = system.place.ask(&words).await;
    assert!(status.success(), "{said}");
    assert_eq!(said, format!("{listed} is back; its next sequence is 1.\n"));
}

#[tokio::test]
async fn what_is_missing_to_name_a_parked_root_is_said() {
    let system = System::start().await;
    let (uuid, listed) = (
        "01010101-0101-0101-0101-010101010101",
        "tally/01010101-0101-0101-0101-010101010101",
    );
    let cases: [(&[&str], &str); 6] = [
        (
            &["show", uuid],
            "say which consumer is meant, with --consumer",
        ),
        (
            &[
                "replay",
                "02020202-0202-0202-0202-020202020202",
                "--consumer",
                "ledger",
            ],
            "02020202-0202-0202-0202-020202020202 is not parked for projector/ledger",
        ),
        (
            &["replay", "heron", "--consumer", "ledger"],
            "\"heron\" names no root: it is neither a UUID nor has it a domain; write domain/root",
        ),
        (
            &["skip", "tally/7", "--sequence", "0", "--consumer", "ledger"],
            "\"tally/7\" names no root: the root is not a UUID; write domain/root",
        ),
        (
            &["resend", uuid],
            "is a root; resend and discard take the ID of a refused command",
        ),
        (
            &["discard", listed],
            "is a root; resend and discard take the ID of a refused command",
        ),
    ];
    for (words, expected) in cases {
        let (status, said) = system.place.ask(&[&["parked"], words].concat()).await;
        assert!(!status.success(), "{words:?}: {said}");
        assert!(said.contains(expected), "{words:?}: {said}");
    }
}

#[tokio::test]
async fn unimplemented_rpcs_return_a_message() {
    let system = System::start().await;
    let mut gateway = CommandGatewayClient::new(system.place.channel());
    let refused = gateway
        .execute_stream(command("Add", root(1), "a"))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    assert!(refused.message().contains("not served yet"), "{refused}");
}

#[tokio::test]
async fn a_drain_ends_the_process_and_loses_nothing() {
    let System {
        place,
        process,
        probes: _probes,
    } = System::start().await;
    execute(place.channel(), command("Add", root(1), "a"))
        .await
        .unwrap();
    assert!(process.terminate().await.success());
    let process = place.start_ready().await;
    let (status, said) = place.ask(&["drain"]).await;
    assert!(status.success(), "{said}");
    assert!(said.contains("drained"), "{said}");
    let refused = execute(place.channel(), command("Add", root(1), "b"))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(process.terminate().await.success());
    let _process = place.start_ready().await;
    assert_eq!(
        pages(place.channel(), "tally", root(1))
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn an_invalid_routing_never_unloads_a_good_one() {
    let system = System::start().await;
    let (place, _process) = system.neighbour().await;
    place.route("{\"schemaVersion\":1,\"ownars\":{}}");
    until(async || place.status().await.to_string().contains("ownars")).await;
    execute(place.channel(), command("Add", root(1), "still"))
        .await
        .unwrap();
}
