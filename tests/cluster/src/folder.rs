//! A folder that is gone when this process is, however it ends.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Waits for the end of its input, which is the end of the owner, and then removes the folder, and the control groups with its name. What was
/// killed with the owner may still write for a moment, and so may what builds images.
const REMOVE: &str = r#"
    cat
    name=${1##*/}
    for try in $(seq 300); do
        find /sys/fs/cgroup -depth -type d -path "*/$name*" -exec rmdir {} + 2>/dev/null
        rm -rf -- "$1" && [ -z "$(find /sys/fs/cgroup -maxdepth 2 -name "$name")" ] && exit
        sleep 0.2
    done
"#;

/// A temporary folder.
pub(crate) struct Folder {
    path: PathBuf,
    guard: Child,
}

impl Folder {
    pub(crate) fn new() -> io::Result<Self> {
        let path = tempfile::Builder::new()
            .prefix("angzarr-cluster-")
            .tempdir()?
            .keep();
        // A group of its own, since Ctrl-C goes to the group of the owner.
        let guard = Command::new("sh")
            .args(["-c", REMOVE, "sh"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self { path, guard })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // It ends by itself.
        let _ = self.guard.wait();
    }
}
