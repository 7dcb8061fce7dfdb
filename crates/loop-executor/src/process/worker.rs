//! The other process: it reads calls, makes them, and answers.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use super::frame::{self, Decoder, Frame};
use super::wire::{self, Failure, Hello, Welcome};
use super::{function, remote_panic, sys};

/// Makes this process a worker, if a [`ProcessPoolExecutor`](crate::ProcessPoolExecutor) has
/// started it as one. Then it does not return.
///
/// It belongs in the first line of `main`: whatever stands before it is done in each worker too.
///
/// A worker's standard output and error are those of the program. Its standard input is empty.
/// Its jobs run here, on the main thread, one at a time. It ends with the pool, and with the
/// program, however that ends.
///
/// # asyncio
/// `if __name__ == "__main__":`.
///
/// # Examples
/// See [`process_fn!`](crate::process_fn).
pub fn worker_main() {
    if let Some(socket) = sys::worker_socket() {
        let code = match Worker::start(socket).and_then(Worker::serve) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("a worker of a process pool ends: {error}");
                1
            }
        };
        std::process::exit(code);
    }
}

/// Lets the tests of a file use pools of processes: write it once in the file, outside of
/// everything.
///
/// The harness of the tests has a `main` of its own, which knows nothing of
/// [`worker_main`](crate::worker_main). This declares a test that becomes the worker, and that does
/// nothing where nobody has started it as one.
///
/// # Examples
/// ```
/// use loop_executor::process_fn;
///
/// process_fn! {
///     fn add(a: u32, b: u32) -> u32 { a + b }
/// }
///
/// loop_executor::worker_test!();
/// // From here on, tests may submit `add::job(1, 2)` to a `ProcessPoolExecutor`.
/// ```
#[macro_export]
macro_rules! worker_test {
    () => {
        #[test]
        fn loop_executor_worker() {
            $crate::worker_main();
        }
    };
}

/// The arguments that a worker is started with, unless it is told otherwise: they mean nothing to a
/// program that calls `worker_main` first, and to the harness of the tests they mean the test that
/// does.
pub(crate) const ARGUMENTS: [&str; 3] = ["loop_executor_worker", "--nocapture", "--quiet"];

/// Ends a process that was started as a worker and goes another way.
pub(crate) fn refuse_to_be_more_than_a_worker() {
    if let Some(mut socket) = sys::worker_socket() {
        let _ = socket.write_all(&wire::message(wire::NOT_A_WORKER, 0, &()));
        eprintln!(
            "this process was started as a worker of a process pool, and makes a pool of its own instead: call \
             `worker_main()` in the first line of `main`"
        );
        std::process::exit(1);
    }
}

struct Worker {
    socket: UnixStream,
    decoder: Decoder,
    max_frame_bytes: usize,
}

/// How much room is kept for the next answer.
const MAX_SPARE_BYTES: usize = 16 << 20;

impl Worker {
    fn start(mut socket: UnixStream) -> io::Result<Self> {
        sys::empty_input()?;
        sys::die_with_parent();
        remote_panic::remember();
        end_with(socket.try_clone()?)?;

        let mut decoder = Decoder::new(wire::SMALL_BYTES);
        let welcome: Welcome = loop {
            match decoder.next().map_err(io::Error::other)? {
                Some(frame) if frame.kind == wire::WELCOME => {
                    break wire::decode(frame.payload).map_err(io::Error::other)?;
                }
                Some(_) => return Err(io::Error::other("the pool does not begin with a welcome")),
                None => read(&mut decoder, &mut socket)?
                    .then_some(())
                    .ok_or(io::ErrorKind::UnexpectedEof)?,
            }
        };
        let hello = Hello {
            protocol: wire::PROTOCOL,
            pid: std::process::id(),
        };
        socket.write_all(&wire::message(wire::HELLO, 0, &hello))?;
        if welcome.protocol != wire::PROTOCOL {
            return Err(io::Error::other("the pool is of another version"));
        }
        let max_frame_bytes = usize::try_from(welcome.max_frame_bytes).unwrap_or(usize::MAX);
        decoder.set_limit(max_frame_bytes.max(wire::SMALL_BYTES));
        Ok(Worker {
            socket,
            decoder,
            max_frame_bytes,
        })
    }

