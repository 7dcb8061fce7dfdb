//! Frames: how messages lie in the stream between a pool and its worker.
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | a magic word |
//! | 4 | the kind of message |
//! | 8 | the number of the job |
//! | 8 | the length of the payload, which is never 0 |
//! | 8 | a checksum over all the rest |
//! | ... | the payload |
//!
//! Numbers are little-endian. A stream that is not made of frames is given up, never searched for
//! the next one: whoever wrote into it may have written anything. The checksum is there for the
//! same reason. Nobody flips bits in a socket, but what a bug has written into it must not be
//! taken for somebody's result.

use std::fmt;
use std::io::{self, Read};

/// What lies before a payload.
pub(crate) const HEADER_BYTES: usize = 32;

const MAGIC: [u8; 4] = *b"lxf1";

/// How much of a payload is made room for before any of it has come. A header may claim anything.
const STEP_BYTES: usize = 64 << 10;

/// After how many times without a large frame the room of the last one is given back.
const MAX_IDLE: u32 = 64;

/// A message as it came. The payload is part of the decoder's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u32,
    pub(crate) job: u64,
    pub(crate) payload: &'a [u8],
}

/// Why what came is no frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FrameError {
    Magic([u8; 4]),
    Empty,
    TooLarge { len: u64, limit: usize },
    Checksum,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::Magic(bytes) => {
                write!(f, "a frame begins with \"{}\"", bytes.escape_ascii())
            }
            FrameError::Empty => f.write_str("a frame without a payload"),
            FrameError::TooLarge { len, limit } => {
                write!(f, "a frame of {len} bytes, where {limit} are allowed")
            }
            FrameError::Checksum => f.write_str("a frame whose checksum is wrong"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Starts a frame: room for the header, to be filled in by [`seal`] when the payload is there.
pub(crate) fn open(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.resize(HEADER_BYTES, 0);
}

/// Fills in the header of a buffer that holds a payload behind the room for one.
pub(crate) fn seal(buffer: &mut [u8], kind: u32, job: u64) {
    let (header, payload) = buffer.split_at_mut(HEADER_BYTES);
    debug_assert!(!payload.is_empty(), "a frame has a payload");
    header[0..4].copy_from_slice(&MAGIC);
    header[4..8].copy_from_slice(&kind.to_le_bytes());
    header[8..16].copy_from_slice(&job.to_le_bytes());
    header[16..24].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    let sum = Sum::default().finish(payload, &header[..24]);
    header[24..32].copy_from_slice(&sum.to_le_bytes());
}

/// Takes the frames out of a stream of bytes, however it is cut.
pub(crate) struct Decoder {
    limit: usize,
    buffer: Vec<u8>,
    /// Where the next frame begins: what lies before has been given out.
    start: usize,
    /// The sum over what has come of its payload.
    sum: Sum,
    /// Where bytes are read to whose number nobody knows yet.
    scratch: Box<[u8]>,
    /// How many times in a row the buffer was empty and had not been used for much.
    idle: u32,
}

impl Decoder {
    /// Makes a decoder that refuses payloads of more than `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Decoder {
            limit,
            buffer: Vec::new(),
            start: 0,
            sum: Sum::default(),
            scratch: vec![0; STEP_BYTES].into(),
            idle: 0,
        }
    }

    /// Sets another limit, from the next frame on.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Reads once from `source`; 0 is its end.
    ///
    /// A large payload is read to where it will be looked at. Then this reads as long as there is
    /// something, and never beyond its end.
    pub(crate) fn fill(&mut self, source: &mut impl Read) -> io::Result<usize> {
        self.make_room();
        let missing = self.missing().min(self.growth());
        if missing < STEP_BYTES {
            let read = source.read(&mut self.scratch)?;
            self.buffer.extend_from_slice(&self.scratch[..read]);
            return Ok(read);
        }
        self.buffer.reserve_exact(missing);
        let before = self.buffer.len();
        match source.take(missing as u64).read_to_end(&mut self.buffer) {
            // What came before the source ran dry has been kept.
            Err(_) if self.buffer.len() > before => {}
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        // Now it is in the processor's caches; when the frame is complete it will not be.
        if let Some(payload) = self.buffer.get(self.start + HEADER_BYTES..) {
            self.sum.advance(payload);
        }
        Ok(self.buffer.len() - before)
    }

    /// The next frame, if all of it is there.
    pub(crate) fn next(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        let Some(header) = self.header()? else {
            return Ok(None);
        };
        let payload = self.start + HEADER_BYTES;
        let Some(end) = payload
            .checked_add(header.len)
            .filter(|end| *end <= self.buffer.len())
        else {
            return Ok(None);
        };
        let summed = &self.buffer[self.start..self.start + 24];
        let sum = std::mem::take(&mut self.sum);
        if sum.finish(&self.buffer[payload..end], summed) != header.sum {
            return Err(FrameError::Checksum);
        }
        self.start = end;
        Ok(Some(Frame {
            kind: header.kind,
            job: header.job,
            payload: &self.buffer[payload..end],
        }))
    }

    /// Whether a frame has begun and not ended.
    pub(crate) fn is_inside_frame(&self) -> bool {
        self.start < self.buffer.len()
    }

    fn header(&self) -> Result<Option<Header>, FrameError> {
        let come = &self.buffer[self.start..];
        let magic = come.len().min(MAGIC.len());
        if come[..magic] != MAGIC[..magic] {
            let mut bytes = [0; 4];
            bytes[..magic].copy_from_slice(&come[..magic]);
            return Err(FrameError::Magic(bytes));
        }
        let Some(header) = come.first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let long = |at: usize| {
            let bytes = header[at..].first_chunk().expect("the header is so long");
            u64::from_le_bytes(*bytes)
        };
        let kind = header[4..].first_chunk().expect("the header is so long");
        let limit = self.limit;
        match long(16) {
            0 => Err(FrameError::Empty),
            len if len > limit as u64 => Err(FrameError::TooLarge { len, limit }),
            len => Ok(Some(Header {
                kind: u32::from_le_bytes(*kind),
                job: long(8),
                len: len as usize,
                sum: long(24),
            })),
        }
    }

    /// How many bytes the frame at hand lacks, as far as is known.
    fn missing(&self) -> usize {
        match self.header() {
            Ok(Some(header)) => {
                (HEADER_BYTES + header.len).saturating_sub(self.buffer.len() - self.start)
            }
            _ => 0,
        }
    }

    /// How much the buffer may grow at once: as much as has come, and a step.
    fn growth(&self) -> usize {
        self.buffer.len() - self.start + STEP_BYTES
    }

    /// Forgets what has been given out. The room of large frames is kept for the next one, unless
    /// there was none for a while: making room is half of what a large frame costs.
    fn make_room(&mut self) {
        if self.start == self.buffer.len() {
            if self.buffer.len() > 2 * STEP_BYTES {
                self.idle = 0;
            } else if self.buffer.capacity() > 2 * STEP_BYTES {
                self.idle += 1;
                if self.idle > MAX_IDLE {
                    self.buffer = Vec::new();
                    self.idle = 0;
                }
            }
            self.buffer.clear();
        } else if self.start > 0 {
            self.buffer.drain(..self.start);
        }
        self.start = 0;
    }
}

