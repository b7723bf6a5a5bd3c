//! The operator's chart, judged by Helm itself and installed on a real API server.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use angzarr_cluster::{repository, until};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::Value;

use super::instances::labelled;
use super::lake::{Lake, STORE, aggregate, component};
use super::rights::holder;

pub(crate) const CHART: &str = "charts/angzarr-operator";

fn helm(lake: Option<&Lake>, arguments: &[&str]) -> Output {
    let mut helm = Command::new(angzarr_cluster::helm());
    helm.args(arguments).current_dir(repository());
    if let Some(lake) = lake {
        helm.env("KUBECONFIG", lake.plane.kubeconfig());
        helm.args(["--namespace", &lake.namespace]);
    }
    helm.output().unwrap()
}

/// What Helm prints.
pub(crate) fn run(lake: Option<&Lake>, arguments: &[&str]) -> String {
    let ran = helm(lake, arguments);
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "helm {arguments:?}: {said}");
    String::from_utf8(ran.stdout).unwrap()
}

fn template(values: &[&str]) -> String {
    let mut arguments = vec!["template", "lake", CHART];
    for value in values {
        arguments.extend(["--set-json", value]);
    }
    run(None, &arguments)
}

#[test]
fn helm_finds_nothing_to_complain_about() {
    let said = run(None, &["lint", "--strict", CHART]);
    assert!(
        said.contains("1 chart(s) linted, 0 chart(s) failed"),
        "{said}"
    );
}

/// One other value for each name.
const OTHERS: [&str; 25] = [
    r#"instance="heron""#,
    r#"scope="namespaced""#,
    r#"injection="none""#,
    r#"imageRepository="reed.example/angzarr""#,
    r#"imageTag="9""#,
    r#"imageDigest="sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa""#,
    r#"imagePullPolicy="Always""#,
    r#"imagePullSecrets=["reed"]"#,
    r#"sidecarImage="reed.example/sidecar:9""#,
    "maxConcurrentRollouts=1",
    "replicas=3",
    "httpPort=8181",
    r#"leaseDuration="30s""#,
    r#"leaseRetry="500ms""#,
    "metricsService=false",
    "networkPolicy=false",
    "podDisruptionBudget=false",
    r#"serviceAccountName="heron""#,
    r#"resources={"limits":{"memory":"1Gi"}}"#,
    r#"podLabels={"reed":"nest"}"#,
    r#"podAnnotations={"reed":"nest"}"#,
    r#"nodeSelector={"reed":"nest"}"#,
    r#"tolerations=[{"key":"reed"}]"#,
    r#"affinity={"nodeAffinity":{}}"#,
    r#"priorityClassName="heron""#,
];

#[test]
fn every_value_is_documented_and_changes_what_is_installed() {
    let read = |file: &str| std::fs::read_to_string(repository().join(CHART).join(file)).unwrap();
    let values: Value = serde_saphyr::from_str(&read("values.yaml")).unwrap();
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let names = |value: &Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let mut described = names(&schema["properties"]);
    // Helm adds it to the values of every chart.
    described.remove("global");
    assert_eq!(names(&values), described);
    let mut tried = BTreeSet::from(["leaderElection", "webhookPort"].map(str::to_owned));
    let webhook = r#"injection="webhook""#;
    assert_ne!(
        template(&[webhook, "webhookPort=8443"]),
        template(&[webhook])
    );
    let default = template(&[]);
    assert_ne!(
        template(&["replicas=1", "leaderElection=false"]),
        template(&["replicas=1"])
    );
    for other in OTHERS {
        assert_ne!(template(&[other]), default, "{other}");
        tried.insert(other.split_once('=').unwrap().0.to_owned());
    }
    assert_eq!(names(&values), tried);
}

