//! The node of the tests themselves.

use std::fs;
use std::process::Command;

use crate::owner::Owner;

/// What a node would leave in the mounts, links and firewall rules of this machine, if they were not its own.
fn traces() -> Vec<String> {
    let run = |program: &str, arguments: &[&str]| {
        let ran = Command::new(program).args(arguments).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
        String::from_utf8(ran.stdout).unwrap()
    };
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let links = run("ip", &["-oneline", "link", "show", "type", "bridge"]);
    let rules = run("iptables-save", &[]);
    let mut found = Vec::new();
    for (lines, word) in [
        (mounts, "angzarr-cluster-"),
        (links.clone(), " node: "),
        (links, " pods: "),
        (rules, "KUBE-"),
    ] {
        let lines = lines.lines().filter(|line| line.contains(word));
        found.extend(lines.map(str::to_owned));
    }
    found
}

#[tokio::test]
async fn a_killed_owner_of_a_node_leaves_nothing_and_the_machine_is_untouched_meanwhile() {
    let mut owner = Owner::start(&[]);
    assert!(owner.processes().len() >= 8, "{:?}", owner.processes());
    assert!(!owner.groups().is_empty());
    assert_eq!(traces(), Vec::<String>::new());
    owner.process.kill().unwrap();
    owner.process.wait().unwrap();
    owner.await_nothing_left().await;
    assert_eq!(traces(), Vec::<String>::new());
}
