//! What is left behind: nothing, wherever one stops.

mod common;

use std::cell::RefCell;
use std::os::unix::process::ExitStatusExt;
use std::rc::Rc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use loop_core::EventLoop;
use loop_process::{
    CreateSubprocess, Process, SubprocessProtocol, create_subprocess_exec, create_subprocess_shell,
};
use loop_tasks::{LoopExt, create_task, sleep, timeout, yield_now};

use common::{piped, run};

/// Descriptors and children are the process's: one test at a time.
static ONE: Mutex<()> = Mutex::new(());

/// What `test` leaves behind has to be nothing: no descriptor, no child, in whatever state. A thread that reaps may need
/// a moment.
#[expect(
    clippy::disallowed_methods,
    reason = "the system's moment, not the loop's"
)]
fn leaves_nothing(test: impl FnOnce()) {
    let _one = ONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let before = (descriptors(), children());
    test();
    let begin = Instant::now();
    loop {
        let after = (descriptors(), children());
        // Fewer descriptors are none of the test's: the allocator of another thread may just have read a file of the
        // system's.
        if after.0 <= before.0 && after.1 == before.1 {
            break;
        }
        let waited = begin.elapsed();
        assert!(waited < Duration::from_secs(60), "{before:?} {after:?}");
        std::thread::yield_now();
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The children of this process, zombies among them.
fn children() -> Vec<String> {
    let parent = std::process::id().to_string();
    let is_ours = |stat: &String| {
        let (_, rest) = stat.rsplit_once(") ").unwrap_or_default();
        rest.split(' ').nth(1) == Some(&parent)
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
        .filter(is_ours)
        .collect()
}

fn exists(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// Waits until the loop has reaped it.
async fn until_gone(pid: u32) {
    while exists(pid) {
        sleep(Duration::from_millis(1)).await;
    }
}

fn sleeper() -> CreateSubprocess {
    piped(create_subprocess_exec("sleep").arg("600"))
}

#[test]
fn a_child_that_nobody_holds_goes_on_and_is_reaped() {
    leaves_nothing(|| {
        run(async {
            let (reader, writer) = std::io::pipe().unwrap();
            let child = create_subprocess_shell("read line; exit 3").stdin(reader);
            let child = child.kill_on_drop(true).kill_on_drop(false).await.unwrap();
            let (pid, handle) = (child.pid(), child.handle());
            drop(child);
            for _ in 0..100 {
                yield_now().await;
            }
            assert!(exists(pid) && handle.returncode().is_none());
            drop(writer); // the end of what it reads
            assert_eq!(handle.wait().await.unwrap().code(), Some(3));
            assert!(!exists(pid));
        });
    });
}

#[test]
fn one_that_was_reaped_is_watched_no_more() {
    leaves_nothing(|| {
        run(async {
            let (reader, writer) = std::io::pipe().unwrap();
            let child = create_subprocess_exec("cat").stdin(reader).await.unwrap();
            let before = descriptors();
            drop(writer);
            child.wait().await.unwrap();
            // Without that of the writer, and without that of the child's end.
            while descriptors() > before - 2 {
                yield_now().await;
            }
        });
    });
}

#[test]
fn a_child_that_reads_ends_with_its_process() {
    leaves_nothing(|| {
        run(async {
            let cat = piped(create_subprocess_exec("cat")).await.unwrap();
            let pid = cat.pid();
            drop(cat);
            until_gone(pid).await;
        });
    });
}

#[test]
fn one_that_is_to_be_killed_is() {
    leaves_nothing(|| {
        run(async {
            let child = sleeper().kill_on_drop(true).await.unwrap();
            let handle = child.handle();
            drop(child);
            assert_eq!(handle.wait().await.unwrap().signal(), Some(9));
        });
    });
}

#[test]
fn one_whose_protocol_cannot_be_made_is_killed() {
    leaves_nothing(|| {
        run(async {
            let before = children();
            let making = create_task(async {
                let made = sleeper().create(|| -> Deaf { panic!("no protocol") });
                made.await.map(|_| ())
            });
            assert!(making.await.is_err());
            while children() != before {
                sleep(Duration::from_millis(1)).await;
            }
        });
    });
}

/// A protocol that hears nothing.
struct Deaf;

impl SubprocessProtocol for Deaf {}

#[test]
fn a_wait_or_a_talk_that_is_cancelled_leaves_the_child_as_it_is() {
    leaves_nothing(|| {
        run(async {
            let mut child = piped(create_subprocess_shell("echo one; read line; echo two"));
            child = child.kill_on_drop(true);
            let child = Rc::new(RefCell::new(child.await.unwrap()));
            let handle = child.borrow().handle();
            let waiting = create_task({
                let handle = handle.clone();
                async move { handle.wait().await }
            });
            yield_now().await;
            waiting.cancel();
            assert!(waiting.await.is_err());

            let ours = Rc::clone(&child);
            // Its input stays open elsewhere, so that it cannot end.
            let stdin = child.borrow().stdin.clone().unwrap();
            let talking = create_task(async move { talk(&ours).await });
            while child.try_borrow().is_ok() {
                yield_now().await;
            }
            // It has read the first line, or it has not: nothing is lost.
            for _ in 0..50 {
                sleep(Duration::from_millis(1)).await;
            }
            talking.cancel();
            assert!(talking.await.is_err());
            assert!(handle.returncode().is_none());
            stdin.write(b"go on\n");
            let output = talk(&child).await;
            assert_eq!(output, b"one\ntwo\n");
        });
    });
}

#[expect(
    clippy::await_holding_refcell_ref,
    reason = "the test asks whether it is borrowed"
)]
async fn talk(child: &RefCell<Process>) -> Vec<u8> {
    let mut child = child.borrow_mut();
    let keep = child.stdin.take(); // it is not ended
    let output = child.communicate("").await.unwrap().stdout;
    drop(keep);
    output
}

#[test]
fn a_timeout_ends_a_child_that_is_to_be_killed() {
    leaves_nothing(|| {
        run(async {
            let pid = Rc::new(RefCell::new(0));
            let ours = Rc::clone(&pid);
            let talk = async move {
                let mut child = sleeper().kill_on_drop(true).await.unwrap();
                ours.replace(child.pid());
                child.communicate("x").await
            };
            assert!(timeout(Duration::from_millis(20), talk).await.is_err());
            let pid = *pid.borrow();
            until_gone(pid).await;
        });
    });
}

#[test]
fn dropped_after_any_number_of_steps_nothing_is_left() {
    leaves_nothing(|| {
        for steps in 0..30 {
            run(async move {
                let task = create_task(async {
                    let child = create_subprocess_shell("cat; echo done >&2");
                    let mut child = piped(child).kill_on_drop(true).await.unwrap();
                    child.communicate(vec![7; 200_000]).await
                });
                for _ in 0..steps {
                    yield_now().await;
                }
                task.cancel();
                let _ = task.await;
            });
        }
    });
}

#[test]
fn a_loop_that_closes_leaves_no_child() {
    leaves_nothing(|| {
        let event_loop = EventLoop::new().unwrap();
        let children = event_loop.run_until_complete(async {
            let mut children = Vec::new();
            for _ in 0..20 {
                children.push(sleeper().await.unwrap());
            }
            // Deaf to everything but a kill.
            let deaf = create_subprocess_shell("trap '' TERM HUP INT; exec sleep 600");
            children.push(deaf.await.unwrap());
            drop(sleeper().await.unwrap()); // nobody holds this one
            children
        });
        event_loop.close().unwrap();
        let child = &children.unwrap()[0];
        let text = format!("<Process {} killed when its loop closed>", child.pid());
        assert_eq!(format!("{child:?}"), text);
        let text = format!("process {} was killed when its loop closed", child.pid());
        assert_eq!(child.kill().unwrap_err().to_string(), text);
        assert_eq!(child.returncode(), None);
        let error = run({
            let handle = child.handle();
            async move { handle.wait().await }
        });
        let text = format!("the loop of process {} is closed", child.pid());
        assert_eq!(error.unwrap_err().to_string(), text);
    });
}

#[test]
fn a_loop_that_is_dropped_unclosed_leaves_no_child() {
    leaves_nothing(|| {
        let event_loop = EventLoop::new().unwrap();
        let child = event_loop.run_until_complete(async { sleeper().await.unwrap() });
        drop(event_loop);
        drop(child);
    });
}

#[test]
fn many_children_one_after_the_other_leave_nothing() {
    leaves_nothing(|| {
        run(async {
            for _ in 0..100 {
                let mut child = piped(create_subprocess_exec("true")).await.unwrap();
                child.communicate("x").await.unwrap();
                create_subprocess_exec("/no/such").await.unwrap_err();
            }
        });
    });
}