#[test]
fn bad_values_are_refused_with_their_names() {
    for (bad, name) in [
        (r#"scope="galaxy""#, "/scope"),
        (r#"injection="magic""#, "/injection"),
        (r#"instance="Heron""#, "/instance"),
        (r#"imageDigest="sha256:9""#, "/imageDigest"),
        (r#"replicas=-1"#, "/replicas"),
        ("maxConcurrentRollouts=0", "/maxConcurrentRollouts"),
        ("leaderElection=false", "/leaderElection"),
        ("httpPort=80", "/httpPort"),
        (r#"leaseDuration="1500ms""#, "/leaseDuration"),
        (r#"podLabels={"reed":1}"#, "/podLabels/reed"),
        ("replica=1", "replica"),
    ] {
        let refused = helm(None, &["template", "lake", CHART, "--set-json", bad]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            !refused.status.success() && said.contains(name),
            "{bad}: {said}"
        );
    }
}

#[test]
fn the_roles_have_no_wildcard_and_no_secrets() {
    for scope in [r#"scope="cluster""#, r#"scope="namespaced""#] {
        let objects: Vec<Value> = serde_saphyr::from_multiple(&template(&[scope])).unwrap();
        let rules: Vec<_> = objects
            .iter()
            .filter_map(|it| it["rules"].as_array())
            .flatten()
            .collect();
        assert!(rules.len() > 5);
        for rule in rules {
            let text = rule.to_string();
            assert!(!text.contains('*') && !text.contains("secrets"), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chart_is_installed_upgraded_rolled_back_and_uninstalled() {
    let lake = Lake::new("helm").await;
    let instance = format!("instance={}", lake.namespace);
    run(
        Some(&lake),
        &["install", "release", CHART, "--set", &instance],
    );
    let name = format!("{}-operator", lake.namespace);
    let deployment = format!("deployment/{name}");
    // The namespace enforces the restricted profile, so pods exist only if theirs is that.
    let pods = "app.kubernetes.io/name=angzarr-operator";
    until("the pods", async || {
        let found = lake.kubectl(&["get", "pods", "--selector", pods, "--output", "name"]);
        if found.lines().count() == 2 {
            Ok(())
        } else {
            Err(lake.get(&deployment)["status"].to_string())
        }
    })
    .await;
    let port = |lake: &Lake| {
        lake.get(&deployment)["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"].clone()
    };
    run(
        Some(&lake),
        &[
            "upgrade",
            "release",
            CHART,
            "--set",
            &instance,
            "--set",
            "httpPort=8181",
        ],
    );
    assert_eq!(port(&lake), 8181);
    run(Some(&lake), &["rollback", "release", "1"]);
    assert_eq!(port(&lake), 8080);
    run(Some(&lake), &["uninstall", "release", "--wait"]);
    for object in [
        deployment.as_str(),
        &format!("clusterrole/{name}"),
        &format!("role/{name}-lease"),
    ] {
        let found = lake
            .plane
            .try_kubectl(&["--namespace", &lake.namespace, "get", object], "");
        assert!(!found.status.success(), "{object} is still there");
    }
    lake.kubectl(&["get", "crd", "aggregates.angzarr.io"]);
}

/// Brings up an aggregate, removes a part of it, and sees it ready.
async fn live_and_prune(lake: &Lake) {
    let ours = |text: &str| labelled(text, &lake.namespace);
    let closed = component(
        "Aggregate",
        "nest",
        "  domain: nest\n  network: {policy: Ingress}",
    );
    lake.apply(&ours(&(STORE.to_owned() + &closed)));
    lake.condition("agg/nest", "Reconciling", "RollingOut")
        .await;
    let open = aggregate("nest").replace("domain: nest", "domain: nest\n  network: {policy: None}");
    lake.apply(&ours(&open));
    lake.is_gone("networkpolicy/nest-agg").await;
    lake.pods_become_ready("nest", 1).await;
    lake.condition("agg/nest", "Ready", "Serving").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_works_with_the_rights_of_its_role_in_either_scope() {
    for scope in ["cluster", "namespaced"] {
        let lake = Lake::new("rights").await;
        let (instance, scope) = (
            format!("instance={}", lake.namespace),
            format!("scope={scope}"),
        );
        run(
            Some(&lake),
            &[
                "install",
                "release",
                CHART,
                "--set",
                &instance,
                "--set",
                &scope,
                "--set",
                "replicas=0",
            ],
        );
        let name = format!("{}-operator", lake.namespace);
        let client = holder(lake.plane, &lake.client, (&lake.namespace, &name)).await;
        let mut operator = lake.operator();
        operator.instance = lake.namespace.clone();
        operator.election.leader_election = true;
        // A slow machine must not take it for hanging.
        operator.election.lease_duration = std::time::Duration::from_secs(60);
        if scope == "scope=cluster" {
            // As the chart has it, but for the resources of other tests: the same requests in the scope of the namespace need the same rules.
            operator.namespace = Some(lake.namespace.clone());
        }
        let running = lake.operate_as(operator, client);
        live_and_prune(&lake).await;
        let leases: Api<Lease> = Api::namespaced(lake.client.clone(), &lake.namespace);
        assert!(
            leases
                .get(&name)
                .await
                .unwrap()
                .spec
                .unwrap()
                .holder_identity
                .is_some()
        );
        running.stop().await;
        run(Some(&lake), &["uninstall", "release"]);
    }
}
