//! Resources that are made to harm: each is told what is wrong with it, and no other resource waits.

use std::time::{Duration, Instant};

use super::lake::{Lake, STORE, aggregate, component};

/// How long a healthy resource may take beside hostile ones.
const SOON: Duration = Duration::from_secs(30);

/// Applies a healthy resource, and waits until its pods are rolled out.
async fn a_neighbour_is_served(lake: &Lake) {
    let begun = Instant::now();
    lake.apply(&aggregate("healthy"));
    lake.condition("agg/healthy", "Reconciling", "RollingOut")
        .await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

/// Sends what is too large for the annotation that `kubectl apply` leaves.
pub(crate) fn create(lake: &Lake, text: &str) {
    let arguments = ["--namespace", &lake.namespace, "create", "--filename", "-"];
    let ran = lake.plane.try_kubectl(&arguments, text);
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
}

/// A condition of this type tells somebody something.
async fn is_told(lake: &Lake, resource: &str, kind: &str, reason: &str) -> String {
    let condition = lake.condition(resource, kind, reason).await;
    let message = condition["message"].as_str().unwrap().to_owned();
    assert!(message.contains(' '), "{resource}: {message}");
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_of_a_megabyte_are_told_about_or_served() {
    let lake = Lake::new("large").await;
    let running = lake.operate();
    lake.apply(STORE);
    let with = |name: &str, size: usize, place: &str| {
        let (whole, text) = (aggregate(name), "x".repeat(size));
        whole.replace(
            "  domain:",
            &format!("{}\n  domain:", place.replace("TEXT", &text)),
        )
    };
    create(
        &lake,
        &with(
            "annotated",
            1_000_000,
            "    metadata: {annotations: {note: TEXT}}",
        ),
    );
    create(
        &lake,
        &with(
            "filled",
            1_000_000,
            "        env: [{name: LONG, value: TEXT}]",
        ),
    );
    a_neighbour_is_served(&lake).await;
    let said = is_told(&lake, "agg/annotated", "Stalled", "InvalidSpec").await;
    assert!(
        said.starts_with("spec.template.metadata.annotations: "),
        "{said}"
    );
    lake.condition("agg/filled", "Reconciling", "RollingOut")
        .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_sources_with_as_long_names_as_the_schema_allows_are_told_about() {
    let lake = Lake::new("many").await;
    let running = lake.operate();
    lake.apply(STORE);
    let domain = |number: usize| format!("d{number:0>62}");
    let sources: Vec<_> = (0..64)
        .map(|it| format!("{{domain: {}}}", domain(it)))
        .collect();
    let fields = format!("  sources: [{}]", sources.join(", "));
    let longest = "l".repeat(50);
    create(&lake, &component("Projector", &longest, &fields));
    let object = format!("prj/{longest}");
    let said = is_told(&lake, &object, "Reconciling", "WaitingForDomain").await;
    assert!(said.contains(&domain(63)), "{said}");
    // Now they are all there.
    let owners: Vec<_> = (0..64)
        .map(|it| {
            component(
                "Aggregate",
                &format!("{:0>50}", format!("o{it}")).replace('0', "z"),
                &format!("  domain: {}", domain(it)),
            )
        })
        .collect();
    create(&lake, &owners.concat());
    lake.condition(&object, "Reconciling", "RollingOut").await;
    a_neighbour_is_served(&lake).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_that_reach_for_the_node_or_for_what_is_ours_are_told_about() {
    let lake = Lake::new("reach").await;
    let running = lake.operate();
    lake.apply(STORE);
    let with = |name: &str, fields: &str| {
        aggregate(name).replace("      containers:", &format!("{fields}\n      containers:"))
    };
    lake.apply(&with(
        "disk",
        "      volumes: [{name: root, hostPath: {path: /}}]",
    ));
    lake.apply(&with("net", "      hostNetwork: true"));
    lake.apply(&with("pid", "      hostPID: true"));
    lake.apply(&aggregate("twin").replace("name: logic", "name: angzarr"));
    lake.apply(&with("typo", "      hostNetwrok: true"));
    lake.apply(&with(
        "volume",
        "      volumes: [{name: angzarr-boot, emptyDir: {}}]",
    ));
    a_neighbour_is_served(&lake).await;
    // The API server admits no such pod in a restricted namespace.
    for name in ["disk", "net", "pid"] {
        let object = format!("agg/{name}");
        let begun = Instant::now();
        loop {
            let said = is_told(&lake, &object, "Reconciling", "RollingOut").await;
            if said.contains("violates PodSecurity") {
                break;
            }
            assert!(begun.elapsed() < SOON, "{name}: {said}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let said = is_told(&lake, "agg/twin", "Stalled", "InvalidSpec").await;
    assert!(said.contains("angzarr is the sidecar's own"), "{said}");
    let said = is_told(&lake, "agg/typo", "Stalled", "InvalidTemplate").await;
    assert!(
        said.contains("unknown field \"spec.template.spec.hostNetwrok\""),
        "{said}"
    );
    let said = is_told(&lake, "agg/volume", "Stalled", "InvalidSpec").await;
    assert!(said.contains("volumes"), "{said}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_claims_of_one_domain_leave_it_to_the_first_and_delay_nobody() {
    let lake = Lake::new("claims").await;
    let running = lake.operate();
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    lake.condition("agg/nest", "Reconciling", "RollingOut")
        .await;
    // Of those made within one second the first name wins.
    let claims: Vec<_> = (0..300)
        .map(|it| component("Aggregate", &format!("newcomer-{it}"), "  domain: nest"))
        .collect();
    create(&lake, &claims.concat());
    a_neighbour_is_served(&lake).await;
    for number in [0, 150, 299] {
        is_told(
            &lake,
            &format!("agg/newcomer-{number}"),
            "Stalled",
            "DomainConflict",
        )
        .await;
    }
    lake.condition("agg/nest", "Accepted", "Valid").await;
    running.stop().await;
}
