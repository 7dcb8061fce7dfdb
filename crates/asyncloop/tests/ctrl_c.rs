//! Ctrl-C, as the person at the terminal sees it: each case is this very program with another main, which is sent
//! signals.

#![expect(clippy::unwrap_used, reason = "all of this program is a test")]

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
fn main() {
    let role = std::env::args().nth(1).unwrap_or_default();
    if let Some((_, play)) = programs::ALL.iter().find(|(name, _)| *name == role) {
        return play();
    }
    the_first_one_cancels_main_which_cleans_up();
    main_may_go_on_in_spite_of_it();
    the_second_one_ends_the_process();
    a_blocked_loop_is_ended_by_the_second_one();
    a_main_that_is_cancelled_otherwise_is_no_interruption();
    between_runs_it_does_what_it_did_before();
    a_loop_in_another_thread_leaves_it_alone();
    a_handler_of_the_programs_own_is_left_alone();
    println!("Ctrl-C: ok");
}

#[cfg(unix)]
use played::Played;

#[cfg(unix)]
fn the_first_one_cancels_main_which_cleans_up() {
    let mut program = Played::new("clean_up");
    program.expect("ready");
    program.interrupt();
    program.expect("main cleans up");
    program.expect("main has cleaned up");
    program.expect("the other task is cancelled");
    program.expect("interrupted by Ctrl-C");
    program.ends_with_status(0);
}

#[cfg(unix)]
fn main_may_go_on_in_spite_of_it() {
    let mut program = Played::new("go_on");
    program.expect("ready");
    program.interrupt();
    program.expect("Ok(\"all the same\")");
    program.ends_with_status(0);
}

#[cfg(unix)]
fn the_second_one_ends_the_process() {
    let mut program = Played::new("clean_up_for_ever");
    program.expect("ready");
    program.interrupt();
    program.expect("main cleans up");
    program.interrupt();
    program.ends_interrupted();
}

#[cfg(unix)]
fn a_blocked_loop_is_ended_by_the_second_one() {
    let mut program = Played::new("block");
    program.expect("ready");
    program.interrupt();
    program.is_still_there();
    program.interrupt();
    program.ends_interrupted();
}

#[cfg(unix)]
fn a_main_that_is_cancelled_otherwise_is_no_interruption() {
    let mut program = Played::new("cancelled_otherwise");
    program.expect("ready");
    program.interrupt();
    program.expect("main is cancelled by itself");
    program.ends_with_status(0);
}

#[cfg(unix)]
fn between_runs_it_does_what_it_did_before() {
    let mut program = Played::new("two_runs");
    program.expect("first ready");
    program.interrupt();
    program.expect("first: interrupted by Ctrl-C");
    program.expect("second ready");
    program.interrupt();
    program.expect("second: interrupted by Ctrl-C");
    program.expect("no run");
    program.interrupt();
    program.ends_interrupted();
}

#[cfg(unix)]
fn a_loop_in_another_thread_leaves_it_alone() {
    let mut program = Played::new("other_thread");
    program.expect("ready");
    program.interrupt();
    program.ends_interrupted();
}

#[cfg(unix)]
fn a_handler_of_the_programs_own_is_left_alone() {
    let mut program = Played::new("own_handler");
    program.expect("ready");
    for number in 1..=3 {
        program.interrupt();
        program.expect(&format!("my own handler, {number}"));
    }
    program.expect("Ok(())");
    program.ends_with_status(0);
}

/// The programs.
#[cfg(unix)]
mod programs {
    use std::cell::Cell;
    use std::future::pending;
    use std::rc::Rc;
    use std::thread;

    use asyncloop::prelude::*;
    use asyncloop::{Runner, RunnerError};

    pub(crate) const ALL: [(&str, fn()); 8] = [
        ("clean_up", clean_up),
        ("go_on", go_on),
        ("clean_up_for_ever", clean_up_for_ever),
        ("block", block),
        ("cancelled_otherwise", cancelled_otherwise),
        ("two_runs", two_runs),
        ("other_thread", other_thread),
        ("own_handler", own_handler),
    ];

    fn clean_up() {
        let error = asyncloop::run(async {
            create_task(async {
                if let Err(cancelled) = catch_cancel(pending::<()>()).await {
                    println!("the other task is cancelled");
                    cancelled.resume().await;
                }
            });
            yield_now().await;
            println!("ready");
            if let Err(cancelled) = catch_cancel(pending::<()>()).await {
                println!("main cleans up");
                yield_now().await;
                println!("main has cleaned up");
                cancelled.resume().await;
            }
        })
        .unwrap_err();
        assert!(matches!(error, RunnerError::Interrupted), "{error:?}");
        println!("{error}");
    }

