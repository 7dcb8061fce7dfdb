//! The part that runs inside a signal, wherever it struck: atomics and four calls that POSIX allows there.
//!
//! ```text
//!   signal ---> handler: count it, write a byte ---> reader: a byte or the end of a batch: take counts away
//! ```
//!
//! The byte says which signal came, so that different signals keep their order; the count makes it certain. A
//! handler counts before it writes. If the write fails since the socket is full, there is something left to be read,
//! and after that the reader looks at all counts. So each signal is taken exactly once, whichever of the two says so.

#![expect(unsafe_code, reason = "std has no signals")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, Ordering};

use crate::signal::Signal;

/// One more than the highest number of a signal on any system.
pub(crate) const COUNT: usize = 65;

/// What the handler does about a signal.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Action {
    /// It passes it on, every time.
    Forward = 0,
    /// It passes it on once; the next one ends the process.
    ForwardOnce = 1,
}

/// As [`Action::ForwardOnce`], after the first time.
const SPENT: u8 = 2;

static ACTIONS: [AtomicU8; COUNT] = [const { AtomicU8::new(0) }; COUNT];

/// How many of each have come that nobody has taken yet.
static PENDING: [AtomicU32; COUNT] = [const { AtomicU32::new(0) }; COUNT];

/// Where to write. It is never closed: a handler may be about to write at any time.
static SOCKET: AtomicI32 = AtomicI32::new(-1);

/// Whose handlers these are. A forked child inherits them, and the socket of its parent.
static PROCESS: AtomicI32 = AtomicI32::new(0);

/// What was to be done about a signal before it had a handler.
pub(crate) struct Former(libc::sigaction);

/// Makes the socket that handlers write to, and gives its other end. To be called once.
pub(crate) fn open() -> io::Result<UnixStream> {
    let (writer, reader) = UnixStream::pair()?;
    writer.set_nonblocking(true)?;
    SOCKET.store(writer.into_raw_fd(), Ordering::SeqCst);
    PROCESS.store(process(), Ordering::SeqCst);
    Ok(reader)
}

/// Whether this is a forked child of the process that opened the socket.
pub(crate) fn is_forked() -> bool {
    let owner = PROCESS.load(Ordering::SeqCst);
    owner != 0 && owner != process()
}

fn process() -> i32 {
    // SAFETY: it has no conditions.
    unsafe { libc::getpid() }
}

/// Whether this is the thread that the process began with.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn is_main_thread() -> bool {
    // SAFETY: it has no conditions.
    unsafe { libc::gettid() == libc::getpid() }
}

/// Whether this is the thread that the process began with.
#[cfg(any(target_os = "macos", target_os = "ios", target_os = "freebsd"))]
pub(crate) fn is_main_thread() -> bool {
    // SAFETY: it has no conditions.
    unsafe { libc::pthread_main_np() == 1 }
}

/// Whether this is the thread that the process began with, as far as its name says so.
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "macos",
    target_os = "ios",
    target_os = "freebsd"
)))]
pub(crate) fn is_main_thread() -> bool {
    std::thread::current().name() == Some("main")
}

/// Takes one of those that have come, if there is one.
pub(crate) fn take_one(index: usize) -> bool {
    let Some(pending) = PENDING.get(index) else {
        return false;
    };
    let less = |count: u32| count.checked_sub(1);
    pending
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
        .is_ok()
}

/// Forgets those that have come.
pub(crate) fn forget(signal: Signal) {
    PENDING[signal.index()].store(0, Ordering::SeqCst);
}

/// Says what the handler is to do.
pub(crate) fn set_action(signal: Signal, action: Action) {
    ACTIONS[signal.index()].store(action as u8, Ordering::SeqCst);
}

/// Whether the one time of [`Action::ForwardOnce`] is over.
pub(crate) fn is_spent(signal: Signal) -> bool {
    ACTIONS[signal.index()].load(Ordering::SeqCst) == SPENT
}

/// Makes the system call the handler, and says what it did before.
pub(crate) fn install(signal: Signal) -> io::Result<Former> {
    let mut new = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: all zeros are a `sigaction`, whose mask is filled in place; the system gets pointers to what lives here.
    // What it will call is a function with that signature, which does only what POSIX allows in a handler.
    unsafe {
        let action = new.assume_init_mut();
        action.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // An interrupted system call of the program's goes on; on a thread with a stack for signals, that is used.
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigfillset(&mut action.sa_mask);
        exchange(signal, action)
    }
}

/// Does again about a signal what was done before.
pub(crate) fn restore(signal: Signal, former: &Former) {
    // SAFETY: the system gave it out for this signal.
    let result = unsafe { exchange(signal, &former.0) };
    if let Err(error) = result {
        tracing::error!(%signal, %error, "what was done about a signal cannot be done again");
    }
}

/// Whether nobody has said what is to be done about a signal.
pub(crate) fn is_default(signal: Signal) -> bool {
    // SAFETY: a null pointer changes nothing.
    let now = unsafe { exchange(signal, ptr::null()) };
    now.is_ok_and(|now| now.0.sa_sigaction == libc::SIG_DFL)
}

/// # Safety
/// `new` is null, or what it names may be done about this signal from now on.
unsafe fn exchange(signal: Signal, new: *const libc::sigaction) -> io::Result<Former> {
    let mut old = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the caller's promise; `old` has room for what the system writes, and was a `sigaction` before.
    unsafe {
        if libc::sigaction(signal.number(), new, old.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Former(old.assume_init()))
    }
}

/// What the system calls.
extern "C" fn on_signal(number: libc::c_int) {
    let Some((action, pending)) = usize::try_from(number)
        .ok()
        .and_then(|index| Some((ACTIONS.get(index)?, PENDING.get(index)?)))
    else {
        return;
    };
    let once = Action::ForwardOnce as u8;
    let ends = is_forked()
        || action
            .compare_exchange(once, SPENT, Ordering::SeqCst, Ordering::SeqCst)
            .is_err_and(|action| action == SPENT);
    if ends {
        // SAFETY: both may be called in a handler. The signal is held back until this one returns, and then does what
        // it does by default.
        unsafe {
            libc::signal(number, libc::SIG_DFL);
            libc::raise(number);
        }
        return;
    }
    pending.fetch_add(1, Ordering::SeqCst);
    let byte = number as u8;
    // SAFETY: `write` may be called in a handler, with one byte that is here; the socket is never closed. The error
    // number of the thread is put back, which the interrupted code may be about to read.
    unsafe {
        let errno = errno();
        let before = *errno;
        libc::write(
            SOCKET.load(Ordering::SeqCst),
            ptr::from_ref(&byte).cast(),
            1,
        );
        *errno = before;
    }
}

/// Where the thread's error number is.
fn errno() -> *mut libc::c_int {
    // SAFETY: these have no conditions, and what they point to lives as long as the thread.
    #[cfg(any(target_os = "linux", target_os = "emscripten", target_os = "redox"))]
    return unsafe { libc::__errno_location() };
    // SAFETY: as above.
    #[cfg(any(target_os = "macos", target_os = "ios", target_os = "freebsd"))]
    return unsafe { libc::__error() };
    // SAFETY: as above.
    #[cfg(any(target_os = "android", target_os = "openbsd", target_os = "netbsd"))]
    return unsafe { libc::__errno() };
}
