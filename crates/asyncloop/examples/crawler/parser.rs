//! Where pages are parsed: on the loop, which is the mistake, or in a pool, which is the cure.

use std::error::Error;
use std::sync::Arc;

use asyncloop::prelude::*;
use url::Url;

use crate::links::{Found, links};
use crate::options::Place;

pub(crate) enum Parser {
    OnLoop,
    Threads(ThreadPoolExecutor),
    Processes(Arc<ProcessPoolExecutor>),
}

impl Parser {
    /// Makes the pool, if there is one: as many workers as there are processors.
    pub(crate) fn new(place: Place) -> Result<Parser, Box<dyn Error>> {
        let workers = std::thread::available_parallelism()?.get();
        Ok(match place {
            Place::OnLoop => Parser::OnLoop,
            Place::Threads => Parser::Threads(ThreadPoolExecutor::new(workers)?),
            Place::Processes => Parser::Processes(Arc::new(ProcessPoolExecutor::new(workers)?)),
        })
    }

    /// Finds the links of a page, and with `fragments` what fragments may name in it.
    pub(crate) async fn found(
        &self,
        page: &Url,
        charset: Option<String>,
        fragments: bool,
        html: Vec<u8>,
    ) -> Result<Found, Box<dyn Error>> {
        let page = page.to_string();
        match self {
            Parser::OnLoop => {
                // A task of its own, so that the loop's report of what blocked it has a name.
                let name = format!("parse {page}");
                let parsing = TaskBuilder::new().name(name);
                let parsing = parsing.spawn(async move { links(page, charset, fragments, html) });
                Ok(parsing.await?)
            }
            Parser::Threads(pool) => {
                let job = move || links(page, charset, fragments, html);
                let parsing = get_running_loop()?.run_in_executor(Some(pool), job)?;
                Ok(parsing.await?)
            }
            Parser::Processes(pool) => {
                // A call is encoded where it is submitted. Of a large page that takes long: a thread does it.
                let pool = Arc::clone(pool);
                let submit = move || pool.submit(links::job(page, charset, fragments, html));
                let submitted = to_thread(submit).await?;
                Ok(wrap_future(submitted?).await?)
            }
        }
    }

    /// Ends the pool.
    pub(crate) fn close(&self) -> Result<(), Box<dyn Error>> {
        match self {
            Parser::OnLoop => {}
            Parser::Threads(pool) => pool.shutdown(true, true)?,
            Parser::Processes(pool) => pool.shutdown(true, true)?,
        }
        Ok(())
    }
}
