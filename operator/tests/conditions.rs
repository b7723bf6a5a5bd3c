//! The page of the conditions, compared with the code. `make golden` writes it again.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says why and ends"
)]

use std::fs;
use std::path::Path;

use angzarr_operator::controller::manual;

/// Set to write the page instead of comparing it.
const REWRITE: &str = "ANGZARR_GOLDEN";

#[test]
fn the_page_of_the_conditions_is_what_the_code_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/conditions.md");
    if std::env::var_os(REWRITE).is_some() {
        fs::write(&page, manual()).unwrap();
    }
    assert!(
        fs::read_to_string(&page).unwrap_or_default() == manual(),
        "docs/conditions.md is out of date, run `make golden`"
    );
}
