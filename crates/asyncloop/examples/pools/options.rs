//! The command line.

use std::error::Error;
use std::path::{Path, PathBuf};

use lexopt::prelude::*;

pub(crate) const USAGE: &str = "\
pools [PATH] [options]: reads, hashes and parses a tree of files, on one thread and in pools

  PATH            the tree (this project's target/doc if it is there, else its sources)
  --limit MIB     how much of it at most (24)
  --workers N     how many workers each pool has (as many as there are processors)

Exit status: 0 if all pools come to the same digest, 1 if not, 2 for a wrong command line.";

pub(crate) struct Options {
    pub(crate) path: PathBuf,
    pub(crate) limit_bytes: u64,
    pub(crate) workers: usize,
    pub(crate) help: bool,
}

impl Options {
    pub(crate) fn parse() -> Result<Options, Box<dyn Error>> {
        let mut options = Options {
            path: PathBuf::new(),
            limit_bytes: 24 << 20,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            help: false,
        };
        let mut path = None;
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("limit") => {
                    let mib: u32 = parser.value()?.parse()?;
                    options.limit_bytes = u64::from(mib) << 20;
                }
                Long("workers") => options.workers = parser.value()?.parse()?,
                Long("help") | Short('h') => options.help = true,
                Value(value) if path.is_none() => path = Some(PathBuf::from(value)),
                other => return Err(other.unexpected().into()),
            }
        }
        if options.workers == 0 {
            return Err("--workers must be greater than 0".into());
        }
        options.path = path.unwrap_or_else(own_tree);
        Ok(options)
    }
}

/// A tree of this project: its documentation if it was built, for there is HTML in it.
fn own_tree() -> PathBuf {
    let up = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = up.canonicalize().unwrap_or(up);
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let doc = target.join("doc");
    if doc.is_dir() {
        doc
    } else {
        root.join("crates")
    }
}
