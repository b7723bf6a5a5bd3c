//! The table of crates in `docs/architecture.md` says what the manifests say.

use std::collections::BTreeSet;
use std::path::Path;

/// The crates of ours that a manifest's `[dependencies]` name, without their common prefix.
fn imported(manifest: &str) -> BTreeSet<String> {
    let from = manifest.split("\n[dependencies]\n").nth(1).unwrap_or("");
    let lines = from.lines().take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.strip_prefix("angzarr-"));
    names
        .filter_map(|name| name.split(['.', ' ']).next().map(str::to_owned))
        .collect()
}

#[test]
fn the_documented_imports_of_each_crate_are_those_of_its_manifest() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(workspace.join("docs/architecture.md")).unwrap();
    let mut above = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| `angzarr-")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let (name, folder, imports) = (cells[1].trim_matches('`'), cells[2], cells[4]);
        let documented: BTreeSet<_> = match imports {
            "none" => BTreeSet::new(),
            "all above" => above.clone(),
            listed => listed.split(", ").map(str::to_owned).collect(),
        };
        let manifest = workspace.join(folder.trim_matches('`')).join("Cargo.toml");
        let manifest = std::fs::read_to_string(manifest).unwrap();
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{row}");
        assert_eq!(imported(&manifest), documented, "{name}");
        above.insert(name.trim_start_matches("angzarr-").to_owned());
    }
    assert!(above.len() >= 10, "{above:?}");
}