    /// Answers calls until there are no more.
    fn serve(mut self) -> io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            while let Some(call) = self.decoder.next().map_err(io::Error::other)? {
                answer(&mut buffer, &call, self.max_frame_bytes);
                self.socket.write_all(&buffer)?;
                // The room of an answer of middling size is kept for the next one.
                buffer.clear();
                buffer.shrink_to(MAX_SPARE_BYTES);
            }
            if !read(&mut self.decoder, &mut self.socket)? {
                return Ok(());
            }
        }
    }
}

/// Makes the call, and the frame that tells what came of it.
fn answer(buffer: &mut Vec<u8>, call: &Frame<'_>, limit: usize) {
    frame::open(buffer);
    let many = call.kind == wire::CHUNK;
    let done = match wire::split_call(call.payload) {
        Some((name, arguments)) => function::run(name, many, arguments, buffer, limit),
        None => Err(Failure::DecodeArguments("the call is cut off".to_owned())),
    };
    let mut failure = match done {
        // No chunk is empty, and hardly a value is encoded as nothing.
        Ok(()) if buffer.len() > frame::HEADER_BYTES => {
            return frame::seal(buffer, wire::DONE, call.job);
        }
        Ok(()) => Failure::EncodeResult("it is encoded as nothing".to_owned()),
        Err(failure) => failure,
    };
    let limit = limit.max(wire::SMALL_BYTES);
    frame::open(buffer);
    if wire::encode(buffer, limit, &failure).is_err() {
        // A panic far from home, or one with a text beyond all measure.
        if let Failure::Panicked {
            message, backtrace, ..
        } = &mut failure
        {
            backtrace.clear();
            message.truncate(message.floor_char_boundary(wire::SMALL_BYTES / 4));
        }
        frame::open(buffer);
        let shortened = wire::encode(buffer, limit, &failure);
        if shortened.is_err() {
            frame::open(buffer);
            let failure = Failure::ResultTooLarge(limit as u64 + 1);
            wire::encode(buffer, limit, &failure).expect("a number is small");
        }
    }
    frame::seal(buffer, wire::FAILED, call.job);
}

/// Reads once; `false` at the end.
fn read(decoder: &mut Decoder, socket: &mut impl Read) -> io::Result<bool> {
    loop {
        match decoder.fill(socket) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(false),
            Err(error) => return Err(error),
            Ok(bytes) => return Ok(bytes > 0),
        }
    }
}

