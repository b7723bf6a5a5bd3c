use std::path::Path;

use angzarr_crds::{Autoscaling, TopologySpread};
use serde_json::{Map, Value, json};

use super::*;
use crate::manifest::read_text;
use crate::model::System;
use crate::plan::{Installation, pod};
use crate::validate::validate;

const LAKE: &str = "
apiVersion: angzarr.io/v1alpha1
kind: EventStore
metadata: {name: heron}
spec: {storage: {type: sqlite}, bus: {type: direct}}
---
apiVersion: angzarr.io/v1alpha1
kind: Aggregate
metadata: {name: nest}
spec:
  eventStoreRef: {name: heron}
  domain: brood
  template: {spec: {containers: [{name: egg, image: egg:3}]}}
";

/// SQLite allows one pod; what more of them lead to does not depend on the store.
fn scaled(scale: Scale, look: impl FnOnce(&Scope)) {
    let found = read_text(Path::new("lake.yaml"), LAKE).unwrap();
    let mut system: System = validate(&found.resources).unwrap();
    let component = system.components.values_mut().next().unwrap();
    component.scale = scale;
    let (key, component) = system.components.first_key_value().unwrap();
    look(&Scope {
        key,
        component,
        store: &system.stores[&component.store],
        installation: &Installation {
            sidecar_image: "sidecar:9".to_owned(),
            has_pod_monitors: false,
        },
    });
}

fn range(cpu: Option<i32>, memory: Option<i32>) -> Scale {
    Scale::Auto(Autoscaling {
        min_replicas: 2,
        max_replicas: 7,
        target_cpu_percent: cpu,
        target_memory_percent: memory,
    })
}

fn aims(scope: &Scope) -> Value {
    let autoscaler = serde_json::to_value(build_autoscaler(scope)).unwrap();
    let metrics = autoscaler["spec"]["metrics"].as_array().unwrap();
    metrics
        .iter()
        .map(|metric| {
            let resource = &metric["resource"];
            json!([resource["name"], resource["target"]["averageUtilization"]])
        })
        .collect()
}

#[test]
fn evictions_are_bounded_from_two_pods_on() {
    scaled(Scale::Fixed(1), |scope| {
        assert_eq!(build_disruption_budget(scope), None);
        assert_eq!(build_autoscaler(scope), None);
    });
    for scale in [Scale::Fixed(2), range(None, None)] {
        scaled(scale, |scope| {
            let budget = build_disruption_budget(scope).unwrap().spec.unwrap();
            assert_eq!(budget.max_unavailable, Some(IntOrString::Int(1)));
            assert_eq!(budget.selector.unwrap().match_labels.unwrap().len(), 2);
        });
    }
}

#[test]
fn an_autoscaler_aims_at_what_is_said_and_else_at_the_processor() {
    for (cpu, memory, aimed) in [
        (None, None, json!([["cpu", 80]])),
        (Some(60), None, json!([["cpu", 60]])),
        (None, Some(75), json!([["memory", 75]])),
        (Some(60), Some(75), json!([["cpu", 60], ["memory", 75]])),
    ] {
        scaled(range(cpu, memory), |scope| assert_eq!(aims(scope), aimed));
    }
    scaled(range(None, None), |scope| {
        let spec = build_autoscaler(scope).unwrap().spec;
        assert_eq!((spec.min_replicas, spec.max_replicas), (Some(2), 7));
        assert_eq!(spec.scale_target_ref.name, "nest-agg");
    });
}

#[test]
fn pods_are_spread_unless_the_user_spreads_them() {
    scaled(Scale::Fixed(3), |scope| {
        let mut spec = Map::new();
        pod::spread(scope, &mut spec);
        let constraints = spec["topologySpreadConstraints"].as_array().unwrap();
        assert_eq!(constraints.len(), 2);
        assert_eq!(constraints[0]["whenUnsatisfiable"], "ScheduleAnyway");
        let own = json!([]);
        let mut spec = Map::from_iter([("topologySpreadConstraints".to_owned(), own.clone())]);
        pod::spread(scope, &mut spec);
        assert_eq!(spec["topologySpreadConstraints"], own);
        let mut strict = scope.component.clone();
        strict.availability.topology_spread = TopologySpread::Disabled;
        let mut spec = Map::new();
        let scope = Scope {
            component: &strict,
            ..*scope
        };
        pod::spread(&scope, &mut spec);
        assert!(spec.is_empty());
    });
}
