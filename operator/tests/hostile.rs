//! What nobody should hand to the program, handed to the program: each ends with exit code 1 and a sentence, soon and without much memory.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says why and ends"
)]

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// More time of a processor than ten thousand resources take, in seconds.
const MOST_TIME: u64 = 150;
/// More than the program needs for ten thousand resources, in KiB, with room for its own code.
const MOST_MEMORY: u64 = 2 << 20;

struct Said {
    code: Option<i32>,
    out: String,
    told: String,
}

/// Runs `angzarr render` on a path, with bounded time and memory.
fn render(path: &Path) -> Said {
    render_with(path, "--sidecar-image registry.example/sidecar:9")
}

fn render_with(path: &Path, flags: &str) -> Said {
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "ulimit -v {MOST_MEMORY} && ulimit -t {MOST_TIME} && exec \"$0\" render -f \"$1\" {flags}"
        ))
        .arg(env!("CARGO_BIN_EXE_angzarr"))
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        told: String::from_utf8(output.stderr).unwrap(),
    }
}

fn folder(file: &str, content: impl AsRef<[u8]>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(file), content).unwrap();
    folder
}

fn refused(path: &Path, expected: &[&str]) {
    let said = render(path);
    for part in expected {
        assert!(
            said.told.contains(part),
            "{part}\nis missing in\n{}",
            said.told
        );
    }
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
}

const STORE: &str = "
apiVersion: angzarr.io/v1alpha1
kind: EventStore
metadata: {name: heron}
spec: {storage: {type: sqlite}, bus: {type: direct}}
";

fn aggregate(name: &str, domain: &str, fields: &str) -> String {
    format!(
        "---\napiVersion: angzarr.io/v1alpha1\nkind: Aggregate\nmetadata: {{name: {name}}}\nspec:\n  eventStoreRef: {{name: heron}}\n  domain: {domain}\n{fields}\n"
    )
}

fn pod(spec: &str) -> String {
    format!("  template: {{spec: {spec}}}")
}

fn plain(name: &str, domain: &str) -> String {
    aggregate(
        name,
        domain,
        &pod("{containers: [{name: egg, image: egg:3}]}"),
    )
}

#[test]
fn a_path_that_holds_no_resources_says_so() {
    let empty = tempfile::tempdir().unwrap();
    refused(empty.path(), &["holds no *.yaml, *.yml or *.json file"]);
    refused(Path::new("/nowhere"), &["/nowhere: cannot be read"]);
    refused(
        folder("notes.txt", "a: 1").path(),
        &["holds no *.yaml, *.yml or *.json file"],
    );
    refused(
        Path::new("/dev/zero"),
        &["/dev/zero: is not a regular file"],
    );
}

#[test]
fn links_in_a_circle_are_named() {
    let folder = tempfile::tempdir().unwrap();
    symlink("b.yaml", folder.path().join("a.yaml")).unwrap();
    symlink("a.yaml", folder.path().join("b.yaml")).unwrap();
    symlink(".", folder.path().join("self.yaml")).unwrap();
    refused(
        folder.path(),
        &[
            "a.yaml: cannot be read",
            "b.yaml: cannot be read",
            "self.yaml: is not a regular file",
        ],
    );
}

#[test]
fn what_editors_and_macos_leave_is_skipped_with_a_notice() {
    let folder = folder("lake.yaml", STORE.to_owned() + &plain("a", "d"));
    symlink("ada@heron.17:4", folder.path().join(".#lake.yaml")).unwrap();
    fs::write(folder.path().join("._lake.yaml"), [0, 5, 22, 7, 0xff]).unwrap();
    let said = render(folder.path());
    assert_eq!(said.code, Some(0), "{}", said.told);
    for part in [
        ".#lake.yaml is skipped: it is the lock of an editor",
        "._lake.yaml is skipped: it is the attributes",
    ] {
        assert!(said.told.contains(part), "{}", said.told);
    }
}

