#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step of a test panics with its reason"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use angzarr_crds::Kind;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::*;

fn key(name: &str) -> Key {
    Key {
        namespace: "reed".to_owned(),
        kind: Kind::Saga,
        name: name.to_owned(),
    }
}

fn length() -> IntGauge {
    IntGauge::new("length", "What is due.").unwrap()
}

fn pace(concurrency: usize) -> Pace {
    Pace {
        concurrency,
        ..Pace::default()
    }
}

/// A queue whose looks take a time, and are noted when they begin.
struct Trial {
    requests: Requests,
    begun: Arc<Mutex<Vec<(String, Instant)>>>,
    /// The most looks that were under way at a time: of all, and of one resource.
    most: Arc<Mutex<(usize, usize)>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Trial {
    fn start(
        pace: Pace,
        takes: Duration,
        answer: impl Fn(&str, usize) -> Next + Send + Sync + 'static,
    ) -> Self {
        let queue = Queue::new(pace, length());
        let requests = queue.requests();
        let begun = Arc::new(Mutex::new(Vec::<(String, Instant)>::new()));
        let most = Arc::new(Mutex::new((0, 0)));
        let stop = CancellationToken::new();
        let now = Arc::new(Mutex::new(Vec::<String>::new()));
        let answer = Arc::new(answer);
        let look = {
            let (begun, most) = (Arc::clone(&begun), Arc::clone(&most));
            move |key: Key| {
                let (begun, most) = (Arc::clone(&begun), Arc::clone(&most));
                let (now, answer) = (Arc::clone(&now), Arc::clone(&answer));
                async move {
                    let turn = {
                        let mut begun = begun.lock().unwrap();
                        let turn = begun.iter().filter(|it| it.0 == key.name).count();
                        begun.push((key.name.clone(), Instant::now()));
                        let mut now = now.lock().unwrap();
                        now.push(key.name.clone());
                        let same = now.iter().filter(|it| **it == key.name).count();
                        let mut most = most.lock().unwrap();
                        *most = (most.0.max(now.len()), most.1.max(same));
                        turn
                    };
                    sleep(takes).await;
                    now.lock().unwrap().retain(|it| *it != key.name);
                    answer(&key.name, turn)
                }
            }
        };
        let stopped = stop.clone();
        let task = tokio::spawn(async move { queue.run(look, stopped).await });
        Self {
            requests,
            begun,
            most,
            stop,
            task,
        }
    }

    fn names(&self) -> Vec<String> {
        let begun = self.begun.lock().unwrap();
        begun.iter().map(|it| it.0.clone()).collect()
    }

    fn waits(&self) -> Vec<Duration> {
        let begun = self.begun.lock().unwrap();
        begun.windows(2).map(|pair| pair[1].1 - pair[0].1).collect()
    }
}

const LOOK: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn requests_for_one_resource_become_one_look() {
    let trial = Trial::start(pace(1), LOOK, |_, _| Next::Never);
    for _ in 0..10 {
        trial.requests.now(key("nest"));
    }
    sleep(LOOK * 20).await;
    assert_eq!(trial.names(), ["nest"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_during_a_look_leads_to_one_more() {
    let trial = Trial::start(pace(4), LOOK, |_, _| Next::Never);
    trial.requests.now(key("nest"));
    sleep(LOOK / 2).await;
    for _ in 0..10 {
        trial.requests.now(key("nest"));
    }
    sleep(LOOK * 20).await;
    assert_eq!(trial.names(), ["nest", "nest"]);
    assert_eq!(*trial.most.lock().unwrap(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn so_many_and_no_more_are_looked_at_beside_each_other() {
    let trial = Trial::start(pace(4), LOOK, |_, _| Next::Never);
    for name in 0..40 {
        trial.requests.now(key(&name.to_string()));
    }
    sleep(LOOK * 10 + LOOK / 2).await;
    assert_eq!(trial.names().len(), 40);
    assert_eq!(*trial.most.lock().unwrap(), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn the_wait_grows_with_each_failure_up_to_a_bound_and_starts_anew_after_a_success() {
    let pace = Pace {
        resync: Duration::from_secs(10_000),
        ..pace(1)
    };
    // The twelfth look succeeds.
    let answer = |_: &str, turn| {
        if turn == 11 {
            Next::Regular
        } else {
            Next::Failed
        }
    };
    let trial = Trial::start(pace, Duration::ZERO, answer);
    trial.requests.now(key("nest"));
    sleep(Duration::from_secs(9_000)).await;
    assert_eq!(trial.names().len(), 12, "looked at after a success");
    // The timer of the queue counts whole milliseconds, upwards.
    let slack = Duration::from_millis(2);
    for (failures, wait) in trial.waits().iter().enumerate() {
        let full = (pace.backoff_initial * 2_u32.pow(failures as u32)).min(pace.backoff_max);
        assert!(
            *wait >= full / 2 && *wait <= full + slack,
            "{wait:?} of {full:?}"
        );
    }
    sleep(Duration::from_secs(2_000)).await;
    let waits = trial.waits();
    assert!(waits[11] >= Duration::from_secs(10_000), "{waits:?}");
    assert!(waits[12] <= pace.backoff_initial + slack, "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_does_not_wait_for_the_end_of_a_backoff() {
    let trial = Trial::start(pace(1), Duration::ZERO, |_, turn| {
        if turn < 8 { Next::Failed } else { Next::Never }
    });
    trial.requests.now(key("nest"));
    sleep(Duration::from_secs(20)).await;
    let before = trial.names().len();
    trial.requests.now(key("nest"));
    sleep(Duration::from_millis(5)).await;
    assert_eq!(trial.names().len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_again_and_again_waits_for_its_turn_behind_others() {
    let trial = Trial::start(pace(1), LOOK, |_, _| Next::Never);
    trial.requests.now(key("busy"));
    sleep(LOOK / 4).await;
    for name in ["a", "b", "c"] {
        trial.requests.now(key(name));
        sleep(LOOK / 100).await;
        trial.requests.now(key("busy"));
        sleep(LOOK / 100).await;
    }
    sleep(LOOK * 10).await;
    assert_eq!(trial.names(), ["busy", "a", "busy", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_panics_counts_as_failed_and_harms_no_other() {
    let trial = Trial::start(pace(2), Duration::ZERO, |name, turn| {
        assert!(name != "nest" || turn > 0, "the first look at nest panics");
        Next::Never
    });
    trial.requests.all([key("nest"), key("reed")]);
    sleep(Duration::from_secs(1)).await;
    let mut names = trial.names();
    names.sort();
    assert_eq!(names, ["nest", "nest", "reed"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_looks_end_and_begins_none() {
    let done = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&done);
    let trial = Trial::start(pace(2), LOOK, move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
        Next::Regular
    });
    for name in ["a", "b", "c", "d"] {
        trial.requests.now(key(name));
    }
    sleep(LOOK / 2).await;
    trial.stop.cancel();
    trial.task.await.unwrap();
    assert_eq!(done.load(Ordering::Relaxed), 2);
    assert_eq!(trial.begun.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_succeeded_is_looked_at_again_at_the_regular_interval() {
    let pace = Pace {
        resync: Duration::from_secs(60),
        ..pace(1)
    };
    let trial = Trial::start(pace, Duration::ZERO, |_, _| Next::Regular);
    trial.requests.now(key("nest"));
    sleep(Duration::from_secs(200)).await;
    assert_eq!(trial.names().len(), 4);
}
