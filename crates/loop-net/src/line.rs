//! Those who wait for the same.

use std::cell::RefCell;

use loop_core::LoopRef;
use loop_tasks::{LoopExt, LoopFuture, TaskError};

#[derive(Default)]
pub(crate) struct Line(RefCell<Vec<LoopFuture<()>>>);

impl Line {
    /// Waits until the line is settled.
    pub(crate) async fn wait(&self, owner: &LoopRef) {
        let future = owner.event_loop().create_future();
        self.enter(future.clone());
        if let Err(TaskError::Cancelled(token)) = (&future).await {
            token.resume().await;
        }
    }

    fn enter(&self, future: LoopFuture<()>) {
        let mut line = self.0.borrow_mut();
        line.retain(|future| !future.done()); // those whose wait was cancelled
        line.push(future);
    }

    /// Ends the waits.
    pub(crate) fn settle(&self) {
        for future in self.0.take() {
            // Refused if its wait was cancelled, or by a loop that is closed.
            let _ = future.set_result(());
        }
    }
}
