//! Whether the domains that the own sagas command can be reached, looked at again and again, so that it shows before there is something to send.
//!
//! A target that cannot be reached makes no sidecar unready: its commands wait, and other sidecars would wait for this one.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use angzarr_coordinator::model::{Code, Domain, Status};
use angzarr_wire::decode_status;
use futures::{StreamExt, stream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::health::{Periods, Reach};
use crate::places::{Place, Places};
use crate::transport::{STANDARD_BYTES, configured};

/// How many are asked at the same time.
const TOGETHER: usize = 8;

/// The targets with what is known of them; none at first.
#[derive(Default)]
pub struct Targets {
    /// Every section is short.
    states: Mutex<BTreeMap<Domain, Reach>>,
}

impl Targets {
    /// The targets in order, as they were when they were last asked; none unless [`Targets::follow`] runs.
    pub fn states(&self) -> Vec<(Domain, Reach)> {
        let states = self.locked();
        let all = states.iter();
        all.map(|(domain, reach)| (domain.clone(), reach.clone()))
            .collect()
    }

    /// Asks until the stop, where the places say that the targets are.
    pub async fn follow(&self, places: &Places, periods: Periods, stop: CancellationToken) {
        loop {
            let looking = async { sleep(self.look(places, periods).await).await };
            if stop.run_until_cancelled(looking).await.is_none() {
                return;
            }
        }
    }

    /// Asks each target; returns how long to wait before the next look.
    async fn look(&self, places: &Places, periods: Periods) -> Duration {
        let asked = stream::iter(places.routes.targets()).map(async |domain| {
            let (reach, pause) = periods.probe(ask(places, &domain)).await;
            (domain, reach, pause)
        });
        let asked: Vec<_> = asked.buffer_unordered(TOGETHER).collect().await;
        let pauses = asked.iter().map(|(_, _, pause)| *pause);
        let pause = pauses.min().unwrap_or(periods.answered);
        let now = asked.into_iter().map(|(domain, reach, _)| (domain, reach));
        let now: BTreeMap<_, _> = now.collect();
        let before = mem::replace(&mut *self.locked(), now.clone());
        for (domain, reach) in &now {
            tell(domain, before.get(domain), reach);
        }
        pause
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<Domain, Reach>> {
        // The map is replaced as a whole.
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(places: &Places, domain: &Domain) -> Result<(), Status> {
    let channel = match places.of(domain)? {
        Place::Here(_) => return Ok(()),
        Place::At(channel) => channel,
    };
    let mut health =
        configured!(HealthClient::new(channel)).max_decoding_message_size(STANDARD_BYTES);
    let answered = health.check(HealthCheckRequest::default()).await;
    let said = answered.map_err(|status| decode_status(&status))?;
    match said.into_inner().status() {
        status if status == ServingStatus::Serving.into() => Ok(()),
        _ => Err(Status::new(Code::Unavailable, "its sidecar is not ready")),
    }
}

fn tell(domain: &Domain, before: Option<&Reach>, now: &Reach) {
    match (before, now) {
        (Some(Reach::Unreachable(_)), Reach::Unreachable(_)) => {}
        (_, Reach::Unreachable(reason)) => {
            tracing::warn!(%domain, reason, "a target cannot be reached; commands to it wait");
        }
        (Some(Reach::Unreachable(_)), _) => tracing::info!(%domain, "a target is reached again"),
        _ => {}
    }
}