#[test]
fn lists_are_unfolded_at_every_depth_and_json_is_read() {
    let (store, ledger) = (
        r#"{"apiVersion": "angzarr.io/v1alpha1", "kind": "EventStore", "metadata": {"name": "main"},
            "spec": {"storage": {"type": "sqlite"}, "bus": {"type": "direct"}}}"#,
        r#"{"metadata": {"name": "ledger"}, "spec": {"eventStoreRef": {"name": "main"}, "domain": "ledger",
            "template": {"spec": {"containers": [{"name": "logic", "image": "acme/ledger:1"}]}}}}"#,
    );
    let typed = format!(
        r#"{{"apiVersion": "angzarr.io/v1alpha1", "kind": "AggregateList", "items": [{ledger}]}}"#
    );
    let nested = format!(
        r#"{{"apiVersion": "v1", "kind": "List", "items": [{store}, {{"apiVersion": "v1", "kind": "List", "items": [{typed}]}}]}}"#
    );
    let alone = render(folder("all.yaml", &nested).path());
    let apart = folder("store.yaml", store);
    fs::write(apart.path().join("ledger.json"), typed.replace("  ", "\t")).unwrap();
    for said in [alone, render(apart.path())] {
        assert_eq!((said.code, said.told.as_str()), (Some(0), ""));
        assert_eq!(said.out.matches("---\n").count(), 8);
    }
    fs::write(apart.path().join("ledger.json"), &typed[1..]).unwrap();
    refused(apart.path(), &["ledger.json: is not valid JSON: "]);
}

/// Numbers as people write them, and as kubectl sends them.
const NUMBERS: [(&str, &str); 14] = [
    ("0400", "256"),
    ("0644", "420"),
    ("0o400", "256"),
    ("-0644", "-420"),
    ("0_644", "420"),
    ("00", "0"),
    ("0x1F", "31"),
    ("0b101", "5"),
    ("089", "89"),
    ("644.0", "644"),
    ("1e3", "1000"),
    ("0.5", "0.5"),
    ("18446744073709551615", "18446744073709551615"),
    ("-9223372036854775808", "-9223372036854775808"),
];

#[test]
fn numbers_are_read_as_kubectl_reads_them() {
    let (mut yaml, mut expected) = (String::new(), String::new());
    for (written, read) in NUMBERS {
        let name = written.replace(['.', '-', '_'], "x");
        write!(yaml, "n{name}: {written}, ").unwrap();
        writeln!(expected, "n{name}: {read}").unwrap();
    }
    let pod = pod(&format!(
        "{{containers: [{{name: egg, image: egg:3}}], volumes: [{{name: v, {yaml}}}]}}"
    ));
    let said = render(folder("lake.yaml", STORE.to_owned() + &aggregate("a", "d", &pod)).path());
    assert_eq!((said.code, said.told.as_str()), (Some(0), ""));
    for line in expected.lines() {
        assert!(said.out.lines().any(|it| it.trim() == line), "{line}");
    }
}

#[test]
fn whole_numbers_of_json_are_written_without_a_point() {
    let text = r#"{"kind": "List", "apiVersion": "v1", "items": [
        {"apiVersion": "angzarr.io/v1alpha1", "kind": "EventStore", "metadata": {"name": "heron"},
         "spec": {"storage": {"type": "sqlite"}, "bus": {"type": "direct"}}},
        {"apiVersion": "angzarr.io/v1alpha1", "kind": "Aggregate", "metadata": {"name": "a"},
         "spec": {"eventStoreRef": {"name": "heron"}, "domain": "d", "replicas": 1.0, "template": {"spec": {
            "priority": 7.0, "containers": [{"name": "egg", "image": "egg:3"}]}}}}]}"#;
    let said = render(folder("lake.json", text).path());
    assert_eq!((said.code, said.told.as_str()), (Some(0), ""));
    assert!(said.out.contains("      priority: 7\n"), "{}", said.out);
    assert!(said.out.contains("  replicas: 1\n"), "{}", said.out);
}

