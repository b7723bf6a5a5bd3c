//! Everything that can be known of a running sidecar.

use std::sync::Arc;

use angzarr_admin::shape::{
    ComponentStatus, ConsumerStatus, Life, Readiness, RoutingStatus, SourceStatus, Statusz,
    StoreStatus, TargetStatus,
};
use angzarr_config::routing::SCHEMA_VERSION;
use angzarr_coordinator::consumer::{Holder, Snapshot, SourceSnapshot, SourceState};
use angzarr_coordinator::model::Position;
use angzarr_coordinator::port::store::Durability;
use axum::Json;
use axum::extract::State;

use super::{Admin, Parts, Shared};
use crate::health::{Component, Reach};
use crate::lifecycle::Lifecycle;

pub(super) async fn statusz(State(shared): State<Arc<Shared>>) -> Json<Statusz> {
    let admin = &shared.admin;
    let parts = admin.parts.get();
    let reasons = admin.reasons();
    let components = parts.map(|parts| parts.health.components());
    let consumers = parts.map(|parts| parts.consumers.iter());
    Json(Statusz {
        process: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        namespace: admin.namespace.clone(),
        store: parts.map_or_else(|| unopened(admin), store),
        lifecycle: life(&admin.lifecycle),
        readiness: Readiness {
            ready: reasons.is_empty(),
            reasons,
        },
        routing: parts.map(routing),
        components: components.into_iter().flatten().map(component).collect(),
        consumers: consumers
            .into_iter()
            .flatten()
            .map(|it| consumer(it.snapshot()))
            .collect(),
        targets: parts.map_or_else(Vec::new, targets),
    })
}

pub(super) fn life(lifecycle: &Lifecycle) -> Life {
    let state = lifecycle.state();
    Life {
        phase: state.phase.as_str().to_owned(),
        open: state.is_open,
    }
}

fn durability(durability: Durability) -> &'static str {
    match durability {
        Durability::Process => "process",
        Durability::Disk => "disk",
        Durability::Majority => "majority",
    }
}

fn routing(parts: &Parts) -> RoutingStatus {
    let routing = parts.routing.borrow().clone();
    RoutingStatus {
        loaded: parts.health.is_routing_loaded(),
        hash: routing.hash(),
        schema_version: routing.schema_version,
        reads_schema_version: SCHEMA_VERSION,
        error: parts.routing_error.borrow().clone(),
    }
}

fn unopened(admin: &Admin) -> StoreStatus {
    let awaited = admin.lifecycle.awaited();
    let state = if awaited.is_other_store {
        "other"
    } else {
        "opening"
    };
    StoreStatus {
        id: None,
        incarnation: None,
        durability: None,
        state: state.to_owned(),
        reason: Some(awaited.sentence),
    }
}

fn store(parts: &Parts) -> StoreStatus {
    let (state, reason) = reach(parts.health.store());
    StoreStatus {
        id: Some(parts.identity.store_id.to_string()),
        incarnation: Some(parts.identity.incarnation.to_string()),
        durability: Some(durability(parts.durability).to_owned()),
        state,
        reason,
    }
}

fn targets(parts: &Parts) -> Vec<TargetStatus> {
    let states = parts.targets.states().into_iter();
    let all = states.map(|(domain, state)| {
        let (state, reason) = reach(state);
        TargetStatus {
            domain: domain.to_string(),
            state,
            reason,
        }
    });
    all.collect()
}

fn component((component, state): (&Component, Reach)) -> ComponentStatus {
    let (logic, reason) = reach(state);
    ComponentStatus {
        kind: component.kind.as_str().to_owned(),
        name: component.name.clone(),
        logic,
        reason,
    }
}

/// The word for it, and why it does not answer.
fn reach(reach: Reach) -> (String, Option<String>) {
    let (word, reason) = match reach {
        Reach::Unknown => ("unknown", None),
        Reach::Reachable => ("reachable", None),
        Reach::Unreachable(why) => ("unreachable", Some(why)),
    };
    (word.to_owned(), reason)
}

fn consumer(snapshot: Snapshot) -> ConsumerStatus {
    let (holder, epoch, address) = match snapshot.holder {
        Holder::Unknown => ("unknown", None, None),
        Holder::Here(epoch) => ("here", Some(epoch), None),
        Holder::Elsewhere(address) => ("elsewhere", None, Some(address)),
        Holder::Twin => ("twin", None, None),
    };
    ConsumerStatus {
        kind: snapshot.id.kind.as_str().to_owned(),
        name: snapshot.id.name.to_string(),
        holder: holder.to_owned(),
        epoch,
        address,
        ready: snapshot.is_ready,
        sources: snapshot.sources.into_iter().map(source).collect(),
        parked: snapshot.parked,
        outgoing: snapshot.outgoing,
        outgoing_waits: snapshot.outgoing_waits,
    }
}

fn source(snapshot: SourceSnapshot) -> SourceStatus {
    let number = |position: Option<Position>| position.map(|position| position.0);
    let (state, reason) = match snapshot.state {
        SourceState::Connecting => ("connecting", None),
        SourceState::CatchingUp => ("catching-up", None),
        SourceState::Live => ("live", None),
        SourceState::Paused(why) => ("paused", Some(why)),
        SourceState::Stopped(why) => ("stopped", Some(why)),
    };
    SourceStatus {
        domain: snapshot.domain.to_string(),
        start: number(snapshot.start),
        cursor: number(snapshot.cursor),
        head: number(snapshot.head),
        lag: snapshot.lag,
        state: state.to_owned(),
        reason,
    }
}
