//! Where pages are parsed: on the loop, which is the mistake, or in a pool, which is the cure.

use std::error::Error;
use std::sync::Arc;

use asyncloop::prelude::*;
use url::Url;

use crate::links::links;

/// The links of a page, or why there are none.
pub(crate) type Links = Result<Vec<Result<String, String>>, Box<dyn Error>>;

pub(crate) enum Parser {
    OnLoop,
    Threads(ThreadPoolExecutor),
    Processes(Arc<ProcessPoolExecutor>),
}

impl Parser {
    /// Makes the pool, if there is one: as many workers as there are processors.
    pub(crate) fn new(mode: &str) -> Result<Parser, Box<dyn Error>> {
        let workers = std::thread::available_parallelism()?.get();
        Ok(match mode {
            "on-loop" => Parser::OnLoop,
            "threads" => Parser::Threads(ThreadPoolExecutor::new(workers)?),
            "processes" => Parser::Processes(Arc::new(ProcessPoolExecutor::new(workers)?)),
            _ => return Err(format!("--parse {mode}: on-loop, threads or processes").into()),
        })
    }

    /// Finds the links of a page.
    pub(crate) async fn links(&self, page: &Url, html: Vec<u8>) -> Links {
        let event_loop = get_running_loop()?;
        let page = page.to_string();
        match self {
            Parser::OnLoop => {
                // A task of its own, so that the loop's report of what blocked it has a name.
                let name = format!("parse {page}");
                let parsing = TaskBuilder::new().name(name);
                Ok(parsing.spawn(async move { links(page, html) }).await?)
            }
            Parser::Threads(pool) => {
                let job = move || links(page, html);
                let parsing = event_loop.run_in_executor(Some(pool), job)?;
                Ok(parsing.await?)
            }
            Parser::Processes(pool) => {
                // A call is encoded where it is submitted. Of a large page that takes long: not here, but in a thread.
                let pool = Arc::clone(pool);
                let submit = move || pool.submit(links::job(page, html));
                let submitted = to_thread(submit).await?;
                Ok(wrap_future(submitted?).await?)
            }
        }
    }

    /// Ends the pool.
    pub(crate) fn close(self) -> Result<(), Box<dyn Error>> {
        match self {
            Parser::OnLoop => {}
            Parser::Threads(pool) => pool.shutdown(true, true)?,
            Parser::Processes(pool) => pool.shutdown(true, true)?,
        }
        Ok(())
    }
}
