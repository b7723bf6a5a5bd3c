//! All parked roots together: `parked replay --all` and `parked skip --all`.

use std::time::Duration;

use angzarr_tests::crowd::{Crowd, member, title};
use angzarr_tests::probe::Behaviour;
use angzarr_tests::sidecar::until;

use crate::PROGRAM;

const ROOTS: u16 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_roots_are_replayed_and_the_one_that_fails_again_stays() {
    let crowd = Crowd::park(PROGRAM, ROOTS, 2).await;
    let journal = &crowd.probes.journal;
    journal.behave(Behaviour::Refuses(member(7)));
    let (status, said) = crowd.ask(&["replay", "--all"]).await;
    assert_eq!(status.code(), Some(1), "{said}");
    let expected = [
        "projector/journal: replayed 99, failed 1, gone 0, changed 0 so far\n".to_owned(),
        "replayed 299, failed 1, gone 0, changed 0\n".to_owned(),
        "FAILED_PRECONDITION: the ledger does not take this root".to_owned(),
        "1 of 300 roots failed and stay parked".to_owned(),
        format!("1       {}", title(7)),
    ];
    for expected in expected {
        assert!(said.contains(&expected), "{expected}: {said}");
    }
    let takes = (0..ROOTS).filter(|number| journal.count(&member(*number)) == 2);
    assert_eq!(takes.count(), 299);
    assert_eq!(crowd.parked().await, 1);

    journal.behave(Behaviour::Takes);
    let (status, said) = crowd.ask(&["replay", "--all", "--json"]).await;
    assert!(status.success(), "{said}");
    assert!(said.contains("\"replayed\": 1,"), "{said}");
    assert_eq!(journal.faults(), [""; 0]);
    let (status, said) = crowd.ask(&["replay", "--all"]).await;
    assert!(
        status.success() && said == "Nothing that is parked matches.\n",
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_root_that_somebody_else_brings_back_meanwhile_is_left_alone() {
    let crowd = Crowd::park(PROGRAM, 90, 1).await;
    let journal = &crowd.probes.journal;
    journal.behave(Behaviour::Delays(Duration::from_millis(50)));
    let all = ["replay", "--all", "--concurrency", "1"];
    let other = async {
        until(async || journal.count(&member(0)) == 1).await;
        crowd.ask(&["replay", &title(89)]).await
    };
    let ((status, said), (_, other)) = tokio::join!(crowd.ask(&all), other);
    assert_eq!(
        other,
        format!("{} is back; its next sequence is 1.\n", title(89))
    );
    assert!(status.success(), "{said}");
    let gone = format!(
        "{} is not parked at sequence 0 any more; it was left as it is\n",
        title(89)
    );
    assert!(said.contains(&gone), "{said}");
    assert!(
        said.contains("replayed 89, failed 0, gone 1, changed 0\n"),
        "{said}"
    );
    assert_eq!(crowd.parked().await, 0);
    assert_eq!(journal.faults(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_root_that_is_parked_elsewhere_than_it_was_seen_is_not_touched() {
    let crowd = Crowd::park(PROGRAM, 1, 3).await;
    crowd.probes.journal.behave(Behaviour::Takes);
    let root = title(0);
    let seen = [
        format!("/parked/replay?root={root}&seen=1"),
        format!("/parked/skip?root={root}&seen=1&sequence=1"),
        format!("/parked/skip?root={root}&seen=1&sequence=0"),
    ];
    for path in seen {
        let answer = crowd.place.ask_http("POST", &path).await;
        assert!(answer.contains("409 Conflict"), "{answer}");
        assert!(answer.contains("\"untouched\":\"changed\""), "{answer}");
        assert!(
            answer.contains("is parked at sequence 0, not at 1 any more"),
            "{answer}"
        );
    }
    assert_eq!(crowd.parked().await, 1);
    assert_eq!(crowd.probes.journal.count(&member(0)), 0);
    let path = format!("/parked/replay?root={root}&seen=0");
    for expected in ["200 OK", "\"untouched\":\"gone\""] {
        let answer = crowd.place.ask_http("POST", &path).await;
        assert!(answer.contains(expected), "{answer}");
    }
    assert_eq!(crowd.probes.journal.count(&member(0)), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn skipping_every_root_has_to_be_meant_and_leaves_out_one_append_of_each() {
    let crowd = Crowd::park(PROGRAM, 120, 2).await;
    let journal = &crowd.probes.journal;
    journal.behave(Behaviour::Takes);
    let (status, said) = crowd.ask(&["skip", "--all"]).await;
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("add --yes"), "{said}");
    let (status, said) = crowd.ask(&["skip", "--all", "--dry-run"]).await;
    assert!(status.success(), "{said}");
    let line = format!(
        "skip    projector/journal  {}  0         INTERNAL: ",
        title(119)
    );
    assert!(said.contains(&line), "{said}");
    assert!(said.ends_with("120 roots; nothing was done.\n"), "{said}");
    assert_eq!(crowd.parked().await, 120);
    assert_eq!(journal.faults(), [""; 0]);

    let (status, said) = crowd.ask(&["skip", "--all", "--yes"]).await;
    assert!(status.success(), "{said}");
    let counts = "skipped 120, replayed 0, failed 0, gone 0, changed 0\n";
    assert!(said.contains(counts), "{said}");
    assert_eq!(crowd.parked().await, 0);
    let mut missed = journal.faults();
    missed.sort();
    let missing = |number| format!("sequence 1 of {:?} came, 0 is missing", member(number));
    let mut expected: Vec<_> = (0..120).map(missing).collect();
    expected.sort();
    assert_eq!(missed, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_and_limits_choose_roots() {
    let crowd = Crowd::park(PROGRAM, 6, 1).await;
    crowd.probes.journal.behave(Behaviour::Takes);
    let nothing = "Nothing that is parked matches.\n";
    for filter in [["--domain", "tall"], ["--code", "aborted"]] {
        let words = [&["skip", "--all"][..], &filter].concat();
        let (status, said) = crowd.ask(&words).await;
        assert!(status.success() && said == nothing, "{filter:?}: {said}");
    }
    let wrong: [(&[&str], &str); 8] = [
        (&["replay"], "<ROOT>"),
        (&["replay", "--all", "tally/1"], "cannot be used with"),
        (&["skip", "--all", "--sequence", "0"], "cannot be used with"),
        (&["skip", &title(0)], "--sequence"),
        (&["replay", "--domain", "tally"], "--all"),
        (
            &["replay", "--all", "--code", "BROKEN"],
            "FAILED_PRECONDITION",
        ),
        (&["replay", "--all", "--limit", "0"], "--limit"),
        (&["replay", "--all", "--after", &title(1)], "--consumer"),
    ];
    for (words, expected) in wrong {
        let (status, said) = crowd.ask(words).await;
        assert!(
            !status.success() && said.contains(expected),
            "{words:?}: {said}"
        );
    }
    let (status, said) = crowd
        .ask(&["replay", "--all", "--consumer", "saga/journal"])
        .await;
    assert!(
        !status.success() && said.contains("runs no consumer saga/journal"),
        "{said}"
    );
    assert_eq!(crowd.parked().await, 6);

    let (status, said) = crowd.ask(&["replay", "--all", "--limit", "2"]).await;
    assert!(status.success(), "{said}");
    let rest = format!("--consumer projector/journal --after {}", title(1));
    assert!(
        said.contains("replayed 2, failed 0") && said.contains(&rest),
        "{said}"
    );
    let mut words = vec!["replay", "--all", "--domain", "tally", "--code", "internal"];
    let after = title(3);
    words.extend(["--consumer", "journal", "--after", &after]);
    let (status, said) = crowd.ask(&words).await;
    assert!(
        status.success() && said.contains("replayed 2, failed 0"),
        "{said}"
    );
    assert!(!said.contains("limit"), "{said}");
    assert_eq!(crowd.parked().await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_logic_stops_it_and_loses_nothing() {
    let crowd = Crowd::park(PROGRAM, 30, 1).await;
    let Crowd { probes, .. } = &crowd;
    probes.stop();
    let (status, said) = crowd.ask(&["replay", "--all"]).await;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("10 roots in a row: "), "{said}");
    assert!(said.contains("repeat the command for the rest"), "{said}");
    assert_eq!(crowd.parked().await, 30);
}
