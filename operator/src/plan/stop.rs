//! How long a pod may take to stop, and so how long its successor waits for the file that both open.

use std::time::Duration;

use angzarr_config::routing::LONGEST_TIME;

use crate::model::{Component, Workload};

/// How many seconds it may take until no client has the endpoint of a pod that is not ready any more.
const PROPAGATION_SECONDS: u64 = 3;
/// How many seconds the processes get to end after the drain.
const END_SECONDS: u64 = 7;
/// How many seconds it may take until a pod that has not stopped in time is killed.
const KILL_SECONDS: u64 = 5;

/// The field of a pod with the seconds that it may take to stop.
pub(super) const GRACE: &str = "terminationGracePeriodSeconds";

/// The seconds that the whole pod may take to stop: as many as it is given, but enough for the drain.
pub(super) fn grace_seconds(component: &Component) -> u64 {
    let drain = u64::from(component.sidecar.drain_seconds);
    let given = match &component.workload {
        Workload::Template(template) => template.spec.get(GRACE).and_then(|it| it.as_u64()),
        Workload::Existing(_) => None,
    };
    let needed = PROPAGATION_SECONDS + drain + END_SECONDS;
    given.map_or(needed, |given| given.max(needed))
}

/// How long a sidecar waits for its file, which a pod that stops may have open until it is killed.
pub(super) fn file_wait(component: &Component) -> Duration {
    let stopped = grace_seconds(component).saturating_add(KILL_SECONDS);
    Duration::from_secs(stopped).min(LONGEST_TIME)
}
