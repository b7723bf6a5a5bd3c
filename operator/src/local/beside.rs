//! The folder in which `local.yaml` and the data are: the one that holds the resources, as their path is written.

use std::io;
use std::path::{Path, PathBuf};

/// The folder that holds what a path names. Links are not followed: the target of a release link is replaced, what stands beside the link stays.
///
/// # Errors
/// A path that ends in `..` cannot be resolved.
pub(super) fn beside(named: &Path, here: &Path) -> io::Result<PathBuf> {
    let mut path = here.join(named);
    if path.file_name().is_none() {
        path = path.canonicalize()?;
    }
    let parent = path.parent().map(Path::to_owned);
    Ok(parent.unwrap_or(path))
}

/// The current folder as the shell shows it, `said`, if that is the current folder.
///
/// # Errors
/// There is no current folder.
pub(super) fn here(said: Option<PathBuf>) -> io::Result<PathBuf> {
    let physical = std::env::current_dir()?;
    let said = said
        .filter(|said| said.is_absolute() && said.canonicalize().is_ok_and(|it| it == physical));
    Ok(said.unwrap_or(physical))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn beside_is_where_the_path_says() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("releases/42")).unwrap();
        symlink("releases/42", root.join("sys")).unwrap();
        for named in ["sys", "sys/", "./sys", "sys/."] {
            assert_eq!(beside(Path::new(named), &root).unwrap(), root, "{named}");
        }
        let within = here(Some(root.join("sys"))).unwrap();
        assert_eq!(within, std::env::current_dir().unwrap());
        assert_eq!(beside(Path::new("."), &root.join("sys")).unwrap(), root);
        let upwards = beside(Path::new(".."), &root.join("releases/42")).unwrap();
        assert_eq!(upwards, root);
        assert_eq!(beside(Path::new("/"), &root).unwrap(), Path::new("/"));
    }
}
