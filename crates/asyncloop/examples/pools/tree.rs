//! The files of a tree.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) struct Tree {
    root: PathBuf,
    pub(crate) paths: Vec<PathBuf>,
    /// What is in the files, in the order of the paths.
    pub(crate) contents: Vec<Vec<u8>>,
    bytes: u64,
    /// Whether there is more of it than was wanted.
    cut: bool,
}

impl Tree {
    /// Reads the regular files below `root` in the order of their paths, until they are `limit` bytes. Links are not
    /// followed.
    pub(crate) fn read(root: &Path, limit: u64) -> Result<Tree, String> {
        let mut tree = Tree {
            root: root.to_owned(),
            paths: Vec::new(),
            contents: Vec::new(),
            bytes: 0,
            cut: false,
        };
        tree.add(root, limit)?;
        if tree.paths.is_empty() {
            return Err(format!("{}: there is no file in it", root.display()));
        }
        Ok(tree)
    }

    fn add(&mut self, folder: &Path, limit: u64) -> Result<(), String> {
        let why = |path: &Path, error| format!("{}: {error}", path.display());
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = entries.map_err(|error| why(folder, error))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let kind = entry.file_type().map_err(|error| why(&path, error))?;
            if kind.is_dir() {
                self.add(&path, limit)?;
            } else if kind.is_file() {
                let size = entry.metadata().map_err(|error| why(&path, error))?.len();
                if self.bytes + size > limit {
                    self.cut = true;
                    continue;
                }
                let bytes = fs::read(&path).map_err(|error| why(&path, error))?;
                self.bytes += bytes.len() as u64;
                self.paths.push(path);
                self.contents.push(bytes);
            }
        }
        Ok(())
    }

    pub(crate) fn mib(&self) -> f64 {
        self.bytes as f64 / f64::from(1 << 20)
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (root, files) = (self.root.display(), self.paths.len());
        write!(f, "{root}: {files} files, {:.1} MiB", self.mib())?;
        if self.cut {
            f.write_str(" (and more than --limit allows)")?;
        }
        Ok(())
    }
}
