//! G10: a snapshot never changes a result, whenever it was taken and however the fold has changed since.

use std::hash::{DefaultHasher, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use angzarr_config::routing::Limits;
use angzarr_coordinator::budget::Budget;
use angzarr_coordinator::command::{Executor, Point, Ports, Settings};
use angzarr_coordinator::feed::Heads;
use angzarr_coordinator::histories::Histories;
use angzarr_coordinator::model::{
    Command, CommandId, CorrelationId, Decision, DecisionPage, Domain, Edition, History,
    MergeStrategy, Payload, Root, Sequence, SnapshotVersion, StreamId,
};
use angzarr_coordinator::port::clock::SystemClock;
use angzarr_coordinator::port::logic::{AggregateLogic, Error};
use angzarr_coordinator::port::observer::NoObserver;
use angzarr_coordinator::write_queue::WriteQueue;
use angzarr_sidecar::aggregates::decode_limits;
use angzarr_stores::sqlite::SqliteStore;
use async_trait::async_trait;
use proptest::prelude::*;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The next step.
#[derive(Debug, Clone)]
enum Step {
    /// A command with a number of events, and a snapshot or none.
    Command { events: u8, has_snapshot: bool },
    /// The fold is corrected and the version raised.
    Correct,
    /// The command is tried at an earlier event, given as a share of all events.
    Try { share: f64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..4_u8, any::<bool>())
            .prop_map(|(events, has_snapshot)| Step::Command { events, has_snapshot }),
        1 => Just(Step::Correct),
        2 => (0.0..1.0).prop_map(|share| Step::Try { share }),
    ];
    prop::collection::vec(step, 1..40)
}

/// The fold of a version over the values of all events.
fn fold(version: SnapshotVersion, state: u64, value: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u32(version.0);
    hasher.write_u64(state);
    hasher.write(value);
    hasher.finish()
}

fn folded<'a>(version: SnapshotVersion, values: impl Iterator<Item = &'a [u8]>) -> u64 {
    values.fold(0, |state, value| fold(version, state, value))
}

fn payload(value: &[u8]) -> Payload {
    Payload {
        type_url: "type.googleapis.com/probe.v1.Value".to_owned(),
        value: value.to_vec().into(),
    }
}

/// Logic that folds its input, records the state, and returns a preset reply.
#[derive(Default)]
struct Folding {
    version: Mutex<SnapshotVersion>,
    answer: Mutex<(Vec<Vec<u8>>, bool)>,
    state: Mutex<u64>,
}

#[async_trait]
impl AggregateLogic for Folding {
    async fn handle(&self, history: History, _: &Command, _: Duration) -> Result<Decision, Error> {
        let version = *self.version.lock().unwrap();
        let state = history.snapshot.as_ref().map_or(0, |snapshot| {
            u64::from_le_bytes(snapshot.state.value[..].try_into().unwrap())
        });
        let events = history.events.iter();
        let before = events.fold(state, |state, event| {
            fold(version, state, &event.payload.value)
        });
        *self.state.lock().unwrap() = before;
        let (values, has_snapshot) = self.answer.lock().unwrap().clone();
        let after = values
            .iter()
            .fold(before, |state, value| fold(version, state, value));
        let is_some = history.next_sequence > Sequence::FIRST || !values.is_empty();
        Ok(Decision {
            pages: values.iter().map(|value| page(value)).collect(),
            snapshot: (has_snapshot && is_some).then(|| payload(&after.to_le_bytes())),
            ..Decision::default()
        })
    }

    async fn probe(&self) -> Result<(), Error> {
        Ok(())
    }
}

fn page(value: &[u8]) -> DecisionPage {
    DecisionPage {
        sequence: None,
        created_at: None,
        payload: Some(payload(value)),
    }
}

/// A root, and all events recorded in it.
struct World {
    logic: Arc<Folding>,
    store: Arc<SqliteStore>,
    writes: WriteQueue,
    executor: Executor,
    values: Vec<Vec<u8>>,
    commands: u32,
    _folder: tempfile::TempDir,
}

impl World {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("store.db")).unwrap();
        let (writes, _task) =
            WriteQueue::start(store.clone(), Heads::default(), CancellationToken::new());
        let logic = Arc::<Folding>::default();
        Self {
            executor: executor(&store, &writes, &logic),
            store,
            writes,
            logic,
            values: Vec::new(),
            commands: 0,
            _folder: folder,
        }
    }

    fn command(&mut self) -> Command {
        self.commands += 1;
        Command {
            stream: StreamId {
                domain: Domain::parse("till").unwrap(),
                edition: Edition::Main,
                root: Root::from_bytes(&[1; 16]).unwrap(),
            },
            id: CommandId::parse(&self.commands.to_string()).unwrap(),
            correlation_id: CorrelationId::parse("w").unwrap(),
            expected: Sequence::FIRST,
            merge_strategy: MergeStrategy::AggregateHandles,
            pages: vec![payload(b"do")],
            origin: None,
            trace_parent: None,
        }
    }

    async fn take(&mut self, step: Step) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let command = self.command();
        match step {
            Step::Command {
                events,
                has_snapshot,
            } => {
                let fresh: Vec<_> = (0..events)
                    .map(|index| format!("{}-{index}", self.commands).into_bytes())
                    .collect();
                *self.logic.answer.lock().unwrap() = (fresh.clone(), has_snapshot);
                self.executor.execute(command, deadline).await.unwrap();
                self.expect_state_after(self.values.len());
                self.values.extend(fresh);
            }
            Step::Correct => {
                self.logic.version.lock().unwrap().0 += 1;
                self.executor = executor(&self.store, &self.writes, &self.logic);
            }
            Step::Try { share } if !self.values.is_empty() => {
                let at = (share * self.values.len() as f64) as u32;
                let tried = self
                    .executor
                    .dry_run(command, Point::Through(Sequence(at)), deadline);
                tried.await.unwrap();
                self.expect_state_after(at as usize + 1);
            }
            Step::Try { .. } => {}
        }
    }

    /// The logic saw the same state as after a full replay of the first events.
    fn expect_state_after(&self, events: usize) {
        let version = *self.logic.version.lock().unwrap();
        let replayed = folded(version, self.values[..events].iter().map(Vec::as_slice));
        assert_eq!(*self.logic.state.lock().unwrap(), replayed);
    }
}

fn executor(store: &Arc<SqliteStore>, writes: &WriteQueue, logic: &Arc<Folding>) -> Executor {
    let settings = Settings {
        domain: Domain::parse("till").unwrap(),
        snapshot_version: *logic.version.lock().unwrap(),
        limits: decode_limits(&Limits::default()),
    };
    let ports = Ports {
        log: store.clone(),
        writes: writes.clone(),
        logic: Arc::clone(logic) as Arc<dyn AggregateLogic>,
        clock: Arc::new(SystemClock),
        observer: Arc::new(NoObserver),
        histories: Histories::new(Budget::new(64 << 20)),
    };
    Executor::new(settings, ports)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_snapshot_and_its_tail_amount_to_a_full_replay(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::open();
            for step in steps {
                world.take(step).await;
            }
        });
    }
}