#[test]
fn text_that_looks_like_a_number_or_a_word_of_yaml_stays_text() {
    let texts = [
        "0400",
        "0644",
        "0o17",
        "0_7",
        "1_000",
        "0x1F",
        "0b11",
        "089",
        "1e3",
        "7.0",
        ".5",
        "+7",
        "-0",
        "yes",
        "off",
        "n",
        "Null",
        "~",
        "1:20",
        "2026-01-02",
        "=",
        "<<",
        ".inf",
        ".NaN",
    ];
    let variables = texts.map(|text| format!("{{name: A, value: '{text}'}}"));
    let env = variables.join(", ");
    let pod = pod(&format!(
        "{{containers: [{{name: egg, image: egg:3, env: [{env}]}}]}}"
    ));
    let said = render(folder("lake.yaml", STORE.to_owned() + &aggregate("a", "d", &pod)).path());
    assert_eq!((said.code, said.told.as_str()), (Some(0), ""));
    for text in texts {
        let quoted = [format!("value: '{text}'"), format!("value: \"{text}\"")];
        let is_quoted = said
            .out
            .lines()
            .any(|line| quoted.iter().any(|it| it == line.trim()));
        assert!(is_quoted, "{text} is not quoted");
    }
}

#[test]
fn a_namespace_is_set_where_none_is_written() {
    let elsewhere = plain("b", "e").replace("{name: b}", "{name: b, namespace: pond}")
        + &STORE
            .replace("{name: heron}", "{name: heron, namespace: pond}")
            .replace("\napi", "---\napi");
    let folder = folder(
        "lake.yaml",
        STORE.to_owned() + &plain("a", "d") + &elsewhere,
    );
    let image = "--sidecar-image registry.example/sidecar:9";
    let lake = render_with(folder.path(), &format!("-n lake {image}"));
    assert_eq!((lake.code, lake.told.as_str()), (Some(0), ""));
    assert!(
        lake.out.contains("http://a-agg.lake.svc:9000"),
        "{}",
        lake.out
    );
    assert!(
        lake.out.contains("http://b-agg.pond.svc:9000"),
        "{}",
        lake.out
    );
    assert!(lake.out.contains("  namespace: lake\n") && lake.out.contains("  namespace: pond\n"));
    assert!(!lake.out.contains("default"), "{}", lake.out);
    let unnamed = render(folder.path());
    assert!(unnamed.out.contains("http://a-agg.default.svc:9000"));
    let wrong = render_with(folder.path(), "--namespace La_ke");
    assert!(
        wrong.told.contains("is not a name; write"),
        "{}",
        wrong.told
    );
    assert_eq!((wrong.code, wrong.out.as_str()), (Some(2), ""));
}

#[test]
fn an_image_that_no_registry_has_is_said_in_output_and_warning() {
    let text = STORE.to_owned() + &plain("a", "d");
    let said = render_with(folder("lake.yaml", &text).path(), "");
    let first = said.out.lines().next().unwrap();
    assert!(first.starts_with("# the image angzarr-sidecar:"), "{first}");
    for told in [first, said.told.trim()] {
        assert!(told.contains("is in no registry"), "{told}");
        assert!(
            told.contains("--sidecar-image REGISTRY/angzarr-sidecar:"),
            "{told}"
        );
    }
    assert_eq!(said.code, Some(0));
    let own = text.replace(
        "  domain: d",
        "  domain: d\n  sidecar: {image: 'registry.example/s:1'}",
    );
    let said = render_with(folder("lake.yaml", own).path(), "");
    assert_eq!((said.code, said.told.as_str()), (Some(0), ""));
    assert!(said.out.starts_with("---\n"), "{}", said.out);
}

