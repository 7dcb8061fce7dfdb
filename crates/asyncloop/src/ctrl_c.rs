//! Ctrl-C while a runner runs its main task.

use loop_core::EventLoop;
use loop_tasks::{AnyTask, TaskError};

/// Cancels the main task at the first Ctrl-C.
pub(crate) struct CtrlC {
    #[cfg(all(unix, feature = "signal"))]
    watch: Option<(loop_signal::Interrupt, AnyTask)>,
}

#[cfg(all(unix, feature = "signal"))]
impl CtrlC {
    pub(crate) fn watch(event_loop: &EventLoop, main: AnyTask) -> CtrlC {
        let task = main.clone();
        // Without a thread or a descriptor to hear of it, Ctrl-C ends the process, as it does without a loop.
        let interrupt = loop_signal::Interrupt::watch(event_loop, move || {
            task.cancel();
        });
        CtrlC {
            watch: interrupt.ok().flatten().map(|watch| (watch, main)),
        }
    }

    /// Whether it is the reason for which the main task has ended so, or came when that had ended.
    pub(crate) fn explains(self, error: Option<&TaskError>) -> bool {
        let Some((interrupt, main)) = self.watch else {
            return false;
        };
        if !interrupt.heard() {
            return interrupt.finish();
        }
        // Cancelled, and by nobody else.
        matches!(error, Some(TaskError::Cancelled(_))) && main.uncancel() == 0
    }
}

#[cfg(not(all(unix, feature = "signal")))]
impl CtrlC {
    pub(crate) fn watch(_: &EventLoop, _: AnyTask) -> CtrlC {
        CtrlC {}
    }

    pub(crate) fn explains(self, _: Option<&TaskError>) -> bool {
        false
    }
}
