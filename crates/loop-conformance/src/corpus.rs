//! The corpus: programs with the traces that asyncio left, in files.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde::Deserialize;

use crate::program::Program;
use crate::trace::Trace;

/// A program and its expected trace.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The program.
    pub program: Program,
    /// What asyncio did with it.
    pub expected: Trace,
    /// The line that both were read from; it can be handed to the oracle.
    pub line: String,
}

impl Entry {
    /// Reads an entry from a line: a program's fields and a trace's, in one object.
    ///
    /// # Errors
    /// The line is not such an object.
    ///
    /// # Examples
    /// ```
    /// use loop_conformance::Entry;
    ///
    /// let line = r#"{"id": "p", "main": [], "trace": [[0, "main", "end", null]], "tasks": {"main": null}}"#;
    /// let entry = Entry::read(line)?;
    /// assert_eq!(entry.expected.trace.len(), 1);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn read(line: &str) -> serde_json::Result<Self> {
        let mut reader = serde_json::Deserializer::from_str(line);
        let program = Program::deserialize(&mut reader)?;
        let expected = serde_json::from_str(line)?;
        Ok(Self {
            program,
            expected,
            line: line.to_owned(),
        })
    }
}

/// Lists the files of a corpus: those that end in `.jsonl` or `.jsonl.gz`, by name.
///
/// # Errors
/// The folder cannot be read.
///
/// # Examples
/// ```
/// let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");
/// let files = loop_conformance::corpus_files(folder.as_ref())?;
/// assert!(files.iter().any(|file| file.ends_with("named.jsonl")));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn corpus_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        let name = path.to_string_lossy();
        if name.ends_with(".jsonl") || name.ends_with(".jsonl.gz") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads the entries of a file of the corpus, which is packed if its name ends in `.gz`.
///
/// # Errors
/// The file cannot be opened. What follows may fail as well, each line for itself: it cannot be
/// read, or holds no entry.
///
/// # Examples
/// ```
/// let file = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/named.jsonl");
/// for entry in loop_conformance::corpus_entries(file.as_ref())? {
///     assert!(!entry?.program.id.is_empty());
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn corpus_entries(path: &Path) -> io::Result<impl Iterator<Item = io::Result<Entry>> + use<>> {
    let file = File::open(path)?;
    let reader: Box<dyn BufRead> = if path.extension().is_some_and(|end| end == "gz") {
        Box::new(BufReader::new(GzDecoder::new(file)))
    } else {
        Box::new(BufReader::new(file))
    };
    Ok(entries(reader))
}

/// Reads entries, one a line.
pub(crate) fn entries(reader: impl BufRead) -> impl Iterator<Item = io::Result<Entry>> {
    let lines = reader.lines();
    lines
        .filter(|line| !line.as_ref().is_ok_and(|line| line.trim().is_empty()))
        .map(|line| Ok(Entry::read(&line?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_corpus_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        let files = corpus_files(&folder).unwrap();
        assert!(files.len() >= 9, "{files:?}");
        for file in files {
            let count = corpus_entries(&file).unwrap().map(Result::unwrap).count();
            assert!(count > 200, "{count} programs in {}", file.display());
        }
    }

    #[test]
    fn a_line_that_holds_no_entry_is_an_error() {
        let text = "\n{\"id\": \"p\", \"main\": []}\n";
        let error = entries(text.as_bytes()).next().unwrap().unwrap_err();
        assert!(error.to_string().contains("trace"), "{error}");
    }
}
