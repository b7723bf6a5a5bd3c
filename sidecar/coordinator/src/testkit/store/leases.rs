//! Laws of leases.

use std::time::Duration;

use super::consumers::{TTL, advance, commit, consumer, lease, next_of, step};
use super::{Bench, Sharing};
use crate::port::leases::Grant;
use crate::port::store::Error;
use crate::port::writer::Outcome;

pub(super) async fn a_lease_is_held_by_one_until_it_is_released(bench: Box<dyn Bench>) {
    let (ports, saga) = (bench.ports(), consumer("a"));
    let name = saga.to_string();
    let epoch = lease(&ports, &saga).await;
    let other = ports
        .leases
        .acquire(&name, "there", TTL)
        .await
        .expect("the store answers");
    assert_eq!(
        other,
        Grant::Held {
            holder: "here".into()
        }
    );
    ports
        .leases
        .renew(&name, epoch, TTL)
        .await
        .expect("it is renewed");
    ports
        .leases
        .release(&name, epoch)
        .await
        .expect("it is released");
    let other = ports
        .leases
        .acquire(&name, "there", TTL)
        .await
        .expect("the store answers");
    assert!(
        matches!(other, Grant::Granted { epoch: next } if next > epoch),
        "{other:?}"
    );
    let lost = ports.leases.renew(&name, epoch, TTL).await;
    assert!(matches!(lost, Err(Error::Fenced { .. })), "{lost:?}");
    ports
        .leases
        .release(&name, epoch)
        .await
        .expect("it is without effect");
    let held = ports
        .leases
        .acquire(&name, "here", TTL)
        .await
        .expect("the store answers");
    assert_eq!(
        held,
        Grant::Held {
            holder: "there".into()
        }
    );
}

pub(super) async fn a_lapsed_lease_is_granted_to_another_and_its_holder_is_fenced(
    bench: Box<dyn Bench>,
) {
    let (ports, saga) = (bench.ports(), consumer("a"));
    let name = saga.to_string();
    let short = Duration::from_millis(5);
    let granted = ports.leases.acquire(&name, "here", short).await;
    let Ok(Grant::Granted { epoch }) = granted else {
        unreachable!("a free lease is granted: {granted:?}")
    };
    let deadline = tokio::time::Instant::now() + TTL;
    let next = loop {
        let asked = ports.leases.acquire(&name, "there", TTL).await;
        match asked.expect("the store answers") {
            Grant::Granted { epoch } => break epoch,
            Grant::Held { holder } => assert_eq!(holder, "here"),
        }
        assert!(tokio::time::Instant::now() < deadline, "it lapses");
    };
    assert!(next > epoch);
    let late = step(&ports, &saga, epoch, vec![advance(1, 3)]).await;
    let name = saga.to_string();
    assert_eq!(late, Outcome::Fenced { name });
    commit(&ports, &saga, next, vec![advance(1, 1)]).await;
    assert_eq!(next_of(&ports, &saga, 1).await, Some(1));
}

pub(super) async fn after_a_restart_only_what_nobody_else_can_hold_is_granted_under_a_higher_epoch(
    mut bench: Box<dyn Bench>,
) {
    let saga = consumer("a");
    let name = saga.to_string();
    let epoch = lease(&bench.ports(), &saga).await;
    bench.reopen().await;
    let ports = bench.ports();
    let other = ports.leases.acquire(&name, "there", TTL).await;
    let other = other.expect("the store answers");
    match bench.sharing() {
        Sharing::OneProcess => assert!(
            matches!(other, Grant::Granted { epoch: next } if next > epoch),
            "{other:?}"
        ),
        Sharing::Everyone => {
            let here = "here".into();
            assert_eq!(other, Grant::Held { holder: here });
            assert!(
                lease(&ports, &saga).await > epoch,
                "the holder itself comes back at once"
            );
        }
    }
}
