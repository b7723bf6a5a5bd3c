//! How many pods there are, and how many evictions may take at once.

use angzarr_crds::{Autoscaling, Switch};
use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec,
    MetricTarget, ResourceMetricSource,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Scope, names};
use crate::model::{Scale, Workload};

/// The share of the requested CPU to aim at, if the resource names no aim at all.
const CPU_PERCENT: i32 = 80;

/// From two pods on, evictions take one at a time; of one pod alone it would only keep nodes from being drained.
pub(super) fn build_disruption_budget(scope: &Scope) -> Option<PodDisruptionBudget> {
    let is_wanted = match scope.component.availability.pdb {
        Switch::Auto => scope.component.scale.most() >= 2,
        Switch::Disabled => false,
    };
    is_wanted.then(|| PodDisruptionBudget {
        metadata: scope.metadata(scope.key.base_name()),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(names::label_selector(scope.key)),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    })
}

/// The autoscaler of our own Deployment; a workload that exists has its own.
pub(super) fn build_autoscaler(scope: &Scope) -> Option<HorizontalPodAutoscaler> {
    let (Scale::Auto(range), Workload::Template(_)) =
        (&scope.component.scale, &scope.component.workload)
    else {
        return None;
    };
    Some(HorizontalPodAutoscaler {
        metadata: scope.metadata(scope.key.base_name()),
        spec: HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "Deployment".to_owned(),
                name: scope.key.base_name(),
            },
            min_replicas: Some(range.min_replicas),
            max_replicas: range.max_replicas,
            metrics: Some(build_metrics(range)),
            ..HorizontalPodAutoscalerSpec::default()
        },
        ..HorizontalPodAutoscaler::default()
    })
}

fn build_metrics(range: &Autoscaling) -> Vec<MetricSpec> {
    let cpu = range
        .target_cpu_percent
        .or_else(|| range.target_memory_percent.is_none().then_some(CPU_PERCENT));
    let aims = [("cpu", cpu), ("memory", range.target_memory_percent)];
    aims.into_iter()
        .filter_map(|(resource, percent)| {
            Some(MetricSpec {
                type_: "Resource".to_owned(),
                resource: Some(ResourceMetricSource {
                    name: resource.to_owned(),
                    target: MetricTarget {
                        type_: "Utilization".to_owned(),
                        average_utilization: Some(percent?),
                        ..MetricTarget::default()
                    },
                }),
                ..MetricSpec::default()
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
