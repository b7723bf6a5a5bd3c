//! The page of the docs that shows how to generate stubs: each of its commands is run, in its order.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says why and ends"
)]

use std::path::Path;
use std::process::Command;

/// The programs that the page needs.
const TOOLCHAINS: [&str; 4] = ["python3", "go", "npm", "mvn"];

#[test]
fn every_command_of_the_page_about_stubs_works() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(repository.join("docs/stubs.md")).unwrap();
    let parts = page.split("```sh\n").skip(1);
    let blocks: Vec<_> = parts.filter_map(|part| part.split("```").next()).collect();
    assert_eq!(blocks.len(), 7);
    for program in TOOLCHAINS {
        let found = Command::new(program).arg("--help").output();
        assert!(found.is_ok(), "{program} is missing; install it");
    }
    let folder = tempfile::tempdir().unwrap();
    let script = format!("set -euxo pipefail\n{}", blocks.concat());
    let mut bash = Command::new("bash");
    let bash = bash.args(["-c", &script]).current_dir(folder.path());
    let output = bash
        .env("ANGZARR", repository.canonicalize().unwrap())
        .output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
