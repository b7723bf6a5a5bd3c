//! Until when attempts to send a piece may take effect, which is stored before each attempt is made.
//!
//! # Design
//! An attempt whose outcome is not known may take effect until its time is over. This process knows its own attempts; of those of a former one, which
//! may have given them more time, only the store tells. What is stored reaches a budget further than one attempt needs: so the first attempt is
//! covered by the step that stores the work, and repeats share a write.

use std::time::Duration;

use tokio::time::Instant;

use super::super::active::Active;
use super::super::root::DeliveryError;
use super::super::settings::Settings;
use crate::port::backlog::WorkHead;
use crate::port::progress::{OutgoingId, Step};

/// What an attempt may take beyond its budget: for the way to the owner, who counts from when the request arrives, and for the end of a write that
/// began in time.
const MARGIN: Duration = Duration::from_secs(5);

/// How long an attempt that is made now may take effect.
fn attempt(settings: &Settings) -> Duration {
    settings.command_budget.saturating_add(MARGIN)
}

/// What is stored of attempts that are made now and within a budget from now.
pub(in super::super) fn stored(settings: &Settings) -> Duration {
    settings.command_budget.saturating_add(attempt(settings))
}

/// When heads were read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    pub(super) asked: Instant,
    pub(super) replied: Instant,
    /// Whether another process may have sent them.
    pub(super) is_former: bool,
}

/// What is known of the attempts to send one piece.
#[derive(Debug)]
pub(super) struct Landing {
    /// Until then an attempt may take effect whose outcome is not known.
    unsure_until: Option<Instant>,
    /// At least until then attempts are known to the store to take effect.
    stored_until: Instant,
}

impl Landing {
    pub(super) fn new(head: &WorkHead, settings: &Settings, read: Read) -> Self {
        let may_land_for = head.may_land_for.unwrap_or(attempt(settings));
        Self {
            unsure_until: read.is_former.then(|| read.replied + may_land_for),
            stored_until: read.asked + head.may_land_for.unwrap_or_default(),
        }
    }

    /// Stores until when an attempt that is made next may take effect, unless that is stored.
    pub(super) async fn prepare(
        &mut self,
        active: &Active,
        id: &OutgoingId,
    ) -> Result<(), DeliveryError> {
        let settings = &active.settings;
        loop {
            let now = Instant::now();
            if self.stored_until >= now + attempt(settings) {
                return Ok(());
            }
            // What no account was kept of is stored as well.
            let unsure = self.unsure_until.map(|until| until - now);
            let may_land_within = stored(settings).max(unsure.unwrap_or_default());
            let id = id.clone();
            let step = Step::Attempt {
                id,
                may_land_within,
            };
            active.commit_steps(vec![step], None).await?;
            self.stored_until = now + may_land_within;
        }
    }

    /// Notes that the outcome of an attempt is not known.
    pub(super) fn note_unknown(&mut self, settings: &Settings, began: Instant) {
        let until = began + attempt(settings);
        self.unsure_until = self.unsure_until.max(Some(until));
    }

    /// Until when a refusal is not final; absent if it is.
    pub(super) fn unsure_until(&self) -> Option<Instant> {
        self.unsure_until.filter(|until| *until > Instant::now())
    }
}
