//! What a run leaves in the file system.

use std::fs;
use std::path::{Path, PathBuf};

const SHARED_MEMORY: &str = "/dev/shm";

/// Where the participants of a run leave files: their current directory, and shared memory under
/// names with that of the ring. Files of other programs are neither seen nor removed.
pub(crate) struct Places {
    ring: String,
    directory: PathBuf,
}

impl Places {
    pub(crate) fn of(ring: &str, directory: &Path) -> Self {
        Self { ring: ring.into(), directory: directory.into() }
    }

    /// The files that are there.
    pub(crate) fn left(&self) -> Vec<PathBuf> {
        let mut left = Vec::new();
        files(&self.directory.join("place"), &mut left);
        let entries = fs::read_dir(SHARED_MEMORY).into_iter().flatten().flatten();
        let is_named = |path: &PathBuf| path.is_file() && path.to_string_lossy().contains(&self.ring);
        left.extend(entries.map(|entry| entry.path()).filter(is_named));
        left.sort();
        left
    }

    /// Removes them.
    pub(crate) fn remove(&self) {
        for path in self.left() {
            let _ = fs::remove_file(path); // It may be gone already.
        }
    }

    /// Their names, the same in each run.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |path: &PathBuf| {
            let path = path.strip_prefix(&self.directory).unwrap_or(path);
            path.to_string_lossy().replace(&self.ring, "RING")
        };
        self.left().iter().map(name).collect()
    }
}

/// The files in `folder` and below.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() && !path.is_symlink() { files(&path, found) } else { found.push(path) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_run_is_left_until_it_is_removed_and_one_of_another_program_is_not_seen() {
        let ring = format!("deaths-left-{}", std::process::id());
        let directory = std::env::temp_dir().join(&ring);
        fs::create_dir_all(directory.join("place/deep")).unwrap();
        let other = Path::new(SHARED_MEMORY).join(format!("other-{}", std::process::id()));
        let ours = Path::new(SHARED_MEMORY).join(format!("{ring}.segment"));
        for path in [&directory.join("place/deep/socket"), &ours, &other] {
            fs::write(path, "").unwrap();
        }
        let places = Places::of(&ring, &directory);
        assert_eq!(places.names(), ["/dev/shm/RING.segment", "place/deep/socket"]);
        places.remove();
        assert!(places.left().is_empty() && other.exists());
        fs::remove_file(other).unwrap();
        fs::remove_dir_all(directory).unwrap();
    }
}