/// Ends this process when the pool's end of the socket is gone, whatever the job at hand does.
fn end_with(socket: UnixStream) -> io::Result<()> {
    let watch = move || {
        sys::wait_for_hangup(&socket);
        sys::kill_self()
    };
    std::thread::Builder::new()
        .name("loop_executor_parent".to_owned())
        .stack_size(64 << 10)
        .spawn(watch)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Shutdown;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    crate::process_fn! {
        fn add(a: u32, b: u32) -> u32 {
            a.wrapping_add(b)
        }

        fn describe(texts: Vec<String>, table: BTreeMap<u64, Vec<f64>>, flag: Option<bool>) -> usize {
            texts.len() + table.len() + usize::from(flag.is_some())
        }
    }

    const LIMIT: usize = 10_000;

    /// Gives the bytes to a worker, and its answers as (kind, job) with how it ended. What is
    /// larger than the socket would need somebody who reads meanwhile.
    fn serve(bytes: &[u8]) -> (Vec<(u32, u64)>, io::Result<()>) {
        let (mut pool, socket) = UnixStream::pair().unwrap();
        pool.write_all(bytes).unwrap();
        pool.shutdown(Shutdown::Write).unwrap();
        let worker = Worker {
            socket,
            decoder: Decoder::new(LIMIT),
            max_frame_bytes: LIMIT,
        };
        let end = worker.serve();
        let mut answers = Vec::new();
        let mut decoder = Decoder::new(LIMIT.max(wire::SMALL_BYTES));
        loop {
            while let Some(frame) = decoder.next().expect("a worker writes frames") {
                answers.push((frame.kind, frame.job));
            }
            if !read(&mut decoder, &mut pool).unwrap() {
                assert!(!decoder.is_inside_frame(), "a worker writes whole frames");
                return (answers, end);
            }
        }
    }

    fn frame_of(kind: u32, job: u64, payload: &[u8]) -> Vec<u8> {
        let mut buffer = Vec::new();
        frame::open(&mut buffer);
        buffer.extend_from_slice(payload);
        frame::seal(&mut buffer, kind, job);
        buffer
    }

    fn call(job: u64) -> Vec<u8> {
        let mut frame = wire::open_call(add::job(1, 2).name());
        frame.extend(add::job(1, 2).encode().unwrap());
        frame::seal(&mut frame, wire::CALL, job);
        frame
    }

    /// Arguments as they come from a pool that knows other types, or that has lost its mind.
    fn payloads() -> impl Strategy<Value = Vec<u8>> {
        let names = prop_oneof![
            Just(add::job(0, 0).name()),
            Just(<describe as crate::ProcessFn>::NAME),
            Just("no::such::function"),
        ];
        let named = (names, vec(any::<u8>(), 0..60)).prop_map(|(name, arguments)| {
            let mut payload = wire::open_call(name).split_off(frame::HEADER_BYTES);
            payload.extend(arguments);
            payload
        });
        prop_oneof![3 => named, 1 => vec(any::<u8>(), 1..60)]
    }

    proptest! {
        #![proptest_config(frame::tests::cases(1_000))]

        #[test]
        fn every_frame_has_one_answer_whatever_is_in_it(
            frames in vec((any::<bool>(), payloads()), 1..8),
        ) {
            let mut bytes = Vec::new();
            for (job, (many, payload)) in frames.iter().enumerate() {
                let kind = if *many { wire::CHUNK } else { wire::CALL };
                bytes.extend(frame_of(kind, job as u64, payload));
            }
            bytes.extend(call(99));
            let (answers, end) = serve(&bytes);
            end.unwrap();
            prop_assert!(answers.iter().take(frames.len()).map(|(_, job)| *job).eq(0..frames.len() as u64));
            prop_assert_eq!(answers.last(), Some(&(wire::DONE, 99)), "it lives on");
            prop_assert_eq!(answers.len(), frames.len() + 1);
        }

        #[test]
        fn what_is_garbled_ends_the_worker_and_is_never_run(
            calls in 1..6_u64, at in any::<usize>(), garble in vec(any::<u8>(), 0..50), cut in any::<bool>(),
        ) {
            let whole: Vec<u8> = (0..calls).flat_map(call).collect();
            let at = at % whole.len();
            let mut bytes = whole[..at].to_vec();
            bytes.extend_from_slice(&garble);
            if !cut {
                bytes.extend_from_slice(&whole[(at + garble.len()).min(whole.len())..]);
            }
            let intact = bytes.iter().zip(&whole).take_while(|(is, was)| is == was).count();
            // How it ends is its own affair: a length that is wrong may make it wait for more.
            let (answers, _) = serve(&bytes);
            // Those calls are answered of which every byte is as it was, and none else.
            let intact = intact as u64 / call(0).len() as u64;
            prop_assert!(answers.iter().copied().eq((0..intact).map(|job| (wire::DONE, job))));
        }
    }

    #[test]
    fn lengths_that_are_only_claimed_make_no_room() {
        // Arrays, maps, strings and bytes of 2^32 - 1 elements, of which none comes.
        for claim in [0xdd, 0xdf, 0xdb, 0xc6] {
            let mut payload = wire::open_call(<describe as crate::ProcessFn>::NAME);
            payload.extend([0x93, claim, 0xff, 0xff, 0xff, 0xff]);
            frame::seal(&mut payload, wire::CALL, 5);
            let (answers, end) = serve(&payload);
            end.unwrap();
            assert_eq!(answers, [(wire::FAILED, 5)]);
        }
    }
}
