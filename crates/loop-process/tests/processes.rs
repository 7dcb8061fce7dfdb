//! Children that do their work: what goes in, what comes out, how they end.

mod common;

use std::cell::RefCell;
use std::future::IntoFuture;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::task::Poll;

use loop_core::get_running_loop;
use loop_net::ReadError;
use loop_process::{create_subprocess_exec, create_subprocess_shell};
use loop_signal::Signal;
use loop_tasks::{create_task, gather, try_gather, yield_now};

use common::{piped, run};

#[test]
fn a_megabyte_goes_through_cat() {
    run(async {
        let input: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
        let mut cat = piped(create_subprocess_exec("cat")).await.unwrap();
        let output = cat.communicate(&input).await.unwrap();
        assert!(output.status.success() && output.stderr.is_empty());
        assert!(output.stdout == input, "it is changed");
        assert_eq!(cat.returncode(), Some(output.status));
    });
}

#[test]
fn both_outputs_are_read_at_the_same_time() {
    run(async {
        // Each is more than a pipe holds: whoever read one after the other would hang.
        let line = "head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero; exit 7";
        let mut child = piped(create_subprocess_shell(line)).await.unwrap();
        let output = child.communicate("").await.unwrap();
        let sizes = (output.stdout.len(), output.stderr.len());
        assert_eq!(sizes, (300_000, 300_000));
        assert_eq!(output.status.code(), Some(7));
    });
}

#[test]
fn a_talk_is_had_once() {
    run(async {
        let mut child = piped(create_subprocess_shell("cat; echo err >&2"))
            .await
            .unwrap();
        let first = child.communicate("out").await.unwrap();
        assert_eq!(
            (first.stdout, first.stderr),
            (b"out".into(), b"err\n".into())
        );
        assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
        let second = child.communicate("too late").await.unwrap();
        assert_eq!(second.status, first.status);
        assert!(second.stdout.is_empty() && second.stderr.is_empty());
    });
}

#[test]
fn a_child_that_does_not_read_is_no_error() {
    run(async {
        let mut child = create_subprocess_exec("true")
            .stdin(Stdio::piped())
            .await
            .unwrap();
        let output = child.communicate(vec![7; 1_000_000]).await.unwrap();
        assert!(output.status.success());
    });
}

#[test]
fn what_is_no_pipe_is_empty() {
    run(async {
        let child = create_subprocess_exec("cat").stdin(Stdio::null());
        let mut child = child.stdout(Stdio::null()).await.unwrap();
        assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
        let output = child.communicate("dropped").await.unwrap();
        assert!(output.status.success() && output.stdout.is_empty());
    });
}

#[test]
fn lines_go_to_and_fro() {
    run(async {
        let mut cat = piped(create_subprocess_exec("cat")).await.unwrap();
        let stdin = cat.stdin.take().unwrap();
        let stdout = cat.stdout.as_mut().unwrap();
        for line in [&b"one\n"[..], b"two\n", b"three\n"] {
            stdin.write(line);
            stdin.drain().await.unwrap();
            assert_eq!(stdout.readline().await.unwrap(), line);
        }
        stdin.write_eof();
        assert_eq!(stdout.readline().await.unwrap(), b"");
        assert!(cat.wait().await.unwrap().success());
    });
}

#[test]
fn a_line_has_a_limit() {
    run(async {
        let child = create_subprocess_shell("echo 123456789").limit(8);
        let mut child = child.stdout(Stdio::piped()).await.unwrap();
        let stdout = child.stdout.as_mut().unwrap();
        let error = stdout.readline().await.unwrap_err();
        assert!(matches!(error, ReadError::Limit(_)), "{error}");
        child.wait().await.unwrap();
    });
}