struct Header {
    kind: u32,
    job: u64,
    len: usize,
    sum: u64,
}

/// A checksum that is quick: four sums side by side, so that the processor need not wait for one
/// multiplication before it begins the next. Every change within eight bytes changes it for
/// certain, since each step can be undone; others go unseen once in 2^64.
struct Sum {
    sums: [u64; 4],
    /// How much of the payload is in it.
    summed: usize,
}

impl Default for Sum {
    fn default() -> Self {
        Sum {
            sums: [1, 2, 3, 4],
            summed: 0,
        }
    }
}

impl Sum {
    /// Adds what has come of the payload since the last time, in blocks.
    fn advance(&mut self, payload: &[u8]) {
        let (blocks, _) = payload[self.summed..].as_chunks::<32>();
        for block in blocks {
            let (words, _) = block.as_chunks::<8>();
            for (sum, word) in self.sums.iter_mut().zip(words) {
                *sum = step(*sum, u64::from_le_bytes(*word));
            }
        }
        self.summed += 32 * blocks.len();
    }

    /// Adds the rest, and the header.
    fn finish(mut self, payload: &[u8], header: &[u8]) -> u64 {
        self.advance(payload);
        let word = |bytes: &[u8]| {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(word)
        };
        let rest = payload[self.summed..].chunks(8).chain(header.chunks(8));
        rest.map(word).chain(self.sums).fold(0, step)
    }
}

