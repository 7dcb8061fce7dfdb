//! Every interleaving of posters and their loop, within loom's bounds.
//!
//! `cargo xtask loom` builds and runs them. A model is a function over anything that behaves like a mailbox. The
//! `mutant_` tests run the same models over a mailbox with one rule broken, and must fail: were a model blind to
//! the rule, its mutant would pass.
#![cfg(loom)]
#![expect(
    clippy::unwrap_used,
    reason = "all of it is tests, which the lint cannot see here"
)]

#[path = "../src/mailbox.rs"]
mod mailbox;
#[path = "loom_mailbox/mutants.rs"]
mod mutants;
#[path = "../src/sync.rs"]
mod sync;

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use mailbox::{Mailbox, Posted};
use mutants::{Mistake, Mutant};

/// Which poster, and which of its messages.
type Message = (usize, usize);

/// What the models ask of a mailbox.
trait Subject: Send + Sync + 'static {
    /// `None`: refused.
    fn post(&self, message: Message) -> Option<Posted>;
    fn take(&self, deliver: impl FnMut(Message));
    fn doze(&self) -> bool;
    fn rouse(&self);
    fn close(&self, deliver: impl FnMut(Message));
    fn attend(&self, attended: bool);
    fn is_unattended(&self) -> bool;
}

impl Subject for Mailbox<Message> {
    fn post(&self, message: Message) -> Option<Posted> {
        Some(self.enter()?.post(message))
    }
    fn take(&self, deliver: impl FnMut(Message)) {
        let mut batch = Vec::new();
        Mailbox::take(self, &mut batch);
        batch.into_iter().for_each(deliver);
    }
    fn doze(&self) -> bool {
        Mailbox::doze(self)
    }
    fn rouse(&self) {
        Mailbox::rouse(self);
    }
    fn close(&self, deliver: impl FnMut(Message)) {
        Mailbox::close(self, deliver);
    }
    fn attend(&self, attended: bool) {
        Mailbox::attend(self, attended);
    }
    fn is_unattended(&self) -> bool {
        Mailbox::is_unattended(self)
    }
}

/// Where somebody sleeps until he is woken: the poller of a loop, the main loop of a host.
#[derive(Default)]
struct Bed {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Bed {
    fn sleep(&self) {
        let mut woken = self.woken.lock().unwrap();
        while !*woken {
            woken = self.changed.wait(woken).unwrap();
        }
        *woken = false;
    }