#[test]
fn what_a_child_wrote_can_be_read_after_its_end() {
    run(async {
        let child = create_subprocess_shell("echo out; echo err >&2");
        let mut child = piped(child).await.unwrap();
        child.wait().await.unwrap();
        let stdout = child.stdout.as_mut().unwrap();
        assert_eq!(stdout.read_all().await.unwrap(), b"out\n");
        let stderr = child.stderr.as_mut().unwrap();
        assert_eq!(stderr.read_all().await.unwrap(), b"err\n");
    });
}

#[test]
fn a_grandchild_that_holds_the_pipe_holds_no_wait_up() {
    run(async {
        let mut child = create_subprocess_shell("sleep 60 & echo $!; exit 5")
            .stdout(Stdio::piped())
            .await
            .unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(5));
        let line = child.stdout.as_mut().unwrap().readline().await.unwrap();
        let grandchild = String::from_utf8(line).unwrap();
        let kill = create_subprocess_exec("kill").arg(grandchild.trim()).await;
        assert!(kill.unwrap().wait().await.unwrap().success());
    });
}

#[test]
fn exit_codes_and_signals_are_told_apart() {
    run(async {
        for code in [0, 1, 77, 255] {
            let child = create_subprocess_shell(format!("exit {code}"));
            let status = child.await.unwrap().wait().await.unwrap();
            assert_eq!((status.code(), status.signal()), (Some(code), None));
        }
        // A child inherits what is ignored: SIGHUP under `nohup`, SIGINT in the background of a script.
        for signal in [Signal::TERM, Signal::USR1, Signal::USR2] {
            let child = create_subprocess_exec("sleep").arg("60").await.unwrap();
            child.send_signal(signal).unwrap();
            let status = child.wait().await.unwrap();
            assert_eq!(status.code(), None);
            assert_eq!(status.signal(), Some(signal.number()));
        }
    });
}

#[test]
fn a_signal_that_has_no_name_is_refused() {
    run(async {
        let child = create_subprocess_exec("sleep").arg("60").await.unwrap();
        let real_time = Signal::new(40).unwrap();
        let error = child.send_signal(real_time).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), "signal 40 has no name");
        child.terminate().unwrap();
        let status = child.wait().await.unwrap();
        assert_eq!(status.signal(), Some(Signal::TERM.number()));
    });
}

#[test]
fn a_child_that_has_ended_is_sent_nothing() {
    run(async {
        let child = create_subprocess_shell("exit 3").await.unwrap();
        child.wait().await.unwrap();
        let text = format!("process {} has already ended: exit status: 3", child.pid());
        for result in [
            child.kill(),
            child.terminate(),
            child.send_signal(Signal::USR1),
        ] {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            assert_eq!(error.to_string(), text);
        }
    });
}

