//! By the policies of the chart.

use serde_json::{Value, json};

use super::pods::{accepted, impossible};
use super::{lets_in, pod, refused, shore, tried};
use crate::chart::{CHART, run};

#[tokio::test(flavor = "multi_thread")]
async fn labelled_pods_get_the_sidecar_under_the_restricted_profile() {
    let lake = shore("policy").await;
    let running = lake.operate();
    lets_in(&lake, "nest", "").await;
    for (name, pod) in accepted("agg-nest") {
        let made = tried(&lake, &pod).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            made["spec"]["initContainers"][0]["name"], "angzarr",
            "{name}"
        );
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_have_the_sidecar_is_refused_with_the_fix() {
    let lake = shore("policy").await;
    let running = lake.operate();
    lets_in(&lake, "nest", "").await;
    for (pod, sentence) in impossible("agg-nest") {
        let said = refused(&lake, &pod);
        assert!(said.contains(sentence), "{said}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_names_nothing_is_refused_and_other_pods_are_untouched() {
    let lake = shore("policy").await;
    for label in ["agg-nest", "nest", "", "x-y"] {
        let said = refused(&lake, &pod(label, json!({})));
        let sentence =
            format!("the label angzarr.io/inject: {label} names no component of this namespace");
        assert!(said.contains(&sentence), "{said}");
    }
    let other = json!({ "metadata": { "labels": { "angzarr.io/inject": null, "angzarr.io/other": "agg-nest" } } });
    let made = tried(&lake, &pod("", other)).unwrap();
    assert_eq!(made["spec"]["initContainers"], json!(null));
    assert_eq!(made["spec"]["containers"].as_array().unwrap().len(), 1);
}

#[test]
fn what_injects_concerns_labelled_pods_only_and_in_a_namespaced_scope_those_of_the_namespace() {
    for (scope, is_limited) in [("cluster", false), ("namespaced", true)] {
        for injection in ["policy", "webhook"] {
            let values = [format!("scope={scope}"), format!("injection={injection}")];
            let mut arguments = vec!["template", "lake", CHART, "--namespace", "shore"];
            arguments.extend(values.iter().flat_map(|value| ["--set", value.as_str()]));
            let objects: Vec<Value> = serde_saphyr::from_multiple(&run(None, &arguments)).unwrap();
            let constraints = objects.iter().filter_map(|it| match it["kind"].as_str() {
                Some("MutatingAdmissionPolicy" | "ValidatingAdmissionPolicy") => {
                    Some(&it["spec"]["matchConstraints"])
                }
                Some("MutatingWebhookConfiguration") => Some(&it["webhooks"][0]),
                _ => None,
            });
            let constraints: Vec<_> = constraints.collect();
            assert_eq!(constraints.len(), if injection == "policy" { 2 } else { 1 });
            let labelled = json!({ "matchExpressions": [{ "key": "angzarr.io/inject", "operator": "Exists" }] });
            let inside = json!({ "matchLabels": { "kubernetes.io/metadata.name": "shore" } });
            for limits in constraints {
                assert_eq!(limits["objectSelector"], labelled);
                let namespaces = &limits["namespaceSelector"];
                assert_eq!(
                    *namespaces,
                    if is_limited {
                        inside.clone()
                    } else {
                        Value::Null
                    }
                );
            }
        }
    }
}
