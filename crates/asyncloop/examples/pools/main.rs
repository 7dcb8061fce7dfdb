//! Three pools on real work: a tree of files is read in threads, hashed by all processors, and parsed in processes.
//!
//! `cargo run --release --example pools [PATH] [options]`; `--help` lists the options.
//!
//! Each stage is done twice, by one thread and by its pool, and says by how much the pool was faster. All of them must
//! come to the same digest of the whole tree.

#![forbid(unsafe_code)]

mod options;
mod stage;
mod tree;
mod work;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use asyncloop::prelude::*;
use asyncloop::{CpuPool, ExecutorExt};

use crate::options::{Options, USAGE};
use crate::stage::Stage;
use crate::tree::Tree;
use crate::work::{Digest, Page, digest_of, digest_of_all, parse, read_and_digest};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    // The processes of the pool are this program too, and go no further than this line.
    worker_main();
    let options = match Options::parse() {
        Ok(options) if options.help => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Ok(options) => options,
        Err(error) => {
            eprintln!("pools: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pools: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let tree = Tree::read(&options.path, options.limit_bytes)?;
    println!("{tree}");
    let workers = options.workers;
    let (files, mib) = (tree.paths.len(), tree.mib());
    let stage = |name| Stage { name, files, mib };

    let threads = ThreadPoolExecutor::new(workers)?;
    let read: Vec<Digest> = stage("read, in threads").compare(
        |bar| {
            let paths = tree.paths.iter();
            paths
                .map(|path| Ok(bar.wrap(read_and_digest(path)?)))
                .collect()
        },
        |bar| {
            let digests = threads.map(tree.paths.clone(), |path| read_and_digest(&path))?;
            digests.map(|digest| Ok(bar.wrap(digest??))).collect()
        },
    )?;
    threads.shutdown(true, false)?;

    let cpu = CpuPool::new(workers)?;
    let hash: Vec<Digest> = stage("hash, by processors").compare(
        |bar| {
            let digests = tree.contents.iter().map(|bytes| bar.wrap(digest_of(bytes)));
            Ok(digests.collect())
        },
        |bar| {
            let digests = cpu.map_slice(&tree.contents, |bytes| bar.wrap(digest_of(bytes)));
            Ok(digests.map_err(|refused| refused.to_string())??)
        },
    )?;
    cpu.shutdown(true, false)?;

    let processes = ProcessPoolExecutor::new(workers)?;
    let pages: Vec<Page> = stage("parse, in processes").compare(
        |bar| {
            let paths = tree.paths.iter().cloned();
            paths
                .map(|path: PathBuf| Ok(bar.wrap(parse(path)?)))
                .collect()
        },
        |bar| {
            let pages = processes.map(parse::jobs(tree.paths.clone()).chunk_size(8))?;
            pages.map(|page| Ok(bar.wrap(page??))).collect()
        },
    )?;
    processes.shutdown(true, false)?;

    let parsed: Vec<Digest> = pages.iter().map(|page| page.digest).collect();
    let digest = digest_of_all(&read);
    if digest != digest_of_all(&hash) || digest != digest_of_all(&parsed) {
        return Err("the pools do not agree: did somebody write to the tree meanwhile?".into());
    }
    let links: usize = pages.iter().map(|page| page.links).sum();
    let words: usize = pages.iter().map(|page| page.words).sum();
    println!("{links} links and {words} words");
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("SHA-256 of the tree, by every pool: {hex}");
    Ok(())
}
