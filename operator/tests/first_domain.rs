//! The page of the docs for newcomers: its files are written and each of its commands is run, in its order, in a fresh folder.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says why and ends"
)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// The programs that the page needs.
const TOOLCHAINS: [&str; 4] = ["make", "cargo", "go", "python3"];

/// The longest that all commands may take, downloads and builds included, in seconds.
const LONGEST: &str = "900";

/// Separates what one block of commands prints from what the next one does.
const MARK: &str = "=== block";

/// A block of commands, and the lines that the page says it prints.
#[derive(Default)]
struct Step {
    commands: String,
    printed: Vec<String>,
}

/// What a page consists of.
#[derive(Default)]
struct Page {
    files: Vec<(String, String)>,
    steps: Vec<Step>,
}

/// Takes the page apart: a block after a line with a file name is that file, others are commands or what they print.
fn read(text: &str) -> Page {
    let mut page = Page::default();
    let mut before = "";
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            before = if line.is_empty() { before } else { line };
            continue;
        };
        let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        let content = block.join("\n") + "\n";
        match language {
            "sh" => page.steps.push(Step {
                commands: content,
                printed: Vec::new(),
            }),
            "text" => {
                let printed = block.iter().map(|line| (*line).trim().to_owned());
                page.steps.last_mut().unwrap().printed.extend(printed);
            }
            _ => {
                let name = before.strip_prefix('`').and_then(|it| it.split_once("`:"));
                let (name, _) = name.unwrap_or_else(|| panic!("{language}: {before}"));
                page.files.push((name.to_owned(), content));
            }
        }
        before = "";
    }
    page
}

/// The lines of the page that are not in the output, in their order.
fn unprinted<'a>(step: &'a Step, output: &str) -> Vec<&'a str> {
    let mut lines = output.lines().map(str::trim);
    let wanted = step.printed.iter().map(String::as_str);
    wanted
        .filter(|wanted| !lines.any(|line| line == *wanted))
        .collect()
}

#[test]
fn every_command_of_the_page_for_newcomers_works_with_the_files_of_the_page() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let repository = repository.canonicalize().unwrap();
    let page = read(&fs::read_to_string(repository.join("docs/first-domain.md")).unwrap());
    assert_eq!((page.files.len(), page.steps.len()), (5, 12));
    for program in TOOLCHAINS {
        let found = Command::new(program).arg("--help").output();
        assert!(found.is_ok(), "{program} is missing; install it");
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in &page.files {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
    let mut script = "set -euo pipefail\nexec 2>&1\n".to_owned();
    for (index, step) in page.steps.iter().enumerate() {
        script += &format!("echo '{MARK} {index}'\n{}", step.commands);
    }
    // The guard ends what the script leaves running.
    let mut guard = Command::new(env!("CARGO_BIN_EXE_angzarr"));
    // What cargo says of this test would make it build others again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_MANIFEST_") || text.starts_with("CARGO_PKG_") {
            guard.env_remove(&name);
        }
    }
    let mut guard = guard
        .args(["guard", "timeout", LONGEST, "bash", "-c", &script])
        .current_dir(folder.path())
        .env("ANGZARR", &repository)
        // The programs are those that a build of the whole workspace has made, not others with fewer features.
        .env("MAKEFLAGS", "PACKAGES=--workspace")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It reads variables, and kills everything at the end of its input.
    let mut input = guard.stdin.take().unwrap();
    writeln!(input, "{{}}").unwrap();
    let output = guard.wait_with_output().unwrap();
    drop(input);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}\n{said}", output.status);
    let outputs: Vec<_> = said.split(MARK).skip(1).collect();
    assert_eq!(outputs.len(), page.steps.len(), "{said}");
    for (step, output) in page.steps.iter().zip(outputs) {
        let missing = unprinted(step, output);
        assert!(missing.is_empty(), "{missing:?} is missing in\n{output}");
    }
}
