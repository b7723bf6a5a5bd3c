//! What a test tells the logic and the target of commands to do.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use async_trait::async_trait;

use super::world::{World, payload, stream};
use crate::model::*;
use crate::port::logic::{self, ConsumerLogic, Reaction, Request};
use crate::port::peers::Commands;

pub(super) type Answers = VecDeque<Result<Reaction, logic::Error>>;

/// What the test tells the parts of the world to do, and what they note.
#[derive(Default)]
pub(super) struct Script {
    /// Deliveries of the bus besides those of the log, in the place of the one that would come next.
    pub(super) injected: VecDeque<Append>,
    pub(super) fails_writes: bool,
    /// Scripted answers per root; without any the logic takes note.
    pub(super) answers: HashMap<Root, Answers>,
    /// Roots whose progress cannot be read.
    pub(super) unreadable: Vec<Root>,
    /// Roots whose every append fails.
    pub(super) poisoned: Vec<Root>,
    /// Roots whose every call breaks.
    pub(super) breaking: Vec<Root>,
    pub(super) is_logic_away: bool,
    /// Whether every call hangs, except for those of the health service.
    pub(super) hangs_all: bool,
    /// Roots whose every call hangs.
    pub(super) hanging: Vec<Root>,
    pub(super) is_saga: bool,
    pub(super) handled: Vec<(Root, Sequence)>,
    pub(super) sent: Vec<Command>,
    pub(super) replies: VecDeque<Result<(), Status>>,
    /// What the target replies once it has nothing else to reply.
    pub(super) always: Option<Status>,
    pub(super) is_target_away: bool,
    /// Domains that no route leads to.
    pub(super) unrouted: Vec<String>,
    /// Domains that never reply.
    pub(super) hung: Vec<String>,
    pub(super) fails_leases: bool,
    /// How many steps stored the time of an attempt apart from the work.
    pub(super) attempts_stored: usize,
    pub(super) bytes_under_way: usize,
    pub(super) most_bytes_under_way: usize,
}

pub(super) fn refusal(code: Code) -> Status {
    Status::new(code, "no")
}

pub(super) fn command(target: u128) -> Command {
    Command {
        stream: stream(target),
        id: CommandId::parse("overwritten").unwrap(),
        correlation_id: CorrelationId::parse("overwritten").unwrap(),
        expected: Sequence::FIRST,
        merge_strategy: MergeStrategy::AggregateHandles,
        pages: vec![payload("Do")],
        origin: None,
        trace_parent: None,
    }
}

#[async_trait]
impl ConsumerLogic for World {
    async fn handle(&self, append: &Append, _: Duration) -> Result<Reaction, logic::Error> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let called = append.stream.root;
        let hangs = self.script().hangs_all || self.script().hanging.contains(&called);
        if hangs {
            std::future::pending::<()>().await;
        }
        let mut script = self.script();
        if script.is_logic_away {
            return Err(logic::Error::Unreachable("refused".into()));
        }
        if script.poisoned.contains(&called) {
            return Err(logic::Error::Status(refusal(Code::Internal)));
        }
        if script.breaking.contains(&called) {
            return Err(logic::Error::Broken("reset".into()));
        }
        if let Some(answer) = script
            .answers
            .get_mut(&called)
            .and_then(VecDeque::pop_front)
        {
            if answer.is_ok() {
                script.handled.push((called, append.first_sequence));
            }
            return answer;
        }
        script.handled.push((called, append.first_sequence));
        if script.is_saga {
            let requests = [100, 101].map(|target| Request::Command(command(target)));
            return Ok(Reaction::Requested(requests.into()));
        }
        Ok(Reaction::Projected(Projection {
            stream: append.stream.clone(),
            correlation_id: None,
            projector: "web".into(),
            sequence: append.events.last().map(|event| event.sequence),
            payload: None,
        }))
    }

    async fn project(&self, stream: &StreamId, _: Duration) -> Result<Projection, logic::Error> {
        Ok(Projection {
            stream: stream.clone(),
            correlation_id: None,
            projector: "current".into(),
            sequence: None,
            payload: None,
        })
    }

    async fn probe(&self) -> Result<(), logic::Error> {
        if self.script().is_logic_away {
            return Err(logic::Error::Unreachable("refused".into()));
        }
        Ok(())
    }
}

impl World {
    fn reply(&self) -> Option<Result<(), Status>> {
        let mut script = self.script();
        if script.is_target_away {
            return Some(Err(refusal(Code::Unavailable)));
        }
        let scripted = script.replies.pop_front();
        scripted.or_else(|| script.always.clone().map(Err))
    }
}

#[async_trait]
impl Commands for World {
    async fn execute(&self, command: Command, budget: Duration) -> Result<(), Status> {
        let stored = self.landing(command.id.as_str()).await;
        assert!(
            stored > budget,
            "{command:?} is sent, {stored:?} are stored"
        );
        let bytes = command.pages[0].size();
        self.change(|script| {
            script.bytes_under_way += bytes;
            script.most_bytes_under_way = script.most_bytes_under_way.max(script.bytes_under_way);
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.change(|script| script.bytes_under_way -= bytes);
        let target = command.stream.domain.to_string();
        if self.script().unrouted.contains(&target) {
            return Err(refusal(Code::NotFound));
        }
        let is_hung = self.script().hung.contains(&target);
        if is_hung {
            std::future::pending::<()>().await;
        }
        if let Some(Err(status)) = self.reply() {
            return Err(status);
        }
        self.script().sent.push(command);
        Ok(())
    }

    async fn record(&self, _: Facts, _: Duration) -> Result<(), Status> {
        Err(refusal(Code::Unimplemented))
    }
}
