//! What reads give: limits, separators, ends, and what a cancelled one leaves.

use std::cell::RefCell;
use std::rc::Rc;

use loop_net::{ReadError, StreamOptions, StreamReader, UnixStream};
use loop_tasks::{create_task, yield_now};

use crate::{pair, run};

fn limit_of(error: ReadError) -> (usize, bool) {
    match error {
        ReadError::Limit(error) => (error.consumed, error.found),
        other => panic!("{other:?}"),
    }
}

fn partial_of(error: ReadError) -> (Vec<u8>, Option<usize>) {
    match error {
        ReadError::Incomplete(error) => (error.partial, error.expected),
        other => panic!("{other:?}"),
    }
}

/// As `StreamReader.readline` of CPython: what is too long is dropped, up to the end of the line if that is known.
#[test]
fn a_line_above_the_limit_is_dropped() {
    run(async {
        let (near, far) = UnixStream::pair().unwrap();
        let (mut reader, _writer) = StreamOptions::new().limit(3).streams_over(near).unwrap();
        far.write_all(b"li\nline1\nline2\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"li\n");
        let error = reader.readline().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "Separator is found, but chunk is longer than limit"
        );
        assert_eq!(limit_of(error), (5, true));
        assert_eq!(reader.buffer(), b"line2\n");
        assert_eq!(limit_of(reader.readline().await.unwrap_err()), (5, true));
        far.write_all(b"endless").await.unwrap();
        let error = reader.readline().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "Separator is not found, and chunk exceed the limit"
        );
        assert_eq!(limit_of(error), (7, false));
        assert_eq!(reader.buffer(), b"");
    });
}

#[test]
fn a_line_of_exactly_the_limit_is_a_line() {
    run(async {
        let (near, far) = UnixStream::pair().unwrap();
        let (mut reader, _writer) = StreamOptions::new().limit(5).streams_over(near).unwrap();
        for part in [&b"12345"[..], b"\n", b"123", b"45\n"] {
            far.write_all(part).await.unwrap();
        }
        assert_eq!(reader.readline().await.unwrap(), b"12345\n");
        assert_eq!(reader.readline().await.unwrap(), b"12345\n");
    });
}

/// A separator that comes in two parts is found, and what came before it is searched once.
#[test]
fn separators_are_found_wherever_they_are_cut() {
    run(async {
        let text = b"one--two-three---four--";
        for cut in 0..text.len() {
            let (mut reader, _writer, far) = pair();
            let writing = create_task(async move {
                far.write_all(&text[..cut]).await.unwrap();
                yield_now().await;
                yield_now().await;
                far.write_all(&text[cut..]).await.unwrap();
                far
            });
            let mut parts = Vec::new();
            for _ in 0..3 {
                let part = reader.readuntil(b"--").await.unwrap();
                parts.push(String::from_utf8(part).unwrap());
            }
            assert_eq!(parts, ["one--", "two-three--", "-four--"]);
            drop(writing.await.unwrap());
            let (partial, expected) = partial_of(reader.readuntil(b"--").await.unwrap_err());
            assert_eq!((partial, expected), (Vec::new(), None));
        }
    });
}

/// As CPython: of several separators, the one that ends first.
#[test]
fn the_separator_that_ends_first_wins() {
    run(async {
        let (mut reader, _writer, far) = pair();
        far.write_all(b"aaAbbBcc").await.unwrap();
        assert_eq!(reader.readuntil_any(&[b"bB", b"aA"]).await.unwrap(), b"aaA");
        assert_eq!(reader.readuntil_any(&[b"bbB", b"b"]).await.unwrap(), b"b");
        assert_eq!(reader.readuntil_any(&[b"B", b"bB"]).await.unwrap(), b"bB");
        drop(far);
        let error = reader.readuntil_any(&[b"x", b"ccc"]).await.unwrap_err();
        assert_eq!(partial_of(error).0, b"cc");
    });
}

#[test]
fn an_end_gives_what_there_is() {
    run(async {
        let (mut reader, _writer, far) = pair();
        far.write_all(b"abc").await.unwrap();
        drop(far);
        let error = reader.readexactly(5).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "3 bytes read on a total of 5 expected bytes"
        );
        assert_eq!(partial_of(error), (b"abc".to_vec(), Some(5)));
        assert!(reader.at_eof());
        assert_eq!(reader.readexactly(0).await.unwrap(), b"");
        assert_eq!(reader.readline().await.unwrap(), b"");
        assert_eq!(reader.read(9).await.unwrap(), b"");
        assert_eq!(reader.read_all().await.unwrap(), b"");
    });
}

/// Whatever is cancelled, wherever: what was read stays.
#[test]
fn cancelled_reads_lose_no_byte() {
    run(async {
        let (reader, _writer, far) = pair();
        let reader = Rc::new(RefCell::new(Some(reader)));
        let writing = create_task(async move {
            for number in 0..300u32 {
                far.write_all(format!("{number}").as_bytes()).await.unwrap();
                yield_now().await;
                far.write_all(b"\n").await.unwrap();
            }
        });
        let lines = Rc::new(RefCell::new(Vec::new()));
        let mut patience = 0;
        while lines.borrow().len() < 300 {
            /// Puts the reader back when the task is cancelled.
            struct Back(Rc<RefCell<Option<StreamReader>>>, Option<StreamReader>);
            impl Drop for Back {
                fn drop(&mut self) {
                    self.0.replace(self.1.take());
                }
            }
            let task = create_task({
                let mut reader = Back(Rc::clone(&reader), reader.take());
                let lines = Rc::clone(&lines);
                async move {
                    let reader = reader.1.as_mut().unwrap();
                    while lines.borrow().len() < 300 {
                        let number = lines.borrow().len();
                        let line = match number % 3 {
                            0 => reader.readline().await.unwrap(),
                            1 => reader.readuntil(b"\n").await.unwrap(),
                            _ => {
                                let length = number.to_string().len() + 1;
                                reader.readexactly(length).await.unwrap()
                            }
                        };
                        lines.borrow_mut().push(line);
                    }
                }
            });
            patience = (patience + 1) % 4;
            for _ in 0..=patience {
                yield_now().await;
            }
            task.cancel();
            assert!(task.await.is_err() || lines.borrow().len() == 300);
        }
        for (number, line) in lines.borrow().iter().enumerate() {
            assert_eq!(*line, format!("{number}\n").into_bytes());
        }
        writing.await.unwrap();
    });
}
