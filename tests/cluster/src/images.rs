//! Container images of the programs of this workspace, as the archives that a node imports.
//!
//! Programs are linked with the libraries of this machine, so each image gets those, too.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::tools::{built, installed, repository};

/// The first process of each pod.
pub(crate) const PAUSE: &str = "angzarr.test/pause:1";
/// The programs of Angzarr, with the last part of the name of their Dockerfile and image.
const OURS: [(&str, &str); 2] = [("angzarr", "operator"), ("angzarr-sidecar", "sidecar")];
/// The logic of the shop: the last parts of its images and programs.
const SHOP: [&str; 7] = [
    "customer",
    "inventory",
    "order",
    "loyalty-earn",
    "cancellation",
    "web",
    "logging",
];
/// The first process of a pod in C, since the images of Kubernetes are in a registry.
const PAUSE_SOURCE: &str = include_str!("node/pause.c");

/// Builds all images in a folder; returns their archives.
pub(crate) fn build(folder: &Path) -> Vec<PathBuf> {
    fs::create_dir(folder).unwrap();
    let libraries = folder.join("libraries");
    copy_libraries(&libraries);
    let shop = build_plain(folder, &libraries);
    let ours = OURS.map(|(program, name)| build_ours(folder, &libraries, (program, name)));
    [shop].into_iter().chain(ours).collect()
}

/// An archive with pause and the logic of the shop, which share the layer of the libraries.
fn build_plain(folder: &Path, libraries: &Path) -> PathBuf {
    let archive = folder.join("plain");
    fs::create_dir(&archive).unwrap();
    let shared = layer(libraries, &archive.join("libraries.tar"));
    let mut manifest = Vec::new();
    let mut add = |image: &str, program: &Path| {
        let name = program.file_name().unwrap().to_str().unwrap();
        let content = program.parent().unwrap();
        let own = layer(content, &archive.join(format!("{name}.tar")));
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": { "Entrypoint": [format!("/{name}")] },
            "rootfs": { "type": "layers", "diff_ids": [shared, own] },
        });
        let file = format!("{name}.json");
        fs::write(archive.join(&file), config.to_string()).unwrap();
        manifest.push(json!({
            "Config": file,
            "RepoTags": [image],
            "Layers": ["libraries.tar", format!("{name}.tar")],
        }));
    };
    add(PAUSE, &compile_pause(folder));
    for name in SHOP {
        let program = format!("shop-{name}");
        let image = format!("docker.io/shop/{name}:1");
        add(&image, &strip(&program, &folder.join(&program)));
    }
    let manifest = Value::from(manifest).to_string();
    fs::write(archive.join("manifest.json"), manifest).unwrap();
    let file = folder.join("plain.tar");
    tar(&archive, &file);
    file
}

/// The image of the last stage of a Dockerfile of ours, with the libraries. It has the name that `angzarr render` gives it.
fn build_ours(folder: &Path, libraries: &Path, (program, name): (&str, &str)) -> PathBuf {
    let stage = folder.join(name);
    strip(program, &stage.join("out"));
    let buildah = Buildah(folder);
    let last_stage = buildah.last_stage(name, &stage);
    let whole = format!("localhost/{name}");
    let instructions = format!("FROM {last_stage}\nCOPY . /\n");
    buildah.build(&[&whole, "--file", "-"], libraries, &instructions);
    let file = folder.join(format!("{name}.tar"));
    let version = env!("CARGO_PKG_VERSION");
    let image = format!("docker.io/library/angzarr-{name}:{version}");
    buildah.push(
        &whole,
        &format!("docker-archive:{}:{image}", file.display()),
    );
    file
}

/// Builds images without an engine, in a folder.
pub(crate) struct Buildah<'a>(pub(crate) &'a Path);

