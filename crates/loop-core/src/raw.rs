//! A job whose type is forgotten, without an allocation where it is small.
//!
//! The ready queue holds one of these for every callback, so its size and the cost of making it are what a
//! callback costs: three words, two of which hold the job itself when it fits.

#![expect(
    unsafe_code,
    reason = "a closure of two words is kept inline, which Box<dyn FnOnce()> cannot do"
)]

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit, align_of, size_of};
use std::panic::Location;
use std::ptr;

use crate::EventLoop;
use crate::ready::Place;

/// Something that the loop can run once.
///
/// Every `FnOnce()` is passed as one; a layer above the loop (the tasks) implements this for the step of a
/// task, which says more about itself than a closure can and is handed the loop instead of having to look for it.
///
/// What a report says of it comes from here alone: in words by [`describe`](Job::describe), and by the
/// [`place`](Job::place) in the program. A job that calls functions of the program's which it does not know before, or
/// more than one, says so when it does: [`LoopRef::call_as`](crate::LoopRef::call_as).
///
/// # Examples
/// See [`LoopRef::schedule`](crate::LoopRef::schedule).
pub trait Job: Sized + 'static {
    /// Runs it, on the loop's thread, in step 4 of an iteration.
    fn run(self, event_loop: &EventLoop);

    /// Names its kind, for reports of panics: all that is known of a job that has been consumed. By default, the
    /// name of the type.
    #[must_use]
    fn name() -> &'static str {
        type_name::<Self>()
    }

    /// Says what it is, for reports in debug mode. By default, its [`name`](Job::name).
    ///
    /// # Errors
    /// Only what `f` itself returns.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::name())
    }

    /// The place in the program that handed it in, for reports in debug mode. By default, it is not known.
    fn place(&self) -> Option<&'static Location<'static>> {
        None
    }
}

/// A closure as a [`Job`].
pub(crate) struct Call<F>(pub(crate) F);

impl<F: FnOnce() + 'static> Job for Call<F> {
    #[inline]
    fn run(self, _: &EventLoop) {
        (self.0)();
    }

    fn name() -> &'static str {
        type_name::<F>()
    }
}

/// A job and where it was handed in: what scheduling makes of a closure in debug mode, and only then, since that is a
/// word more.
pub(crate) struct Placed<J>(pub(crate) J, pub(crate) Place);

impl<J: Job> Job for Placed<J> {
    fn run(self, event_loop: &EventLoop) {
        self.0.run(event_loop);
    }

    fn name() -> &'static str {
        J::name()
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe(f)
    }

    fn place(&self) -> Option<Place> {
        Some(self.1)
    }
}

/// A pointer, if it is one, keeps what makes it one.
type Word = MaybeUninit<*const ()>;

type Words = [Word; 2];

struct VTable {
    /// Takes the words one by one, as `drop` does: so they stay in registers.
    run: unsafe fn(Word, Word, &EventLoop),
    drop: unsafe fn(Word, Word),
    describe: unsafe fn(*const Words, &mut fmt::Formatter<'_>) -> fmt::Result,
    place: unsafe fn(*const Words) -> Option<Place>,
    name: fn() -> &'static str,
}

/// A job of a forgotten type.
///
/// Invariant: `words` holds a live value of the type that `vtable` was made for, inline if [`fits`] says so and
/// as a `Box` otherwise, until `run` or `drop` consumes it.
pub(crate) struct RawJob {
    vtable: &'static VTable,
    words: Words,
    /// What is inside need not be `Send`; [`SendJob`] is the exception.
    not_send: PhantomData<*mut ()>,
}

const fn fits<J>() -> bool {
    size_of::<J>() <= size_of::<Words>() && align_of::<J>() <= align_of::<Words>()
}

struct Inline<J>(PhantomData<J>);
struct Boxed<J>(PhantomData<J>);

impl<J: Job> Inline<J> {
    const VTABLE: VTable = VTable {
        // SAFETY: (all four) the caller keeps RawJob's invariant: the words hold a live J, inline.
        run: |a, b, event_loop| unsafe { [a, b].as_ptr().cast::<J>().read() }.run(event_loop),
        // SAFETY: as above.
        drop: |a, b| drop(unsafe { [a, b].as_ptr().cast::<J>().read() }),
        // SAFETY: as above.
        describe: |words, f| unsafe { &*words.cast::<J>() }.describe(f),
        // SAFETY: as above.
        place: |words| unsafe { &*words.cast::<J>() }.place(),
        name: J::name,
    };
}

impl<J: Job> Boxed<J> {
    const VTABLE: VTable = VTable {
        // SAFETY: (all four) the caller keeps RawJob's invariant: the first word is a live Box<J>.
        run: |a, b, event_loop| unsafe { [a, b].as_ptr().cast::<Box<J>>().read() }.run(event_loop),
        // SAFETY: as above.
        drop: |a, b| drop(unsafe { [a, b].as_ptr().cast::<Box<J>>().read() }),
        // SAFETY: as above.
        describe: |words, f| unsafe { &**words.cast::<Box<J>>() }.describe(f),
        // SAFETY: as above.
        place: |words| unsafe { &**words.cast::<Box<J>>() }.place(),
        name: J::name,
    };
}

impl RawJob {
    #[inline]
    pub(crate) fn new<J: Job>(job: J) -> RawJob {
        if const { !fits::<J>() } {
            return RawJob::from_box(Box::new(job));
        }
        let mut words = [Word::uninit(); 2];
        // SAFETY: `fits` checked size and alignment; the words are ours and hold nothing yet.
        unsafe { words.as_mut_ptr().cast::<J>().write(job) };
        RawJob {
            vtable: const { &Inline::<J>::VTABLE },
            words,
            not_send: PhantomData,
        }
    }

