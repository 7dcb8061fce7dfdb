//! What the frames say: messages, and how values become bytes.
//!
//! The pool sends calls; the worker answers each in the order in which they came, and each answer
//! before it begins with the next call. So whoever knows the answers knows which call was under
//! way when a worker died.

use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::frame;
use super::nothing::Told;

/// What this side of the pair speaks. Both sides are one executable, unless somebody replaced it
/// while the pool was running.
pub(crate) const PROTOCOL: u32 = 1;

/// What is always allowed: the greetings, and short news of failures.
pub(crate) const SMALL_BYTES: usize = 4 << 10;

/// How deep values may be nested. What comes is read by recursion, and the stack of a thread is
/// small where the compiler does not optimize.
const MAX_DEPTH: usize = 256;

/// Pool to worker: [`Welcome`], with the worker's control socket attached.
pub(crate) const WELCOME: u32 = 1;
/// Pool to worker: a call to make before anything else.
pub(crate) const INITIALIZE: u32 = 2;
/// Pool to worker: a call; name and arguments as [`split_call`] takes them apart.
pub(crate) const CALL: u32 = 3;
/// Pool to worker: many calls of one function; a name and a sequence of arguments.
pub(crate) const CHUNK: u32 = 4;
/// Worker to pool: [`Hello`], the first thing that it says.
pub(crate) const HELLO: u32 = 5;
/// Worker to pool: the result of the call, or the outcomes of the chunk, one after the other.
pub(crate) const DONE: u32 = 6;
/// Worker to pool: a [`Failure`] instead.
pub(crate) const FAILED: u32 = 7;
/// Worker to pool: this process did not call `worker_main` before it made a pool of its own.
pub(crate) const NOT_A_WORKER: u32 = 8;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Welcome {
    pub(crate) protocol: u32,
    pub(crate) max_frame_bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) protocol: u32,
    pub(crate) pid: u32,
}

/// Why a worker has no result. It lives on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Failure {
    UnknownFunction,
    DecodeArguments(String),
    Panicked {
        message: String,
        place: Option<String>,
        backtrace: String,
    },
    EncodeResult(String),
    ResultTooLarge(u64),
}

/// A value did not become bytes.
#[derive(Debug)]
pub(crate) enum EncodeError {
    /// There would be this many bytes, or more.
    TooLarge(u64),
    Serde(String),
}

/// Writes a value behind what is in the buffer; the payload must stay within `limit`.
pub(crate) fn encode<V: Serialize + ?Sized>(
    buffer: &mut Vec<u8>,
    limit: usize,
    value: &V,
) -> Result<(), EncodeError> {
    let mut payload = Payload {
        buffer,
        limit: limit.saturating_add(frame::HEADER_BYTES),
        wanted: 0,
    };
    // With the names of fields: without them, one that is skipped would move the others.
    let mut serializer = rmp_serde::Serializer::new(&mut payload).with_struct_map();
    let written = Told::new(value).serialize(&mut serializer);
    match (written, payload.wanted) {
        (Ok(()), _) => Ok(()),
        (Err(error), 0) => Err(EncodeError::Serde(error.to_string())),
        (Err(_), wanted) => Err(EncodeError::TooLarge(wanted - frame::HEADER_BYTES as u64)),
    }
}

/// Reads a value.
pub(crate) fn decode<V: DeserializeOwned>(bytes: &[u8]) -> Result<V, String> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    deserializer.set_max_depth(MAX_DEPTH);
    V::deserialize(&mut deserializer).map_err(|error| error.to_string())
}

/// Writes one of many values, with its length before it.
pub(crate) fn encode_item<V: Serialize + ?Sized>(
    buffer: &mut Vec<u8>,
    limit: usize,
    value: &V,
) -> Result<(), EncodeError> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; 8]);
    encode(buffer, limit, value).inspect_err(|_| buffer.truncate(start))?;
    let len = (buffer.len() - start - 8) as u64;
    buffer[start..start + 8].copy_from_slice(&len.to_le_bytes());
    Ok(())
}

/// Takes the bytes of one of many values; the rest stays.
pub(crate) fn split_item<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = bytes.split_first_chunk()?;
    let len = usize::try_from(u64::from_le_bytes(*len)).ok()?;
    let (item, rest) = rest.split_at_checked(len)?;
    *bytes = rest;
    Some(item)
}

/// Starts the frame of a call: the arguments are to follow.
pub(crate) fn open_call(name: &str) -> Vec<u8> {
    let mut buffer = Vec::new();
    frame::open(&mut buffer);
    let len = u16::try_from(name.len()).expect("a path of modules is not that long");
    buffer.extend_from_slice(&len.to_le_bytes());
    buffer.extend_from_slice(name.as_bytes());
    buffer
}