fn step(sum: u64, word: u64) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    (sum.rotate_left(23) ^ word).wrapping_mul(ODD)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// So many cases, or as many as `PROPTEST_CASES` says.
    pub(crate) fn cases(cases: u32) -> ProptestConfig {
        match std::env::var_os("PROPTEST_CASES") {
            Some(_) => ProptestConfig::default(),
            None => ProptestConfig::with_cases(cases),
        }
    }

    const LIMIT: usize = 300_000;

    /// Gives out its bytes in pieces of the given lengths, and is never ready in between.
    struct Pieces<'a> {
        bytes: &'a [u8],
        cuts: Vec<usize>,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let cut = self.cuts.pop().unwrap_or(usize::MAX);
            if cut == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let len = cut.min(buffer.len()).min(self.bytes.len());
            let (now, later) = self.bytes.split_at(len);
            buffer[..len].copy_from_slice(now);
            self.bytes = later;
            Ok(len)
        }
    }

    type Message = (u32, u64, Vec<u8>);

    fn stream(messages: &[Message]) -> Vec<u8> {
        let mut stream = Vec::new();
        for (kind, job, payload) in messages {
            let mut frame = Vec::new();
            open(&mut frame);
            frame.extend_from_slice(payload);
            seal(&mut frame, *kind, *job);
            stream.append(&mut frame);
        }
        stream
    }

    /// What a decoder makes of a stream: the frames, and how it ended.
    fn decode(bytes: &[u8], cuts: Vec<usize>) -> (Vec<Message>, Result<bool, FrameError>) {
        let mut source = Pieces { bytes, cuts };
        let mut decoder = Decoder::new(LIMIT);
        let mut messages = Vec::new();
        loop {
            match decoder.next() {
                Ok(Some(frame)) => messages.push((frame.kind, frame.job, frame.payload.to_vec())),
                Ok(None) => {
                    match decoder.fill(&mut source) {
                        Ok(0) => return (messages, Ok(decoder.is_inside_frame())),
                        Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                        Ok(_) => {}
                    }
                    // What has come, as much again, and a step: however large the claim.
                    let come = bytes.len() - source.bytes.len();
                    assert!(decoder.buffer.capacity() <= 4 * STEP_BYTES.max(come));
                }
                Err(error) => return (messages, Err(error)),
            }
        }
    }

    fn messages(least: usize) -> impl Strategy<Value = Vec<Message>> {
        let payload = prop_oneof![
            9 => vec(any::<u8>(), 1..300),
            1 => (any::<u8>(), 60_000..200_000_usize).prop_map(|(byte, len)| std::vec![byte; len]),
        ];
        vec((any::<u32>(), any::<u64>(), payload), least..6)
    }

    /// Lengths of pieces; a 0 is a moment at which nothing is there.
    fn cuts() -> impl Strategy<Value = Vec<usize>> {
        prop_oneof![
            vec(0..3_usize, 0..2_000),
            vec(0..70_000_usize, 0..50),
            Just(std::vec![]),
        ]
    }

    proptest! {
        #![proptest_config(cases(500))]

        #[test]
        fn what_was_sent_comes_however_it_is_cut(messages in messages(0), cuts in cuts()) {
            let (come, end) = decode(&stream(&messages), cuts);
            prop_assert_eq!(come, messages);
            prop_assert_eq!(end, Ok(false));
        }

        #[test]
        fn of_what_is_cut_off_nothing_comes(messages in messages(0), cuts in cuts(), at in any::<usize>()) {
            let whole = stream(&messages);
            let cut = at % (whole.len() + 1);
            let (come, end) = decode(&whole[..cut], cuts);
            prop_assert!(messages.starts_with(&come));
            let boundary = stream(&come).len() == cut;
            prop_assert_eq!(end, Ok(!boundary));
        }

        #[test]
        fn a_flipped_bit_is_never_a_message(
            messages in messages(1), at in any::<usize>(), bit in 0..8_u32,
        ) {
            let mut bytes = stream(&messages);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let (come, _) = decode(&bytes, std::vec![]);
            prop_assert!(messages.starts_with(&come));
            prop_assert!(stream(&come).len() <= at, "the frame with the flipped bit came");
        }
    }

    proptest! {
        #![proptest_config(cases(10_000))]

        #[test]
        fn any_bytes_are_an_error_or_an_unfinished_frame(bytes in vec(any::<u8>(), 1..200)) {
            let (come, end) = decode(&bytes, std::vec![]);
            prop_assert!(come.is_empty());
            prop_assert_ne!(end, Ok(false));
        }
    }

    #[test]
    fn every_bit_of_a_small_stream_counts() {
        let messages = [(1, 2, b"abc".to_vec()), (3, 4, b"d".to_vec())];
        let whole = stream(&messages);
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                let (come, end) = decode(&bytes, vec![]);
                assert!(messages.starts_with(&come) && come.len() < 2);
                assert_ne!(end, Ok(false));
            }
        }
    }

    #[test]
    fn a_claim_is_judged_before_anything_is_allocated() {
        for len in [LIMIT as u64 + 1, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = stream(&[(1, 2, vec![7])]);
            bytes[16..24].copy_from_slice(&len.to_le_bytes());
            let (_, end) = decode(&bytes, vec![]);
            assert_eq!(end, Err(FrameError::TooLarge { len, limit: LIMIT }));
        }
        let mut bytes = stream(&[(1, 2, vec![7])]);
        bytes[16..24].copy_from_slice(&[0; 8]);
        assert_eq!(decode(&bytes, vec![]).1, Err(FrameError::Empty));
    }

    #[test]
    fn a_frame_may_be_as_large_as_the_limit() {
        for len in [LIMIT - 1, LIMIT] {
            let messages = [(1, 2, vec![7; len])];
            assert_eq!(decode(&stream(&messages), vec![]).0, messages);
        }
    }

    #[test]
    fn room_is_made_as_bytes_come_not_as_a_header_claims() {
        let mut bytes = stream(&[(1, 2, vec![7; LIMIT])]);
        bytes.truncate(HEADER_BYTES + 10);
        let mut decoder = Decoder::new(LIMIT);
        let mut source = &bytes[..];
        while decoder.fill(&mut source).unwrap() > 0 {}
        assert!(decoder.buffer.capacity() <= 2 * STEP_BYTES);
    }

    #[test]
    fn the_room_of_a_large_frame_is_given_back_after_a_while() {
        let mut decoder = Decoder::new(LIMIT);
        let mut hear = |message: Message| {
            let bytes = stream(&[message]);
            let mut source = &bytes[..];
            while decoder.fill(&mut source).unwrap() > 0 {
                while decoder.next().unwrap().is_some() {}
            }
            decoder.buffer.capacity()
        };
        hear((1, 2, vec![7; LIMIT]));
        assert!(hear((1, 3, vec![8])) >= LIMIT, "kept for the next one");
        let capacities: Vec<usize> = (0..=MAX_IDLE).map(|_| hear((1, 3, vec![8]))).collect();
        assert!(*capacities.last().unwrap() <= 2 * STEP_BYTES);
    }
}
