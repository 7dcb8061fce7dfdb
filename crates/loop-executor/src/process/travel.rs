//! Values on their way: as serde has them, but for bytes.
//!
//! Serde knows bytes, and a `Vec<u8>` does not tell it that it is some: it is a sequence of numbers,
//! each written and read by itself. That costs fifty times as much as copying them. Arguments and
//! results that are a `Vec<u8>` are therefore recognized by their type. Within other types they
//! are what serde makes of them, since there a format that took the one for the other would
//! confuse untagged enums.

use std::any::{Any, TypeId};
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ProcessFn;

/// A value that leaves.
#[doc(hidden)]
#[derive(Debug)]
pub struct Leaves<'a, T>(pub &'a T);

impl<T: Serialize + 'static> Serialize for Leaves<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.0 as &dyn Any).downcast_ref::<Vec<u8>>() {
            Some(bytes) => serializer.serialize_bytes(bytes),
            None => self.0.serialize(serializer),
        }
    }
}

/// A value that has come.
#[doc(hidden)]
#[derive(Debug)]
pub struct Comes<T>(pub T);

impl<'de, T: Deserialize<'de> + 'static> Deserialize<'de> for Comes<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if TypeId::of::<T>() != TypeId::of::<Vec<u8>>() {
            return T::deserialize(deserializer).map(Comes);
        }
        let mut bytes = Some(deserializer.deserialize_byte_buf(Bytes)?);
        let value = (&mut bytes as &mut dyn Any).downcast_mut::<Option<T>>();
        Ok(Comes(
            value.and_then(Option::take).expect("they are of one type"),
        ))
    }
}

/// Reads bytes, also from those who have sent a sequence.
struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = sequence.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes)
    }
}

/// The arguments of a function that leave.
pub(crate) struct ArgsLeave<'a, F: ProcessFn>(pub(crate) &'a F::Args);

impl<F: ProcessFn> Serialize for ArgsLeave<'_, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        F::write_args(self.0, serializer)
    }
}

/// The arguments of a function that have come.
pub(crate) struct ArgsCome<F: ProcessFn>(pub(crate) F::Args);

impl<'de, F: ProcessFn> Deserialize<'de> for ArgsCome<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        F::read_args(deserializer).map(ArgsCome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::wire;

    fn there_and_back<T>(value: &T) -> (usize, T)
    where
        T: Serialize + serde::de::DeserializeOwned + 'static,
    {
        let mut buffer = Vec::new();
        wire::encode(&mut buffer, usize::MAX, &Leaves(value)).unwrap();
        (buffer.len(), wire::decode::<Comes<T>>(&buffer).unwrap().0)
    }

    #[test]
    fn bytes_travel_as_they_are() {
        for len in [0, 1, 255, 256, 70_000] {
            let bytes = vec![200_u8; len];
            let (encoded, back) = there_and_back(&bytes);
            assert_eq!(back, bytes);
            assert!(encoded <= len + 5, "{len} bytes became {encoded}");
        }
    }

    #[test]
    fn what_is_not_bytes_travels_as_serde_has_it() {
        assert_eq!(there_and_back(&vec![1_u16, 2]), (3, vec![1, 2]));
        assert_eq!(there_and_back(&"text".to_owned()), (5, "text".to_owned()));
        assert_eq!(there_and_back(&Some(vec![200_u8])), (3, Some(vec![200])));
    }

    #[test]
    fn bytes_that_came_as_a_sequence_are_bytes() {
        let mut buffer = Vec::new();
        wire::encode(&mut buffer, usize::MAX, &vec![1_u8, 200]).unwrap();
        assert_eq!(wire::decode::<Comes<Vec<u8>>>(&buffer).unwrap().0, [1, 200]);
        wire::encode(&mut buffer, usize::MAX, "text").unwrap();
        assert!(wire::decode::<Comes<Vec<u8>>>(&buffer[3..]).is_err());
    }
}