#[test]
fn a_child_that_has_ended_unnoticed_takes_a_signal_without_harm() {
    run(async {
        let mut child = create_subprocess_exec("true")
            .stdout(Stdio::piped())
            .await
            .unwrap();
        // The system says that it is a zombie; the loop has not looked.
        let path = format!("/proc/{}/stat", child.pid());
        while !std::fs::read_to_string(&path).unwrap().contains(") Z ") {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        assert!(child.communicate("").await.unwrap().status.success());
    });
}

#[test]
fn every_waiter_is_told() {
    run(async {
        let cat = create_subprocess_exec("cat").stdin(Stdio::piped());
        let mut cat = cat.await.unwrap();
        let waiting: Vec<_> = (0..5)
            .map(|_| {
                let handle = cat.handle();
                create_task(async move { handle.wait().await.unwrap() })
            })
            .collect();
        yield_now().await;
        waiting[2].cancel();
        yield_now().await;
        drop(cat.stdin.take());
        let status = cat.wait().await.unwrap();
        for (place, waited) in gather(waiting).await.unwrap().into_iter().enumerate() {
            match waited {
                Ok(waited) => assert_eq!(waited, status),
                Err(error) => assert!(place == 2, "{error}"),
            }
        }
        // And one that comes later.
        assert_eq!(cat.handle().wait().await.unwrap(), status);
    });
}

#[test]
fn two_hundred_children_at_once() {
    run(async {
        let children = (0..200u8).map(|n| async move {
            let child = create_subprocess_shell(format!("read line; echo $line; exit {n}"));
            let mut child = piped(child).await?;
            child.communicate(format!("line {n}\n")).await
        });
        let outputs = try_gather(children).await.unwrap().unwrap();
        assert_eq!(outputs.len(), 200);
        for (n, output) in (0..200).zip(outputs) {
            assert_eq!(output.status.code(), Some(n));
            assert_eq!(output.stdout, format!("line {n}\n").as_bytes());
        }
    });
}

#[test]
fn a_program_that_is_not_there_is_named() {
    run(async {
        let error = create_subprocess_exec("/no/such/program").await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(
            error.to_string().starts_with("/no/such/program: "),
            "{error}"
        );
        let shell = create_subprocess_shell("/no/such/program 2>/dev/null");
        let status = shell.await.unwrap().wait().await.unwrap();
        assert_eq!(status.code(), Some(127));
    });
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    run(async {
        for folder in ["/no/such/folder", "/dev/null"] {
            let error = create_subprocess_exec("true").current_dir(folder).await;
            let text = error.unwrap_err().to_string();
            let expected = format!("true: cannot run in {folder}: ");
            assert!(text.starts_with(&expected), "{text}");
        }
        let error = create_subprocess_exec("/no/such/program").current_dir("/");
        let text = error.await.unwrap_err().to_string();
        assert!(text.starts_with("/no/such/program: No such"), "{text}");
    });
}

#[test]
fn without_a_loop_nothing_is_started() {
    let mut start = create_subprocess_exec("true").into_future();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let Poll::Ready(Err(error)) = start.as_mut().poll(&mut context) else {
        panic!("it needs a loop");
    };
    assert_eq!(error.to_string(), "no running event loop");
}

/// A future that is made and never polled has done nothing.
#[test]
fn nothing_is_started_before_the_first_poll() {
    run(async {
        let (reader, writer) = io::pipe().unwrap();
        let line = "echo started";
        let never = create_subprocess_shell(line).stdout(writer.try_clone().unwrap());
        drop(never.into_future());
        let polled = create_subprocess_shell("echo polled").stdout(writer);
        polled.await.unwrap().wait().await.unwrap();
        assert_eq!(io::read_to_string(reader).unwrap(), "polled\n");
    });
}

/// What follows the `=` would become a part of the value.
#[test]
fn a_variable_whose_name_has_an_equals_sign_is_refused() {
    run(async {
        let child = create_subprocess_exec("env").env("A=B", "1");
        let error = child.await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let words = "illegal environment variable name: \"A=B\" contains '='";
        assert_eq!(error.to_string(), words);
    });
}

#[test]
fn a_status_that_somebody_else_took_is_reported() {
    use rustix::process::{Pid, WaitOptions, waitpid};
    run(async {
        let reports = Rc::new(RefCell::new(Vec::new()));
        let ours = Rc::clone(&reports);
        let event_loop = get_running_loop().unwrap();
        event_loop.set_exception_handler(move |_, context| {
            ours.borrow_mut().push(context.message.clone());
        });
        let child = create_subprocess_exec("true").await.unwrap();
        let pid = Pid::from_raw(child.pid().cast_signed());
        waitpid(pid, WaitOptions::empty()).unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(255)); // as in asyncio
        let pid = child.pid();
        let text = format!("Unknown child process pid {pid}, will report exit status 255");
        assert_eq!(reports.take(), [text]);
        assert_eq!(child.kill().unwrap_err().kind(), io::ErrorKind::NotFound);
    });
}

#[test]
fn children_of_the_standard_library_keep_their_status() {
    run(async {
        let mut theirs = Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap();
        let ours = create_subprocess_shell("exit 4").await.unwrap();
        assert_eq!(ours.wait().await.unwrap().code(), Some(4));
        assert_eq!(theirs.wait().unwrap().code(), Some(3));
    });
}