impl Buildah<'_> {
    /// Builds the last stage of a Dockerfile of ours from what the stage before leaves; returns its name.
    pub(crate) fn last_stage(&self, name: &str, stage: &Path) -> String {
        let image = format!("localhost/last-stage-of-{name}");
        let stage = format!("build={}", stage.display());
        let dockerfile = repository().join(format!("Dockerfile.{name}"));
        let dockerfile = dockerfile.to_str().unwrap();
        let empty = tempfile::tempdir_in(self.0).unwrap();
        let options = [&image, "--file", dockerfile, "--build-context", &stage];
        self.build(&options, empty.path(), "");
        image
    }

    /// Copies an image to a target, whose kind says whether its layers are compressed.
    pub(crate) fn push(&self, image: &str, target: &str) {
        self.push_with(&[], image, target);
    }

    /// Does the same with further options.
    pub(crate) fn push_with(&self, options: &[&str], image: &str, target: &str) {
        let push = ["push", "--quiet"];
        self.run(
            &[&push[..], options, &[image]].concat(),
            Path::new(target),
            "",
        );
    }

    /// Builds an image, named by the first option, from a folder.
    fn build(&self, options: &[&str], context: &Path, input: &str) {
        let build = ["bud", "--isolation", "chroot", "--quiet", "--tag"];
        self.run(&[&build[..], options].concat(), context, input);
    }

    fn run(&self, words: &[&str], last: &Path, input: &str) {
        let mut command = Command::new(installed("/usr/bin/buildah", "buildah"));
        command
            .args(["--storage-driver", "vfs", "--root"])
            .arg(self.0.join("storage"))
            .arg("--runroot")
            .arg(self.0.join("storage-run"))
            .args(words)
            .arg(last);
        run(&mut command, input);
    }
}

/// A program without what only a debugger needs, in a folder of its own.
fn strip(program: &str, folder: &Path) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let stripped = folder.join(program);
    let mut command = Command::new(installed("/usr/bin/strip", "binutils"));
    command.arg("-o").args([&stripped, &built(program)]);
    run(&mut command, "");
    stripped
}

fn compile_pause(folder: &Path) -> PathBuf {
    let program = folder.join("pause/pause");
    fs::create_dir(folder.join("pause")).unwrap();
    let mut command = Command::new("cc");
    command
        .args(["-static", "-Os", "-s", "-x", "c", "-", "-o"])
        .arg(&program);
    run(&mut command, PAUSE_SOURCE);
    program
}

/// Copies what the programs are linked with, to the same paths below the folder.
fn copy_libraries(folder: &Path) {
    let mut libraries = BTreeSet::new();
    let programs = SHOP.map(|name| format!("shop-{name}"));
    for program in programs
        .iter()
        .map(String::as_str)
        .chain(OURS.map(|(program, _)| program))
    {
        let listed = run(Command::new("ldd").arg(built(program)), "");
        let paths = listed.split_whitespace().filter(|it| it.starts_with('/'));
        libraries.extend(paths.map(PathBuf::from));
    }
    for library in libraries {
        let copy = folder.join(library.strip_prefix("/").unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(&library, &copy).unwrap();
    }
}

/// Packs a folder as a layer and returns its digest.
fn layer(folder: &Path, file: &Path) -> String {
    tar(folder, file);
    let digest = Sha256::digest(fs::read(file).unwrap());
    let digits = digest.iter().map(|byte| format!("{byte:02x}"));
    format!("sha256:{}", digits.collect::<String>())
}

fn tar(folder: &Path, file: &Path) {
    let mut command = Command::new("tar");
    command
        .args(["--create", "--owner=0", "--group=0", "--file"])
        .arg(file)
        .arg("--directory")
        .arg(folder);
    let names = fs::read_dir(folder).unwrap();
    command.args(names.map(|entry| entry.unwrap().file_name()));
    run(&mut command, "");
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => panic!("images for {other} have no name here"),
    }
}

/// Runs a command with an input and returns its output.
fn run(command: &mut Command, input: &str) -> String {
    let mut running = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = running.stdin.take().unwrap();
    // A program may end without reading its input.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = running.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}