    #[inline]
    fn from_box<J: Job>(job: Box<J>) -> RawJob {
        let mut words = [Word::uninit(); 2];
        // SAFETY: a Box of a sized type is one word, aligned as one; the words are ours and hold nothing yet.
        unsafe { words.as_mut_ptr().cast::<Box<J>>().write(job) };
        RawJob {
            vtable: const { &Boxed::<J>::VTABLE },
            words,
            not_send: PhantomData,
        }
    }

    /// A job that does nothing: what stays in the queue in the place of a cancelled one.
    pub(crate) fn nothing() -> RawJob {
        struct Nothing;
        impl Job for Nothing {
            fn run(self, _: &EventLoop) {}
        }
        RawJob::new(Nothing)
    }

    /// What knows the name of the job's kind, also when the job is gone.
    #[inline]
    pub(crate) fn name(&self) -> fn() -> &'static str {
        self.vtable.name
    }

    pub(crate) fn place(&self) -> Option<Place> {
        // SAFETY: the value is live (invariant).
        unsafe { (self.vtable.place)(ptr::from_ref(&self.words)) }
    }

    #[inline]
    pub(crate) fn run(self, event_loop: &EventLoop) {
        let this = ManuallyDrop::new(self);
        // SAFETY: the value is live (invariant); ManuallyDrop keeps it from being dropped again.
        unsafe { (this.vtable.run)(this.words[0], this.words[1], event_loop) }
    }
}

impl Drop for RawJob {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the value is live (invariant), and nothing uses it after this.
        unsafe { (self.vtable.drop)(self.words[0], self.words[1]) }
    }
}

impl fmt::Display for RawJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: the value is live (invariant).
        unsafe { (self.vtable.describe)(ptr::from_ref(&self.words), f) }
    }
}

impl fmt::Debug for RawJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{self}>")
    }
}

/// A job that may be sent to the loop from another thread.
#[derive(Debug)]
pub(crate) struct SendJob(RawJob);

// SAFETY: both constructors demand that the job is Send, and a SendJob gives no shared access to it.
unsafe impl Send for SendJob {}

impl SendJob {
    pub(crate) fn new<J: Job + Send>(job: J) -> SendJob {
        SendJob(RawJob::new(job))
    }

    /// As [`new`](SendJob::new), for a job that has its allocation already.
    pub(crate) fn from_box<J: Job + Send>(job: Box<J>) -> SendJob {
        SendJob(RawJob::from_box(job))
    }

    /// Whether a job needs no allocation.
    pub(crate) const fn fits<J>() -> bool {
        fits::<J>()
    }

    pub(crate) fn into_inner(self) -> RawJob {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ready queue holds one for every callback.
    #[test]
    fn a_job_is_three_words_and_holds_two() {
        assert_eq!(size_of::<RawJob>(), 3 * size_of::<usize>());
        assert!(fits::<Call<[usize; 2]>>());
        assert!(!fits::<Call<[u8; 17]>>());
        assert!(!fits::<Call<u128>>() || align_of::<u128>() <= align_of::<usize>());
    }
}