#[test]
fn what_looks_like_resources_and_is_not_read_is_named() {
    let good = STORE.to_owned() + &plain("a", "d");
    let folder = folder("lake.yaml", &good);
    let path = folder.path();
    for file in [
        "old.yaml.bak",
        "LAKE.YAML",
        "lake.txt",
        "more/lake.yml",
        ".git/lake.yml",
    ] {
        let file = path.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, format!("# Notes\n---{good}")).unwrap();
    }
    fs::write(path.join("README.md"), format!("# Lake\n\nAs in\n{good}")).unwrap();
    let said = render(path);
    assert_eq!(said.code, Some(0), "{}", said.told);
    let lines: Vec<_> = said.told.lines().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    for (line, name) in lines
        .iter()
        .zip(["LAKE.YAML", "lake.txt", "more", "old.yaml.bak"])
    {
        assert!(line.contains(&format!("{name} is skipped: it ")), "{line}");
    }
    fs::remove_file(path.join("lake.yaml")).unwrap();
    refused(path, &["holds no *.yaml", "old.yaml.bak is skipped"]);
}

#[test]
fn a_pipe_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.yaml");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    refused(folder.path(), &["pipe.yaml: is not a regular file"]);
}

#[test]
fn files_that_are_not_text_or_not_yaml_are_reported_one_by_one() {
    let folder = folder("a.yaml", [0x7f, b'E', b'L', b'F', 0xff, 0xfe, 0]);
    fs::write(folder.path().join("b.yaml"), "\0\0\0").unwrap();
    fs::write(folder.path().join("c.yaml"), "kind: [").unwrap();
    fs::write(folder.path().join("d.yaml"), "a: 1\na: 2\n").unwrap();
    refused(
        folder.path(),
        &[
            "a.yaml: is not UTF-8",
            "b.yaml: is not valid YAML",
            "c.yaml: is not valid YAML",
            "d.yaml: is not valid YAML",
        ],
    );
}

#[test]
fn a_file_that_unfolds_without_end_is_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        writeln!(bomb, "a{level}: &a{level} [{}]", vec![below; 10].join(", ")).unwrap();
    }
    refused(
        folder("bomb.yaml", bomb).path(),
        &["bomb.yaml: is not valid YAML"],
    );
    let deep = format!("a: {}{}", "[".repeat(50_000), "]".repeat(50_000));
    refused(
        folder("deep.yaml", deep).path(),
        &["deep.yaml: is not valid YAML"],
    );
    let huge = vec![b'#'; 17 << 20];
    refused(
        folder("huge.yaml", huge).path(),
        &["huge.yaml: has more than 16 MiB"],
    );
}

#[test]
fn every_mistake_of_every_file_is_reported_at_once() {
    let text = [
        STORE.to_owned(),
        aggregate("wide", "wide", "  domian: x"),
        plain(&"n".repeat(51), "long"),
        plain("other", "long"),
    ];
    let folder = folder("lake.yaml", text.concat());
    refused(
        folder.path(),
        &[
            "lake.yaml: Aggregate/wide: spec.domian: is not a field; did you mean domain?",
            ": metadata.name must have at most 50 characters",
        ],
    );
    let text = [STORE.to_owned(), plain("one", "same"), plain("two", "same")];
    fs::write(folder.path().join("lake.yaml"), text.concat()).unwrap();
    refused(
        folder.path(),
        &["lake.yaml: Aggregate/two: spec.domain: same belongs to Aggregate/one already"],
    );
}

#[test]
fn ten_thousand_resources_are_planned() {
    let mut text = STORE.to_owned();
    for index in 0..10_000 {
        text += &plain(&format!("a{index}"), &format!("d{index}"));
    }
    let said = render(folder("lake.yaml", &text).path());
    assert_eq!((said.code, said.told.as_str()), (Some(0), ""));
    assert_eq!(said.out.matches("\nkind: Deployment\n").count(), 10_000);
}

#[test]
fn ten_thousand_mistakes_are_all_reported() {
    let mut text = STORE.to_owned();
    for index in 0..10_000 {
        text += &plain(&format!("a{index}"), "same");
    }
    let said = render(folder("lake.yaml", &text).path());
    assert_eq!(said.code, Some(1));
    assert_eq!(
        said.told.matches("spec.domain: same belongs to").count(),
        9_999
    );
}
