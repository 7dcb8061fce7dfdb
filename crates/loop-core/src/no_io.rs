//! Descriptors, where the system has none: nothing can be registered, so nothing has to be polled, and the loop
//! parks its thread.

use std::time::Duration;

use crate::raw::RawJob;
use crate::ready::ReadyQueue;

/// The descriptors of one loop, of which there never are any.
pub(crate) enum IoRegistry {}

impl IoRegistry {
    pub(crate) fn poll(&mut self, _: Option<Duration>) {
        match *self {}
    }

    pub(crate) fn has_events(&self) -> bool {
        match *self {}
    }

    pub(crate) fn deliver(&mut self, _: &mut ReadyQueue) {
        match *self {}
    }

    pub(crate) fn into_callbacks(self) -> Vec<RawJob> {
        match self {}
    }
}
