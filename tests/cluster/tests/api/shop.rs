//! Resources as their authors apply, list and scale them.

use angzarr_cluster::{ControlPlane, repository};
use angzarr_crds::testkit::rules;
use angzarr_crds::{Kind, crd};

#[tokio::test]
async fn the_shop_is_applied_and_replaying_it_changes_nothing() {
    let plane = ControlPlane::shared().await;
    let namespace = plane.namespace("shop").await;
    let shop = repository().join("examples/shop");
    let shop = shop.to_str().unwrap();
    for way in ["--server-side=false", "--server-side"] {
        let kubectl = |verb: &str, rest: &[&str]| {
            let named = ["--namespace", &namespace, "--filename", shop];
            plane.kubectl(&[&[verb], &named[..], rest].concat())
        };
        let versions = || {
            let path = "--output=jsonpath={.items[*].metadata.resourceVersion}";
            plane.kubectl(&["get", "angzarr", "--namespace", &namespace, path])
        };
        kubectl("apply", &[way]);
        let before = versions();
        assert_eq!(before.split(' ').count(), 8, "{before}");
        assert_eq!(kubectl("diff", &[way]), "", "{way}");
        kubectl("apply", &[way]);
        assert_eq!(versions(), before, "{way}");
    }
}

/// Applies a resource of each kind to a namespace; all have the name `tern`.
fn apply_all_kinds(plane: &ControlPlane, namespace: &str) {
    for kind in Kind::ALL {
        let cases = rules().into_iter().flat_map(|rule| rule.cases);
        let mut sound = cases.filter(|case| case.kind == kind && case.refusal.is_none());
        let resource = sound.next().unwrap().new.to_string();
        let apply = ["apply", "--namespace", namespace, "--filename", "-"];
        plane.kubectl_with(&apply, &resource);
    }
}

#[tokio::test]
async fn each_kind_is_listed_with_its_columns() {
    let plane = ControlPlane::shared().await;
    let namespace = plane.namespace("columns").await;
    apply_all_kinds(plane, &namespace);
    for kind in Kind::ALL {
        let columns = crd(kind).spec.versions[0]
            .additional_printer_columns
            .as_ref();
        let names = columns
            .unwrap()
            .iter()
            .map(|column| column.name.to_uppercase());
        let names: Vec<_> = ["NAME".to_owned()].into_iter().chain(names).collect();
        let listed = plane.kubectl(&["get", kind.plural(), "--namespace", &namespace]);
        let heading = listed.lines().next().unwrap();
        // At least three spaces are between columns.
        let heading: Vec<_> = heading.split("   ").map(str::trim).collect();
        let heading: Vec<_> = heading.into_iter().filter(|it| !it.is_empty()).collect();
        assert_eq!(heading, names, "{kind}");
        assert!(listed.contains("\ntern "), "{listed}");
    }
}

#[tokio::test]
async fn each_component_is_scaled_by_its_subresource_as_an_autoscaler_does() {
    let plane = ControlPlane::shared().await;
    let namespace = plane.namespace("scale").await;
    apply_all_kinds(plane, &namespace);
    for kind in Kind::ALL
        .into_iter()
        .filter(|kind| *kind != Kind::EventStore)
    {
        let resource = format!("{}/tern", kind.plural());
        let kubectl = |arguments: &[&str]| {
            let of = [arguments, &[&resource, "--namespace", &namespace]];
            plane.kubectl(&of.concat())
        };
        kubectl(&["scale", "--replicas=3"]);
        let count = "--output=jsonpath={.spec.replicas}";
        assert_eq!(kubectl(&["get", count]), "3", "{kind}");
        assert_eq!(
            kubectl(&["get", "--subresource=scale", count]),
            "3",
            "{kind}"
        );
    }
}
