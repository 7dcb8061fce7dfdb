//! The executor that a loop uses when it is told of no other.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use loop_core::EventLoop;

use crate::{Executor, ThreadPoolExecutor};

/// What this crate keeps on a loop. It goes with the loop, and shuts the executor down then.
#[derive(Default)]
pub(crate) struct DefaultExecutor {
    /// Counted twice: a job is submitted without touching the count that threads share.
    executor: RefCell<Option<Rc<Arc<dyn Executor>>>>,
    shut_down: Cell<bool>,
}

impl DefaultExecutor {
    /// That of the loop; `None` if the loop is closed.
    pub(crate) fn of(event_loop: &EventLoop) -> Option<Rc<Self>> {
        if event_loop.is_closed() {
            return None;
        }
        event_loop.loop_ref().extension()
    }

    pub(crate) fn set(&self, executor: Arc<dyn Executor>) {
        // The former one is somebody else's, too: its destructor must not find us borrowed.
        let former = self.executor.replace(Some(Rc::new(executor)));
        drop(former);
    }

    pub(crate) fn get(&self) -> Option<Arc<dyn Executor>> {
        self.executor.borrow().as_deref().cloned()
    }

    pub(crate) fn get_or_make(&self) -> Rc<Arc<dyn Executor>> {
        let mut executor = self.executor.borrow_mut();
        let executor = executor.get_or_insert_with(|| {
            let pool = ThreadPoolExecutor::builder().thread_name_prefix("asyncio");
            let pool = pool.build();
            Rc::new(Arc::new(
                pool.expect("the default number of workers is not 0"),
            ))
        });
        Rc::clone(executor)
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.shut_down.get()
    }

    pub(crate) fn note_shutdown(&self) {
        self.shut_down.set(true);
    }
}

impl Drop for DefaultExecutor {
    fn drop(&mut self) {
        if let Some(executor) = self.executor.take() {
            executor
                .shutdown(false, false)
                .expect("only waiting is ever refused");
        }
    }
}
