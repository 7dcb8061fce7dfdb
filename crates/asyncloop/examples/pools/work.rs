//! What is done with a file, wherever it is done.

use std::path::{Path, PathBuf};

use asyncloop::process_fn;
use html5gum::emitters::default::DefaultEmitter;
use html5gum::{Token, Tokenizer};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

pub(crate) type Digest = [u8; 32];

/// What parsing a file comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) digest: Digest,
    pub(crate) links: usize,
    pub(crate) words: usize,
}

pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    let digest = digest(&SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

pub(crate) fn digest_of_all(digests: &[Digest]) -> Digest {
    digest_of(digests.as_flattened())
}

pub(crate) fn read_and_digest(path: &Path) -> Result<Digest, String> {
    Ok(digest_of(&read(path)?))
}

process_fn! {
    /// Reads a file as browsers read HTML, which no file can fail.
    pub(crate) fn parse(path: PathBuf) -> Result<Page, String> {
        let bytes = read(&path)?;
        let mut page = Page { digest: digest_of(&bytes), links: 0, words: 0 };
        let mut emitter = DefaultEmitter::default();
        emitter.naively_switch_states(true); // no words in scripts
        for Ok(token) in Tokenizer::new_with_emitter(bytes.as_slice(), emitter) {
            match token {
                Token::StartTag(tag) if tag.name.as_slice() == b"a" => page.links += 1,
                Token::String(text) => page.words += String::from_utf8_lossy(&text).split_whitespace().count(),
                _ => {}
            }
        }
        Ok(page)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}
