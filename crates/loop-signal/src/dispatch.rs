//! Which loop a signal is for, and the thread that tells it.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

use loop_core::LoopHandle;

use crate::error::SignalError;
use crate::handlers;
use crate::signal::Signal;
use crate::sys::{self, Action, COUNT, Former};

/// Who hears of a signal.
struct Claim {
    handle: LoopHandle,
    /// Tells this handler from those that the loop had for the signal before.
    serial: u64,
    former: Former,
}

struct Hub {
    listening: bool,
    claims: [Option<Claim>; COUNT],
}

/// Never locked inside a signal's handler.
static HUB: Mutex<Hub> = Mutex::new(Hub {
    listening: false,
    claims: [const { None }; COUNT],
});

fn hub() -> MutexGuard<'static, Hub> {
    HUB.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a signal the business of this handler of a loop's.
pub(crate) fn claim(
    signal: Signal,
    handle: &LoopHandle,
    serial: u64,
    action: Action,
) -> Result<(), SignalError> {
    if sys::is_forked() {
        return Err(SignalError::Forked);
    }
    let mut hub = hub();
    hub.listen().map_err(SignalError::Io)?;
    let claim = &mut hub.claims[signal.index()];
    match claim {
        Some(other) if other.handle.id() != handle.id() && !other.handle.is_closed() => {
            return Err(SignalError::Taken(signal));
        }
        Some(claim) => {
            sys::set_action(signal, action);
            claim.handle = handle.clone();
            claim.serial = serial;
        }
        None => {
            sys::set_action(signal, action);
            let former = sys::install(signal).map_err(|error| match error.kind() {
                io::ErrorKind::InvalidInput => SignalError::NotCaught(signal.number()),
                _ => SignalError::Io(error),
            })?;
            *claim = Some(Claim {
                handle: handle.clone(),
                serial,
                former,
            });
        }
    }
    Ok(())
}

/// Does again what was done about a signal before this handler had it. Does nothing if it has it no longer.
pub(crate) fn release(signal: Signal, serial: u64) {
    if sys::is_forked() {
        return; // The lock may be in any state in a forked child, and so may the parent's claims.
    }
    let mut hub = hub();
    if let Some(claim) = hub.claims[signal.index()].take_if(|claim| claim.serial == serial) {
        sys::restore(signal, &claim.former);
        sys::forget(signal); // The next one to claim it is not told of what came before.
    }
}

/// Whether a signal is the business of this handler.
pub(crate) fn is_claimed(signal: Signal, serial: u64) -> bool {
    let is_it = |claim: &Claim| claim.serial == serial;
    !sys::is_forked() && hub().claims[signal.index()].as_ref().is_some_and(is_it)
}

/// Whether nobody has said what is to be done about a signal, neither through this library nor otherwise.
pub(crate) fn is_free(signal: Signal) -> bool {
    !sys::is_forked() && hub().claims[signal.index()].is_none() && sys::is_default(signal)
}

impl Hub {
    /// Begins to listen, once for the process.
    fn listen(&mut self) -> io::Result<()> {
        if self.listening {
            return Ok(());
        }
        let socket = sys::open()?;
        std::thread::Builder::new()
            .name("loop-signal".to_owned())
            .spawn(move || listen(socket))?;
        self.listening = true;
        Ok(())
    }
}

/// Passes signals on for as long as the process lives.
fn listen(mut socket: UnixStream) {
    let mut bytes = [0; 256];
    loop {
        let length = match socket.read(&mut bytes) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return tracing::error!(%error, "signals cannot be heard any more"),
        };
        // In the order in which they came, and then those whose byte found no room.
        for index in bytes[..length].iter().copied().map(usize::from) {
            deliver(index);
        }
        for index in 1..COUNT {
            while deliver(index) {}
        }
    }
}

/// Passes one signal on, if one has come that was not passed on yet.
fn deliver(index: usize) -> bool {
    let claim = {
        // Taken and looked up at once: what came for one claim must not be told to the next.
        let hub = hub();
        if !sys::take_one(index) {
            return false;
        }
        let claim = hub.claims[index].as_ref();
        claim.map(|claim| (claim.handle.clone(), claim.serial))
    };
    if let Some((handle, serial)) = claim {
        // Refused by a loop that has closed in the meantime, and is about to give the signal up.
        let _ = handle.post(handlers::Call(serial));
    }
    true
}
