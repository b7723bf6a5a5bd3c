//! By the operator's webhook.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use angzarr_cluster::until;
use angzarr_operator::controller::Operator;
use angzarr_servers::free_port;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::pods::{accepted, impossible};
use super::{existing, lets_in, pod, refused, shore, tried, until_let_in};
use crate::lake::{Lake, Running, STORE};
use crate::rights::holder;

/// An operator that serves the webhook of a namespace on a port.
fn operator(lake: &Lake, port: u16) -> Operator {
    let mut operator = lake.operator();
    operator.instance.clone_from(&lake.namespace);
    operator.webhook.webhook = Some(SocketAddr::from(([127, 0, 0, 1], port)));
    operator.webhook.webhook_host = Some("127.0.0.1".to_owned());
    operator
}

/// Lets the API server, which is in no cluster network, ask a port instead of the Service.
fn ask(lake: &Lake, port: u16) {
    let url = format!("https://127.0.0.1:{port}/inject");
    let path = "/webhooks/0/clientConfig/";
    let mut patch = vec![json!({ "op": "add", "path": format!("{path}url"), "value": url })];
    let configuration = format!(
        "mutatingwebhookconfiguration/{0}-operator-{0}",
        lake.namespace
    );
    if !lake.get(&configuration)["webhooks"][0]["clientConfig"]["service"].is_null() {
        patch.push(json!({ "op": "remove", "path": format!("{path}service") }));
    }
    let patch = Value::from(patch).to_string();
    lake.kubectl(&["patch", &configuration, "--type=json", "--patch", &patch]);
}

/// Starts it with no more rights than the chart gives it.
async fn serve(lake: &Lake, operator: Operator) -> Running {
    let name = format!("{}-operator", lake.namespace);
    let client = holder(lake.plane, &lake.client, (&lake.namespace, &name)).await;
    lake.operate_as(operator, client)
}

/// Does what `lets_in` does, with resources of the installation that bears the name of the namespace.
async fn lets_in_ours(lake: &Lake, name: &str, fields: &str) {
    let labels = format!(", labels: {{angzarr.io/instance: {}}}}}", lake.namespace);
    let all = STORE.to_owned() + &existing(name, fields);
    let all = all.replace(
        "metadata: {name: heron}",
        &format!("metadata: {{name: heron{labels}"),
    );
    lake.apply(&all.replace(
        &format!("metadata: {{name: {name}}}"),
        &format!("metadata: {{name: {name}{labels}"),
    ));
    until_let_in(lake, name).await;
}

/// A namespace with an operator that serves its webhook.
async fn hooked() -> (Lake, Running) {
    let lake = shore("webhook").await;
    let port = free_port();
    ask(&lake, port);
    let running = serve(&lake, operator(&lake, port)).await;
    (lake, running)
}