/// The name and the arguments in the payload of a call.
pub(crate) fn split_call(payload: &[u8]) -> Option<(&str, &[u8])> {
    let (len, rest) = payload.split_first_chunk()?;
    let (name, arguments) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    Some((std::str::from_utf8(name).ok()?, arguments))
}

/// A whole frame of a message that is never too large.
pub(crate) fn message<V: Serialize>(kind: u32, job: u64, value: &V) -> Vec<u8> {
    let mut buffer = Vec::new();
    frame::open(&mut buffer);
    encode(&mut buffer, usize::MAX, value).expect("our own messages can be encoded");
    // A frame has a payload, also where the message has none.
    if buffer.len() == frame::HEADER_BYTES {
        buffer.push(0);
    }
    frame::seal(&mut buffer, kind, job);
    buffer
}

/// The buffer of a payload. It refuses what passes the limit at once: a value that is far too large
/// must not be built just to be thrown away.
struct Payload<'a> {
    buffer: &'a mut Vec<u8>,
    limit: usize,
    /// How many bytes there would have been when it refused.
    wanted: u64,
}

impl io::Write for Payload<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let wanted = self.buffer.len().saturating_add(bytes.len());
        if wanted > self.limit {
            self.wanted = wanted as u64;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_comes_apart_as_it_was_put_together() {
        let mut buffer = open_call("crate::hash");
        encode(&mut buffer, 100, &(7_u32, "text")).unwrap();
        let (name, arguments) = split_call(&buffer[frame::HEADER_BYTES..]).unwrap();
        assert_eq!(name, "crate::hash");
        assert_eq!(decode::<(u32, String)>(arguments), Ok((7, "text".into())));
    }

    #[test]
    fn a_call_that_is_cut_off_is_none() {
        let buffer = open_call("crate::hash");
        let payload = &buffer[frame::HEADER_BYTES..];
        for end in 0..payload.len() {
            assert_eq!(split_call(&payload[..end]), None);
        }
    }

    #[test]
    fn items_come_one_after_the_other() {
        let mut buffer = Vec::new();
        for text in ["a", "", "bcd"] {
            encode_item(&mut buffer, 100, text).unwrap();
        }
        let mut rest = &buffer[..];
        for text in ["a", "", "bcd"] {
            let item = split_item(&mut rest).unwrap();
            assert_eq!(decode::<String>(item).unwrap(), text);
        }
        assert_eq!((rest.len(), split_item(&mut rest)), (0, None));
        assert_eq!(split_item(&mut &u64::MAX.to_le_bytes()[..]), None);
    }

    #[test]
    fn whatever_serde_can_do_works() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Odd {
            #[serde(skip_serializing_if = "Option::is_none", default)]
            skipped: Option<u8>,
            number: u128,
            #[serde(flatten)]
            flat: std::collections::BTreeMap<String, Tagged>,
        }
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        enum Tagged {
            Text { text: String },
            Unit,
        }
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        #[serde(untagged)]
        enum Untagged {
            Number(i64),
            Bytes(Vec<u8>),
        }
        let text = Tagged::Text { text: "a".into() };
        let flat = [("one".into(), text), ("two".into(), Tagged::Unit)];
        let odd = Odd {
            skipped: None,
            number: u128::MAX,
            flat: flat.into(),
        };
        let value = (
            odd,
            vec![Untagged::Number(-1), Untagged::Bytes(vec![0, 255])],
        );
        let mut buffer = Vec::new();
        encode(&mut buffer, 1_000, &value).unwrap();
        assert_eq!(decode::<(Odd, Vec<Untagged>)>(&buffer), Ok(value));
    }

    #[test]
    fn nesting_without_end_is_an_error() {
        #[derive(Debug, Deserialize)]
        struct Nested(#[expect(dead_code, reason = "only read")] Vec<Nested>);
        // Arrays of one element, each within the one before.
        assert!(
            decode::<Nested>(&vec![0x91; 100_000])
                .unwrap_err()
                .contains("depth")
        );
    }

    #[test]
    fn encoding_stops_at_the_limit() {
        let mut buffer = vec![0; frame::HEADER_BYTES];
        let error = encode(&mut buffer, 10, &"far too much text").unwrap_err();
        assert!(matches!(error, EncodeError::TooLarge(18..)), "{error:?}");
        let mut buffer = vec![0; frame::HEADER_BYTES];
        encode(&mut buffer, 10, &"123456789").unwrap();
        assert_eq!(buffer.len(), frame::HEADER_BYTES + 10);
    }

    #[test]
    fn a_value_that_refuses_says_why() {
        struct Refuses;
        impl Serialize for Refuses {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("not me"))
            }
        }
        let error = encode(&mut Vec::new(), 10, &Refuses).unwrap_err();
        assert!(matches!(error, EncodeError::Serde(why) if why == "not me"));
    }
}
