//! The resources of the shop, as their authors apply them.

use angzarr_cluster::{ControlPlane, repository};

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