/// A pod without what differs from one namespace to another.
fn plain(lake: &Lake, pod: &Value) -> Value {
    let mut pod = pod.clone();
    let metadata = pod["metadata"].as_object_mut().unwrap();
    metadata.retain(|key, _| ["name", "labels", "annotations"].contains(&key.as_str()));
    for volume in pod["spec"]["volumes"].as_array_mut().unwrap() {
        if volume["name"]
            .as_str()
            .unwrap()
            .starts_with("kube-api-access-")
        {
            volume["name"] = "kube-api-access".into();
        }
        if volume["name"] == "angzarr-boot" {
            volume["configMap"]["name"].take();
        }
    }
    for list in ["containers", "initContainers"] {
        for container in pod["spec"][list].as_array_mut().unwrap() {
            for mount in container["volumeMounts"]
                .as_array_mut()
                .into_iter()
                .flatten()
            {
                if mount["name"]
                    .as_str()
                    .unwrap()
                    .starts_with("kube-api-access-")
                {
                    mount["name"] = "kube-api-access".into();
                }
            }
        }
    }
    let injected = &mut pod["metadata"]["annotations"]["angzarr.io/injected"];
    *injected = injected
        .as_str()
        .unwrap()
        .rsplit_once('.')
        .unwrap()
        .0
        .into();
    serde_json::from_str(&pod.to_string().replace(&lake.namespace, "NAMESPACE")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_and_the_policies_make_the_same_pods_and_say_the_same() {
    let policy = shore("policy").await;
    let by_policy = policy.operate();
    let (hook, by_hook) = hooked().await;
    let logic = "  logic: {container: logic}";
    for (name, fields) in [("nest", ""), ("reed", logic)] {
        lets_in(&policy, name, fields).await;
        lets_in_ours(&hook, name, fields).await;
    }
    for label in ["agg-nest", "agg-reed"] {
        for (name, pod) in accepted(label) {
            let [one, other] = [&policy, &hook].map(|lake| {
                let made = tried(lake, &pod).unwrap_or_else(|error| panic!("{name}: {error}"));
                plain(lake, &made)
            });
            assert_eq!(one, other, "{name}");
        }
    }
    let nameless = pod(
        "agg-reed",
        json!({ "spec": { "containers": [super::container("other")] } }),
    );
    let named = (
        nameless,
        "no container is named logic, as spec.logic.container of the component says; correct either name",
    );
    for (pod, sentence) in impossible("agg-nest").into_iter().chain([named]) {
        for lake in [&policy, &hook] {
            let said = refused(lake, &pod);
            assert!(
                said.contains(&format!("the sidecar cannot be injected: {sentence}")),
                "{said}"
            );
        }
    }
    for lake in [&policy, &hook] {
        for label in ["agg-nobody", "nest", ""] {
            let said = refused(lake, &pod(label, json!({})));
            assert!(
                said.contains(&format!(
                    "the label angzarr.io/inject: {label} names no component of this namespace"
                )),
                "{said}"
            );
        }
        // Whoever copies a pod gets the same again.
        let made = tried(lake, &pod("agg-nest", json!({}))).unwrap();
        let copy = json!({
            "apiVersion": "v1", "kind": "Pod", "spec": made["spec"],
            "metadata": { "name": "copy", "labels": made["metadata"]["labels"], "annotations": made["metadata"]["annotations"] },
        });
        assert_eq!(tried(lake, &copy).unwrap()["spec"], made["spec"]);
    }
    by_policy.stop().await;
    by_hook.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_found_in_the_namespace_of_the_pod_only_and_no_longer_than_it_is_there() {
    let policy = shore("policy").await;
    let (hook, by_hook) = hooked().await;
    let by_policy = policy.operate();
    lets_in(&policy, "nest", "").await;
    lets_in_ours(&hook, "reed", "").await;
    for (lake, label) in [(&policy, "agg-reed"), (&hook, "agg-nest")] {
        let said = refused(lake, &pod(label, json!({})));
        assert!(
            said.contains("names no component of this namespace"),
            "{said}"
        );
    }
    for (lake, name) in [(&policy, "nest"), (&hook, "reed")] {
        lake.kubectl(&["delete", &format!("agg/{name}")]);
        until(
            "the refusal of a pod without its component",
            async || match tried(lake, &pod(&format!("agg-{name}"), json!({}))) {
                Ok(_) => Err("it is let in".to_owned()),
                Err(said) if said.contains("names no component of this namespace") => Ok(()),
                Err(said) => Err(said),
            },
        )
        .await;
    }
    // A PodTemplate that a component does not own is none.
    let secure = pod("", json!({}))["spec"]["securityContext"].clone();
    let forged = json!({
        "apiVersion": "v1", "kind": "PodTemplate",
        "metadata": { "name": "fake-agg", "labels": {
            "angzarr.io/inject": "agg-fake", "angzarr.io/kind": "Aggregate", "angzarr.io/component": "fake", "app.kubernetes.io/managed-by": "angzarr",
        } },
        "template": { "spec": { "securityContext": secure, "containers": [super::container("logic")], "initContainers": [super::container("angzarr")] } },
    });
    for lake in [&policy, &hook] {
        lake.kubectl_with(&["create", "--filename=-"], &forged.to_string());
        let said = refused(lake, &pod("agg-fake", json!({})));
        assert!(
            said.contains("names no component of this namespace"),
            "{said}"
        );
    }
    by_policy.stop().await;
    by_hook.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_no_webhook_answers_labelled_pods_are_refused_and_no_others() {
    let (lake, running) = hooked().await;
    lets_in_ours(&lake, "nest", "").await;
    running.stop().await;
    let said = refused(&lake, &pod("agg-nest", json!({})));
    assert!(
        said.contains("failed calling webhook \"inject.angzarr.io\""),
        "{said}"
    );
    let other = json!({ "metadata": { "labels": { "angzarr.io/inject": null, "angzarr.io/component": "nest" } } });
    let made = tried(&lake, &pod("agg-nest", other)).unwrap();
    assert_eq!(made["spec"]["initContainers"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_renewed_while_every_replica_goes_on_letting_pods_in() {
    let lake = shore("webhook").await;
    let ports = [free_port(), free_port()];
    ask(&lake, ports[0]);
    let replica = async |port: u16| {
        let mut operator = operator(&lake, port);
        operator.election.leader_election = true;
        operator.webhook.webhook_validity = "9s".parse().unwrap();
        serve(&lake, operator).await
    };
    let first = replica(ports[0]).await;
    lets_in_ours(&lake, "nest", "").await;
    let second = replica(ports[1]).await;
    let mut seen = BTreeSet::new();
    let secret = format!("secret/{}-operator-webhook", lake.namespace);
    let mut asked = 0;
    until("two renewals", async || {
        // Both in turn; the second one does not lead, and serves what the first one made.
        let port = ports[asked % 2];
        asked += 1;
        ask(&lake, port);
        let probe = pod("agg-nest", json!({}));
        if port == ports[1] && seen.len() < 2 {
            // It may not have begun yet.
            let _ = tried(&lake, &probe);
        } else if let Err(said) = tried(&lake, &probe) {
            panic!("after {seen:?}: {said}");
        }
        seen.insert(lake.get(&secret)["data"]["tls.crt"].to_string());
        match seen.len() {
            ..=3 => Err(format!("{} certificates", seen.len())),
            _ => Ok(()),
        }
    })
    .await;
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_nothing_hold_no_pod_up() {
    let lake = shore("webhook").await;
    let port = free_port();
    ask(&lake, port);
    let running = serve(&lake, operator(&lake, port)).await;
    lets_in_ours(&lake, "nest", "").await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    tried(&lake, &pod("agg-nest", json!({}))).unwrap();
    drop(silent);
    running.stop().await;
}
