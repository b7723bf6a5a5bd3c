//! The programs and folders that `local.yaml` names, looked up before anything runs.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use angzarr_config::Mistake;

use super::images::{Image, has_placeholders, program_from};

/// From where programs are looked up.
#[derive(Debug, Clone)]
pub(super) struct Lookup {
    /// The folder of `local.yaml`.
    pub(super) base: PathBuf,
    /// The list of folders for programs without a `/`.
    pub(super) path: OsString,
}

impl Lookup {
    /// The program of an image; none where only its values at the start tell which one it is.
    ///
    /// # Errors
    /// A sentence that says why it cannot be run.
    pub(super) fn program(&self, image: &Image) -> Result<Option<PathBuf>, String> {
        let [program, ..] = image.command.as_slice() else {
            return Ok(None);
        };
        let own_path = image.env.get("PATH");
        if has_placeholders(program) || own_path.is_some_and(|path| has_placeholders(path)) {
            return Ok(None);
        }
        if program.contains('/') {
            let file = program_from(&self.base, program);
            return require_program(&file).map(|()| Some(file));
        }
        let path = own_path.map_or(self.path.as_os_str(), OsStr::new);
        let mut found = std::env::split_paths(path).map(|folder| folder.join(program));
        match found.find(|file| require_program(file).is_ok()) {
            Some(file) => Ok(Some(file)),
            None => Err(format!(
                "{program} is in no folder of PATH; build or install it, or write its path, such as ./{program}"
            )),
        }
    }

    /// The files that an image runs: its program, and the files among its arguments, such as a script. Files in the component's own folder are
    /// data.
    pub(super) fn files(&self, image: &Image) -> Vec<PathBuf> {
        let folder = image.folder(&self.base);
        let arguments = image.command.iter().skip(1);
        let arguments = arguments.filter(|argument| !has_placeholders(argument));
        let files = arguments.map(|argument| folder.join(argument));
        // A program that cannot be found is reported when it is started.
        let program = self.program(image).ok().flatten();
        let program = program.or_else(|| {
            let named = image.command.first().filter(|it| it.contains('/'))?;
            (!has_placeholders(named)).then(|| program_from(&self.base, named))
        });
        files.filter(|file| file.is_file()).chain(program).collect()
    }

    /// Every mistake in what an image names on this machine.
    pub(super) fn check(&self, name: &str, image: &Image) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let folder = image.folder(&self.base);
        if !folder.is_dir() {
            let folder = folder.display();
            mistakes.push(Mistake::new(
                format!("images.{name}.workingDir"),
                format!("{folder} is not a folder; make it, or name another one"),
            ));
        }
        if let Err(message) = self.program(image) {
            mistakes.push(Mistake::new(format!("images.{name}.command[0]"), message));
        }
        mistakes
    }
}

fn require_program(file: &Path) -> Result<(), String> {
    let shown = file.display();
    let Ok(metadata) = fs::metadata(file) else {
        return Err(format!(
            "{shown} does not exist; build it, or name another program"
        ));
    };
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return Err(format!(
            "{shown} is not an executable file; make it one with chmod +x, or name the program that runs it"
        ));
    }
    Ok(())
}