    fn go_on() {
        let outcome = asyncloop::run(async {
            println!("ready");
            let _ = catch_cancel(pending::<()>()).await;
            "all the same"
        });
        println!("{outcome:?}");
    }

    fn clean_up_for_ever() {
        let outcome = asyncloop::run(async {
            println!("ready");
            let _ = catch_cancel(pending::<()>()).await;
            println!("main cleans up");
            pending::<()>().await;
        });
        println!("{outcome:?}");
    }

    fn block() {
        let outcome = asyncloop::run(async {
            println!("ready");
            loop {
                thread::park();
            }
        });
        let outcome: Result<(), _> = outcome;
        println!("{outcome:?}");
    }

    /// Somebody else cancels it as well, so that the interruption is not the reason.
    fn cancelled_otherwise() {
        let outcome = asyncloop::run(async {
            println!("ready");
            let _ = catch_cancel(pending::<()>()).await;
            current_task().unwrap().cancel();
            pending::<()>().await;
        });
        match outcome {
            Err(RunnerError::Run(_)) => println!("main is cancelled by itself"),
            other => println!("{other:?}"),
        }
    }

    fn two_runs() {
        let runner = Runner::new();
        for name in ["first", "second"] {
            let error = runner.run(async move {
                println!("{name} ready");
                pending::<()>().await;
            });
            println!("{name}: {}", error.unwrap_err());
        }
        println!("no run");
        loop {
            thread::park();
        }
    }

    fn other_thread() {
        let other = thread::spawn(|| {
            let outcome = asyncloop::run(async {
                println!("ready");
                pending::<()>().await;
            });
            println!("{outcome:?}");
        });
        other.join().unwrap();
    }

    fn own_handler() {
        let outcome = asyncloop::run(async {
            let event_loop = get_running_loop().unwrap();
            let future = event_loop.create_future();
            let (settle, count) = (future.clone(), Rc::new(Cell::new(0)));
            let handler = move || {
                count.set(count.get() + 1);
                println!("my own handler, {}", count.get());
                if count.get() == 3 {
                    settle.set_result(()).unwrap();
                }
            };
            event_loop.add_signal_handler(Signal::INT, handler).unwrap();
            println!("ready");
            future.await.unwrap();
        });
        println!("{outcome:?}");
    }
}

/// A program that is running.
#[cfg(unix)]
mod played {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

    use rustix::process::{Pid, Signal, kill_process};

    /// This very program. Where whoever started the tests ignores Ctrl-C, as shells do for what they start in the
    /// background, it is told not to.
    fn this_program() -> Command {
        let program = std::env::current_exe().unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        if ignored.is_none_or(|mask| mask & 1 << (Signal::INT.as_raw() - 1) == 0) {
            return Command::new(program);
        }
        let mut env = Command::new("env");
        env.arg("--default-signal=INT").arg(program);
        env
    }

    pub(crate) struct Played {
        role: &'static str,
        child: Child,
        lines: BufReader<ChildStdout>,
    }

    impl Played {
        pub(crate) fn new(role: &'static str) -> Played {
            let mut child = this_program()
                .arg(role)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap());
            Played { role, child, lines }
        }

        fn line(&mut self) -> String {
            let mut line = String::new();
            self.lines.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        }

        pub(crate) fn expect(&mut self, line: &str) {
            assert_eq!(self.line(), line, "{}", self.role);
        }

        pub(crate) fn interrupt(&mut self) {
            let pid = Pid::from_child(&self.child);
            kill_process(pid, Signal::INT).unwrap();
        }

        /// The signal has arrived when the system says that it is not pending any more; that it did not end the
        /// process is known then.
        pub(crate) fn is_still_there(&mut self) {
            #[cfg(target_os = "linux")]
            loop {
                let status = format!("/proc/{}/status", self.child.id());
                let status = std::fs::read_to_string(status).unwrap();
                let mut pending = status
                    .lines()
                    .filter(|line| line.starts_with("SigPnd:") || line.starts_with("ShdPnd:"));
                if pending.all(|line| line.ends_with("0000000000000000")) {
                    break;
                }
            }
            assert!(self.child.try_wait().unwrap().is_none(), "{}", self.role);
        }

        fn end(&mut self) -> ExitStatus {
            let line = self.line();
            assert!(line.is_empty(), "{}: {line}", self.role);
            self.child.wait().unwrap()
        }

        pub(crate) fn ends_with_status(mut self, status: i32) {
            assert_eq!(self.end().code(), Some(status), "{}", self.role);
        }

        pub(crate) fn ends_interrupted(mut self) {
            let signal = self.end().signal();
            assert_eq!(signal, Some(Signal::INT.as_raw()), "{}", self.role);
        }
    }

    impl Drop for Played {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
