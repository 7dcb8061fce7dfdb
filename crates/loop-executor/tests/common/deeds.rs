//! Values that fail in every way that there is, at every stage of their way between processes.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a value does when its turn comes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Deed {
    Nothing,
    Error,
    Panic,
    Exit,
    Crash,
}

impl Deed {
    pub(crate) fn doit(self) -> Result<(), &'static str> {
        match self {
            Deed::Nothing => Ok(()),
            Deed::Error => Err("it does not want to"),
            Deed::Panic => panic!("it panics"),
            Deed::Exit => std::process::exit(7),
            Deed::Crash => std::process::abort(),
        }
    }
}

/// A value with one deed for its encoding and one for its decoding, and some weight.
#[derive(Debug, PartialEq)]
pub(crate) struct Value {
    pub(crate) encode: Deed,
    pub(crate) decode: Deed,
    pub(crate) ballast: String,
}

impl Value {
    pub(crate) fn new(encode: Deed, decode: Deed) -> Self {
        Value {
            encode,
            decode,
            ballast: String::new(),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.encode.doit().map_err(serde::ser::Error::custom)?;
        (self.decode, &self.ballast).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (decode, ballast): (Deed, String) = Deserialize::deserialize(deserializer)?;
        decode.doit().map_err(serde::de::Error::custom)?;
        Ok(Value {
            encode: Deed::Nothing,
            decode: Deed::Nothing,
            ballast,
        })
    }
}

pub(crate) const NOTHING: Deed = Deed::Nothing;

/// A value that does nothing.
pub(crate) fn plain() -> Value {
    Value::new(NOTHING, NOTHING)
}