    fn wake(&self) {
        *self.woken.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

/// Each poster's messages, each once, in its order.
fn assert_delivered(got: &[Message], posters: usize, each: usize) {
    assert_eq!(got.len(), posters * each);
    for poster in 0..posters {
        let of_one = got.iter().filter(|(by, _)| *by == poster);
        let of_one: Vec<usize> = of_one.map(|(_, message)| *message).collect();
        assert_eq!(of_one, (0..each).collect::<Vec<_>>());
    }
}

/// Posters, and a loop that sleeps whenever it may. A wake-up that is lost is a deadlock, which loom reports.
fn sleeping_loop<S: Subject>(mailbox: impl Fn() -> S, posters: usize, each: usize) {
    let (mailbox, bed) = (Arc::new(mailbox()), Arc::new(Bed::default()));
    let threads: Vec<_> = (0..posters)
        .map(|poster| {
            let (mailbox, bed) = (Arc::clone(&mailbox), Arc::clone(&bed));
            thread::spawn(move || {
                for message in 0..each {
                    if mailbox.post((poster, message)) == Some(Posted::Asleep) {
                        bed.wake();
                    }
                }
            })
        })
        .collect();
    let mut got = Vec::new();
    while got.len() < posters * each {
        if mailbox.doze() {
            bed.sleep();
            mailbox.rouse();
        }
        mailbox.take(|message| got.push(message));
    }
    assert_delivered(&got, posters, each);
    for thread in threads {
        thread.join().unwrap();
    }
}

/// A loop whose sleep ends by itself, at a deadline or for no reason, in the moment in which a poster wakes it.
fn restless_loop<S: Subject>(mailbox: impl Fn() -> S) {
    let (mailbox, bed) = (Arc::new(mailbox()), Arc::new(Bed::default()));
    let poster = {
        let (mailbox, bed) = (Arc::clone(&mailbox), Arc::clone(&bed));
        thread::spawn(move || {
            for message in 0..2 {
                if mailbox.post((0, message)) == Some(Posted::Asleep) {
                    bed.wake();
                }
            }
        })
    };
    let mut got = Vec::new();
    for _ in 0..2 {
        if mailbox.doze() {
            mailbox.rouse();
        }
        mailbox.take(|message| got.push(message));
    }
    while got.len() < 2 {
        if mailbox.doze() {
            bed.sleep();
            mailbox.rouse();
        }
        mailbox.take(|message| got.push(message));
    }
    assert_delivered(&got, 1, 2);
    poster.join().unwrap();
}

/// Posters and the end: what is accepted is delivered before `close` returns, and nothing else is.
fn closing_loop<S: Subject>(mailbox: impl Fn() -> S, posters: usize, takes: bool) {
    let mailbox = Arc::new(mailbox());
    let threads: Vec<_> = (0..posters)
        .map(|poster| {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || mailbox.post((poster, 0)).is_some())
        })
        .collect();
    let mut got = Vec::new();
    if takes {
        mailbox.take(|message| got.push(message));
    }
    mailbox.close(|message| got.push(message));
    assert_eq!(mailbox.post((9, 9)), None, "closed for the closer, too");
    let accepted = threads.into_iter().map(|thread| thread.join().unwrap());
    for (poster, accepted) in accepted.enumerate() {
        let delivered = got.iter().filter(|(by, _)| *by == poster).count();
        assert_eq!(delivered, usize::from(accepted), "poster {poster}");
    }
}

/// A host that looks at its loop when it is told to. Whoever finds the loop unattended tells it.
fn hosted_loop<S: Subject>(mailbox: impl Fn() -> S) {
    let (mailbox, bed) = (Arc::new(mailbox()), Arc::new(Bed::default()));
    let poster = {
        let (mailbox, bed) = (Arc::clone(&mailbox), Arc::clone(&bed));
        thread::spawn(move || {
            for message in 0..2 {
                if mailbox.post((0, message)) == Some(Posted::First) && mailbox.is_unattended() {
                    bed.wake();
                }
            }
        })
    };
    let mut got = Vec::new();
    loop {
        mailbox.attend(true);
        mailbox.take(|message| got.push(message));
        mailbox.attend(false);
        if mailbox.is_unattended() {
            bed.wake();
        }
        if got.len() == 2 {
            break;
        }
        bed.sleep();
    }
    assert_delivered(&got, 1, 2);
    poster.join().unwrap();
}

#[test]
fn two_posters_of_two_wake_a_sleeping_loop() {
    loom::model(|| sleeping_loop(Mailbox::new, 2, 2));
}

#[test]
fn a_poster_of_many_wakes_a_sleeping_loop() {
    loom::model(|| sleeping_loop(Mailbox::new, 1, 3));
}

#[test]
fn a_sleep_that_ends_by_itself_loses_nothing() {
    loom::model(|| restless_loop(Mailbox::new));
}

#[test]
fn what_races_with_the_end_is_delivered_or_refused() {
    loom::model(|| closing_loop(Mailbox::new, 2, false));
}

#[test]
fn what_races_with_the_end_is_delivered_once() {
    loom::model(|| closing_loop(Mailbox::new, 3, true));
}

#[test]
fn a_host_is_told_of_every_burst() {
    loom::model(|| hosted_loop(Mailbox::new));
}

#[test]
fn a_mutant_without_a_mistake_is_a_mailbox() {
    loom::model(|| sleeping_loop(|| Mutant::new(None), 2, 1));
    loom::model(|| closing_loop(|| Mutant::new(None), 2, true));
    loom::model(|| hosted_loop(|| Mutant::new(None)));
}

#[test]
fn mutant_clears_the_signal_after_it_has_opened_the_lock() {
    loom::model(|| sleeping_loop(|| Mutant::new(Some(Mistake::ClearsLate)), 1, 2));
}

#[test]
fn mutant_clears_the_signal_of_messages_that_stay() {
    loom::model(|| sleeping_loop(|| Mutant::new(Some(Mistake::LeavesSome)), 1, 2));
}

#[test]
fn mutant_signals_before_it_pushes() {
    loom::model(|| sleeping_loop(|| Mutant::new(Some(Mistake::SignalsEarly)), 1, 1));
}

#[test]
fn mutant_signals_with_a_load_and_a_store() {
    loom::model(|| sleeping_loop(|| Mutant::new(Some(Mistake::LoadsThenStores)), 1, 1));
}

#[test]
fn mutant_leaves_the_first_signal_to_others() {
    loom::model(|| sleeping_loop(|| Mutant::new(Some(Mistake::NeverFirst)), 1, 1));
}

#[test]
fn mutant_dozes_whatever_the_signal_says() {
    loom::model(|| sleeping_loop(|| Mutant::new(Some(Mistake::DozesAnyway)), 1, 1));
}

#[test]
fn mutant_rouses_over_a_signal() {
    loom::model(|| restless_loop(|| Mutant::new(Some(Mistake::RousesOver))));
}

#[test]
fn mutant_says_late_that_it_is_closed() {
    loom::model(|| closing_loop(|| Mutant::new(Some(Mistake::ClosesLate)), 1, false));
}

#[test]
fn mutant_checks_and_then_enters() {
    loom::model(|| closing_loop(|| Mutant::new(Some(Mistake::ChecksThenEnters)), 1, false));
}

#[test]
fn mutant_ends_a_run_without_a_fence() {
    loom::model(|| hosted_loop(|| Mutant::new(Some(Mistake::NoFence))));
}

#[test]
fn mutant_never_says_that_a_run_is_over() {
    loom::model(|| hosted_loop(|| Mutant::new(Some(Mistake::NeverLeaves))));
}
