//! What travels: the arguments of one call, or of a chunk of them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::remote_panic;
use super::wire::EncodeError;
use crate::JobError;

/// What can travel: one call, or a chunk of them.
pub(crate) trait Content: Send + 'static {
    type Output: Send + 'static;
    const NAME: &'static str;
    const MANY: bool;
    fn encode(&self, buffer: &mut Vec<u8>, limit: usize) -> Result<(), EncodeError>;
    fn decode(result: &[u8]) -> Result<Self::Output, String>;
}

/// Content whose type is forgotten.
pub(crate) trait AnyContent: Any + Send {
    fn is_many(&self) -> bool;
    fn encode(&self, buffer: &mut Vec<u8>, limit: usize) -> Result<(), EncodeError>;
}

impl<C: Content> AnyContent for C {
    fn is_many(&self) -> bool {
        C::MANY
    }

    fn encode(&self, buffer: &mut Vec<u8>, limit: usize) -> Result<(), EncodeError> {
        Content::encode(self, buffer, limit)
    }
}

/// Encodes arguments with code of the caller's, which may fail or panic.
pub(crate) fn encode(
    name: &str,
    buffer: &mut Vec<u8>,
    limit: usize,
    write: impl FnOnce(&mut Vec<u8>, usize) -> Result<(), EncodeError>,
) -> Result<(), JobError> {
    let start = buffer.len();
    let function = name.to_owned();
    let error = match catch_unwind(AssertUnwindSafe(|| write(buffer, limit))) {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(EncodeError::TooLarge(len))) => JobError::FrameTooLarge {
            function,
            len,
            limit: limit as u64,
        },
        Ok(Err(EncodeError::Serde(message))) => JobError::Encode { function, message },
        Err(payload) => JobError::Encode {
            function,
            message: format!("panicked: {}", remote_panic::text(payload)),
        },
    };
    buffer.truncate(start);
    Err(error)
}
