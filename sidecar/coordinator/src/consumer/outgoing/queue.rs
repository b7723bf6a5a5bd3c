//! What waits to be sent: in order by trigger, and within bounds by target. Pure.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::time::Instant;

use super::super::settings::{OutgoingBounds, Settings};
use super::landing::{Landing, Read};
use crate::model::{Domain, StreamId};
use crate::port::backlog::WorkHead;
use crate::retry::Backoff;

/// Targets whose reasons are shown.
const SHOWN: usize = 3;

/// A piece of work with what is known of its attempts.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) head: WorkHead,
    /// How often it was sent.
    pub(super) sent: u32,
    /// How many of the replies count towards the last attempt.
    pub(super) counted: u32,
    /// Until when attempts may take effect.
    pub(super) landing: Landing,
    /// The delays after refusals that pass.
    pub(super) backoff: Backoff,
    /// The delays while the target is away.
    pub(super) outage: Backoff,
}

impl Piece {
    pub(super) fn new(head: WorkHead, settings: &Settings, read: Read) -> Self {
        Self {
            landing: Landing::new(&head, settings, read),
            head,
            sent: 0,
            counted: 0,
            backoff: settings.backoff(),
            outage: settings.outage_backoff(),
        }
    }
}

/// The work that a consumer has to send.
///
/// The first piece of a trigger is due, delayed or under way; those behind it wait for its end, whatever their targets.
#[derive(Debug)]
pub(super) struct Queue {
    bounds: OutgoingBounds,
    lanes: HashMap<StreamId, Lane>,
    targets: HashMap<Option<Domain>, Target>,
    delayed: BTreeMap<(Instant, u64), StreamId>,
    pieces: usize,
    bytes: usize,
    sending_bytes: usize,
}

#[derive(Debug, Default)]
struct Lane {
    /// Absent while it is under way.
    first: Option<Piece>,
    others: VecDeque<Piece>,
}

/// A domain that work is for.
#[derive(Debug, Default)]
struct Target {
    /// Triggers whose first piece may be sent.
    due: VecDeque<StreamId>,
    sending: usize,
    bytes: usize,
    delayed: usize,
    /// The last attempt that ended was put off: so are those under way, until one has a final reply.
    is_put_off: bool,
    /// Why the piece that was delayed last is.
    reason: String,
}

impl Target {
    fn is_idle(&self) -> bool {
        self.due.is_empty() && self.sending == 0 && self.delayed == 0
    }
}

impl Queue {
    pub(super) fn new(bounds: OutgoingBounds) -> Self {
        Self {
            bounds,
            lanes: HashMap::new(),
            targets: HashMap::new(),
            delayed: BTreeMap::new(),
            pieces: 0,
            bytes: 0,
            sending_bytes: 0,
        }
    }

    /// How many pieces wait or are under way, and how many bytes they take in the store.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.pieces, self.bytes)
    }

    /// Adds a piece; places ascend.
    pub(super) fn push(&mut self, piece: Piece) {
        self.pieces += 1;
        self.bytes += piece.head.bytes;
        let trigger = piece.head.trigger.clone();
        if let Some(lane) = self.lanes.get_mut(&trigger) {
            lane.others.push_back(piece);
            return;
        }
        self.lanes.insert(trigger, Lane::default());
        self.make_due(piece);
    }

    /// Takes what may be sent now; it is under way from then on.
    pub(super) fn take(&mut self, now: Instant) -> Vec<Piece> {
        while let Some(entry) = self.delayed.first_entry().filter(|it| it.key().0 <= now) {
            let trigger = entry.remove();
            if let Some(piece) = self
                .lanes
                .get_mut(&trigger)
                .and_then(|lane| lane.first.take())
            {
                self.target(&piece.head.target).delayed -= 1;
                self.make_due(piece);
            }
        }
        let mut taken = Vec::new();
        let bounds = self.bounds;
        for target in self.targets.values_mut() {
            while target.sending < bounds.per_target.max(1)
                && let Some(trigger) = target.due.front()
            {
                let first = self.lanes.get_mut(trigger).map(|lane| &mut lane.first);
                let Some(first) = first else {
                    target.due.pop_front();
                    continue;
                };
                let size = first.as_ref().map_or(0, |piece| piece.head.bytes);
                let fits = target.bytes + size <= bounds.target_bytes
                    && self.sending_bytes + size <= bounds.bytes;
                if target.sending > 0 && !fits {
                    break;
                }
                target.due.pop_front();
                target.sending += 1;
                target.bytes += size;
                self.sending_bytes += size;
                taken.extend(first.take());
            }
        }
        taken
    }

    /// Puts a piece that was taken back, to be sent at a time.
    pub(super) fn delay(&mut self, piece: Piece, until: Instant, reason: String) {
        self.stop_sending(&piece.head);
        let target = self.target(&piece.head.target);
        target.delayed += 1;
        target.is_put_off = true;
        target.reason = reason;
        let trigger = piece.head.trigger.clone();
        self.delayed
            .insert((until, piece.head.place), trigger.clone());
        self.lanes.entry(trigger).or_default().first = Some(piece);
    }

    /// Forgets a piece that was taken; the next of its trigger is due.
    pub(super) fn finish(&mut self, head: &WorkHead) {
        self.stop_sending(head);
        self.pieces -= 1;
        self.bytes -= head.bytes;
        let lane = self.lanes.get_mut(&head.trigger);
        match lane.and_then(|lane| lane.others.pop_front()) {
            Some(next) => self.make_due(next),
            None => {
                self.lanes.remove(&head.trigger);
            }
        }
        let target = self.target(&head.target);
        target.is_put_off = false;
        if target.is_idle() {
            self.targets.remove(&head.target);
        }
    }

    /// When the next piece that is delayed is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.delayed.first_key_value().map(|((until, _), _)| *until)
    }

    /// Why work waits, by target; absent when no target puts it off.
    pub(super) fn waits(&self) -> Option<String> {
        let mut waiting: Vec<_> = self
            .targets
            .iter()
            .filter(|(_, target)| target.delayed > 0 || target.is_put_off)
            .collect();
        waiting.sort_by(|a, b| a.0.cmp(b.0));
        let shown = waiting.iter().take(SHOWN).map(|(name, target)| {
            let name = name.as_ref().map_or("no target", Domain::as_str);
            format!(
                "{name} ({} waiting): {}",
                target.delayed + target.due.len() + target.sending,
                target.reason
            )
        });
        let mut shown: Vec<_> = shown.collect();
        if waiting.len() > SHOWN {
            shown.push(format!("and {} other targets", waiting.len() - SHOWN));
        }
        (!shown.is_empty()).then(|| shown.join("; "))
    }

    fn make_due(&mut self, piece: Piece) {
        let trigger = piece.head.trigger.clone();
        let target = self.target(&piece.head.target);
        target.due.push_back(trigger.clone());
        self.lanes.entry(trigger).or_default().first = Some(piece);
    }

    fn stop_sending(&mut self, head: &WorkHead) {
        self.sending_bytes -= head.bytes;
        let target = self.target(&head.target);
        target.sending -= 1;
        target.bytes -= head.bytes;
    }

    fn target(&mut self, name: &Option<Domain>) -> &mut Target {
        self.targets.entry(name.clone()).or_default()
    }
}
