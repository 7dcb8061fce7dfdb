//! The tracked files as text, and what a checker says about them.

use std::collections::BTreeMap;
use std::fmt;

use crate::command;
use crate::workspace::Workspace;

/// The text files that belong to the project, by their path from the top.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

/// Something to mend, or only to note.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    place: String,
    what: String,
    note: bool,
}

impl Tree {
    /// Reads the files that git tracks, or would if they were added. A file that is not text is
    /// there by name, and empty.
    pub(crate) fn tracked(workspace: &Workspace) -> Result<Self, String> {
        let args = [
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ];
        let names = command::program(workspace, "git", args).stdout()?;
        let mut files = BTreeMap::new();
        for name in names.split('\0').filter(|name| !name.is_empty()) {
            // A file that was removed and not yet committed is listed, and is not there.
            let Ok(bytes) = std::fs::read(workspace.root().join(name)) else {
                continue;
            };
            files.insert(
                name.to_owned(),
                String::from_utf8(bytes).unwrap_or_default(),
            );
        }
        Ok(Self { files })
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// Each file's path and text.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The files whose path ends so.
    pub(crate) fn ending(&self, end: &str) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(move |(path, _)| path.ends_with(end))
    }

    /// A file's text.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether a file or a folder of that path is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&folder))
    }

    /// The names of the folders below `crates`.
    pub(crate) fn crates(&self) -> Vec<String> {
        let manifests = self.files.keys().filter_map(|path| {
            let name = path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
            (!name.contains('/')).then(|| name.to_owned())
        });
        manifests.collect()
    }

    /// Makes a tree of the given paths and texts.
    #[cfg(test)]
    pub(crate) fn of<T: Into<String> + Clone>(files: &[(&str, T)]) -> Self {
        let own = |(path, text): &(&str, T)| ((*path).to_owned(), text.clone().into());
        Self {
            files: files.iter().map(own).collect(),
        }
    }
}

impl Finding {
    /// Says that something is wrong with a file or a package.
    pub(crate) fn at(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            what: what.into(),
            note: false,
        }
    }

    /// Says that something is wrong in a line, counted from 0.
    pub(crate) fn in_line(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self::at(format!("{path}:{}", line + 1), what)
    }

    /// Says something that fails nothing.
    pub(crate) fn note(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            note: true,
            ..Self::at(place, what)
        }
    }

    /// Whether it fails nothing.
    pub(crate) fn is_note(&self) -> bool {
        self.note
    }

    /// Where it is.
    #[cfg(test)]
    pub(crate) fn place(&self) -> &str {
        &self.place
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let note = if self.note { " (noted)" } else { "" };
        write!(f, "{}: {}{note}", self.place, self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_there_if_a_file_is_in_it() {
        let tree = Tree::of(&[("crates/a/Cargo.toml", ""), ("crates/a/src/lib.rs", "")]);
        assert!(tree.has("crates/a/src") && tree.has("crates/a/src/lib.rs"));
        assert!(!tree.has("crates/a/sr") && !tree.has("crates/b"));
        assert_eq!(tree.crates(), ["a"]);
    }
}
