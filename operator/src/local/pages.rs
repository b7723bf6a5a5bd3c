//! The pages of the docs about what is read here, read by the code that they describe.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::declared::{Declared, Source};
use super::images::Images;
use super::localize::Stores;
use super::programs::Lookup;
use crate::manifest;
use crate::plan::{Installation, plan};
use crate::render::yaml;
use crate::validate::validate;

fn page(name: &str) -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    fs::read_to_string(docs.join(name)).unwrap()
}

/// The YAML blocks of a page.
fn blocks(page: &str) -> Vec<&str> {
    let parts = page.split("```yaml\n").skip(1);
    parts.filter_map(|part| part.split("```").next()).collect()
}

/// The parts of a page's text in backquotes, in one line.
fn quoted(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_snippets_of_local_yaml_are_read_as_the_page_says() {
    let page = page("local.md");
    let blocks = blocks(&page);
    assert_eq!(blocks.len(), 2);
    let images = Images::parse(blocks[0]).unwrap();
    let balances = &images.images["bank/balances:1"];
    assert_eq!(balances.port_names(), ["page"]);
    assert_eq!(
        balances.folder(Path::new("/bank")),
        Path::new("/bank/balances")
    );
    assert!(images.secrets["bank-db"].contains_key("uri"));
    let values = [("PORT".to_owned(), "7001".to_owned())].into();
    let shell = &Images::parse(blocks[1]).unwrap().images["bank/account:1"];
    let command = shell.resolve(Path::new("/bank"), &values).unwrap();
    assert_eq!(
        command.arguments[1],
        "exec ./account --data ${HOME}/bank --port 7001"
    );
}

#[test]
fn the_page_of_local_yaml_names_every_key_and_no_other() {
    let page = page("local.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let keys: Vec<_> = rows
        .filter_map(|row| row.split('`').next())
        .filter(|key| key.starts_with("images") || *key == "secrets")
        .filter(|key| !key.contains(": "))
        .collect();
    assert_eq!(
        keys,
        [
            "images",
            "images.NAME.command",
            "images.NAME.workingDir",
            "images.NAME.env",
            "secrets"
        ]
    );
    let known = serde_json::to_value(&Images::parse(blocks(&page)[0]).unwrap().images).unwrap();
    let known = known["bank/balances:1"].as_object().unwrap();
    let known: Vec<_> = known.keys().map(String::as_str).collect();
    assert_eq!(known.len(), 3, "{known:?}");
    for key in known {
        assert!(page.contains(&format!("`images.NAME.{key}`")), "{key}");
    }
}

#[test]
fn the_mistakes_of_the_page_have_the_messages_that_it_shows() {
    let page = page("local.md");
    let (_, mistakes) = page.split_once("## Mistakes").unwrap();
    let rows = mistakes.lines().map(quoted).filter(|row| row.len() == 2);
    let rows: Vec<_> = rows.collect();
    assert_eq!(rows.len(), 4);
    for row in rows {
        let mistakes = Images::parse(row[0]).unwrap_err();
        let said: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|it| it.contains(row[1])), "{said:?}");
    }
}

/// The files of the example, each as named in the line before its block, in a folder.
fn lay_out(folder: &Path) -> PathBuf {
    let page = page("example.md");
    let sys = folder.join("sys");
    fs::create_dir(&sys).unwrap();
    let names = page.lines().filter_map(|line| line.strip_prefix('`'));
    let names = names.filter(|line| !line.starts_with('`'));
    let names: Vec<_> = names.filter_map(|line| line.split('`').next()).collect();
    let blocks = blocks(&page);
    assert_eq!(names.len(), blocks.len(), "{names:?}");
    for (name, block) in names.iter().zip(blocks) {
        fs::write(folder.join(name), block).unwrap();
    }
    for program in ["account", "transfer", "balances", "settle"] {
        let file = folder.join(program);
        fs::write(&file, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    sys
}

#[test]
fn the_example_of_the_docs_runs_on_a_machine_and_in_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let sys = lay_out(folder.path());
    let source = Source {
        folder: sys.clone(),
        stores: Stores::Replaced,
        lookup: Lookup {
            base: folder.path().to_owned(),
            path: "/bin".into(),
        },
    };
    let Declared {
        system, notices, ..
    } = source.read().unwrap();
    assert_eq!(system.components.len(), 4);
    assert_eq!(notices, [""; 0]);
    let found = manifest::read(&sys).unwrap();
    assert_eq!(found.notices, [""; 0]);
    let installation = Installation {
        sidecar_image: "angzarr-sidecar:1".to_owned(),
        has_pod_monitors: false,
    };
    let plan = plan(&validate(&found.resources).unwrap(), &installation);
    let objects = yaml(&plan).unwrap();
    assert_eq!(objects.matches("kind: Deployment").count(), 4);
}
