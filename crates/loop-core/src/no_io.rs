//! Descriptors, where the system has none: nothing can be registered, so nothing has to be polled, and the loop
//! parks its thread.

use std::task::Waker;
use std::time::Duration;

use crate::ready::ReadyQueue;
use crate::skipping::Outlook;

/// The descriptors of one loop, of which there never are any.
pub(crate) enum IoRegistry {}

impl IoRegistry {
    pub(crate) fn poll(&mut self, _: Option<Duration>) {
        match *self {}
    }

    pub(crate) fn outlook(&mut self) -> Outlook {
        match *self {}
    }

    pub(crate) fn has_events(&self) -> bool {
        match *self {}
    }

    pub(crate) fn deliver(&mut self, _: &mut ReadyQueue) -> Vec<Waker> {
        match *self {}
    }

    pub(crate) fn keep(&mut self, _: Vec<Waker>) {
        match *self {}
    }

    pub(crate) fn into_parts(self) -> (Vec<Box<dyn FnMut()>>, Vec<Waker>) {
        match self {}
    }
}
