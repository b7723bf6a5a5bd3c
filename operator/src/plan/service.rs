//! How clients and other sidecars reach a component, and nothing else does.

use angzarr_config::boot::Ports;
use angzarr_crds::{NetworkPolicyMode, ServiceType};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Scope, names, ports};
use crate::model::Workload;

/// The Service for clients.
pub(super) fn build_clients(scope: &Scope) -> Service {
    let declared = &scope.component.network.service;
    let annotations: Vec<_> = declared.annotations.iter().collect();
    let kind = match declared.type_ {
        ServiceType::ClusterIP => "ClusterIP",
        ServiceType::NodePort => "NodePort",
        ServiceType::LoadBalancer => "LoadBalancer",
    };
    Service {
        metadata: scope.metadata_with(names::clients(scope.key), &annotations),
        spec: Some(ServiceSpec {
            type_: Some(kind.to_owned()),
            ..select_pods(scope)
        }),
        ..Service::default()
    }
}

/// The Service for sidecars: each pod by itself, ready or not, so that consumers do not wait for each other.
pub(super) fn build_peers(scope: &Scope) -> Service {
    Service {
        metadata: scope.metadata(names::peers(scope.key)),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            ..select_pods(scope)
        }),
        ..Service::default()
    }
}

fn select_pods(scope: &Scope) -> ServiceSpec {
    let grpc = Ports::default().grpc;
    ServiceSpec {
        selector: Some(names::selector(scope.key)),
        ports: Some(vec![ServicePort {
            name: Some("grpc".to_owned()),
            port: grpc.into(),
            target_port: Some(IntOrString::Int(grpc.into())),
            app_protocol: Some("kubernetes.io/h2c".to_owned()),
            ..ServicePort::default()
        }]),
        ..ServiceSpec::default()
    }
}

/// Lets in what the pods must serve: the sidecar's ports, and those that the pods themselves declare, the logic's own apart.
pub(super) fn build_network_policy(scope: &Scope) -> Option<NetworkPolicy> {
    match scope.component.network.policy {
        NetworkPolicyMode::None => return None,
        NetworkPolicyMode::Ingress => {}
    }
    let own = Ports::default();
    let mut ports = vec![
        allow(own.grpc.into(), ports::TCP),
        allow(own.admin.into(), ports::TCP),
    ];
    ports.extend(declared_ports(scope));
    Some(NetworkPolicy {
        metadata: scope.metadata(scope.key.base_name()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(names::label_selector(scope.key)),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                ports: Some(ports),
                from: None,
            }]),
            ..NetworkPolicySpec::default()
        }),
    })
}

fn allow(port: i32, protocol: &str) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(port)),
        protocol: Some(protocol.to_owned()),
        ..NetworkPolicyPort::default()
    }
}

fn declared_ports(scope: &Scope) -> Vec<NetworkPolicyPort> {
    let Workload::Template(template) = &scope.component.workload else {
        return Vec::new();
    };
    let mut allowed: Vec<NetworkPolicyPort> = Vec::new();
    let declared = ports::running(&template.spec).filter_map(|it| it["ports"].as_array());
    for port in declared.flatten() {
        let Some(number) = ports::number(port) else {
            continue;
        };
        let protocol = ports::protocol(port);
        let is_logic = number == i32::from(scope.component.logic_port) && protocol == ports::TCP;
        let rule = allow(number, protocol);
        if !is_logic && !allowed.contains(&rule) {
            allowed.push(rule);
        }
    }
    allowed
}
