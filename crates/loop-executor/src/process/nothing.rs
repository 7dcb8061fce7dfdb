//! What would arrive as something else: `Some` of nothing.
//!
//! MessagePack has one nothing, as JSON has, and writes `Some(value)` as the value alone. So `Some(())` and `Some(None)`
//! would arrive as `None`, without a word. A value on its way to the format passes through here, and is refused if it
//! holds such a thing: a job that fails is found, a value that has changed is not.

use serde::ser::{
    Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};
use serde::{Serialize, Serializer};

/// A value that is refused if it is nothing where there is said to be something.
pub(crate) struct Told<'a, T: ?Sized> {
    value: &'a T,
    /// It stands directly in a `Some`.
    in_some: bool,
}

impl<'a, T: ?Sized> Told<'a, T> {
    pub(crate) fn new(value: &'a T) -> Told<'a, T> {
        Told {
            value,
            in_some: false,
        }
    }
}

impl<T: Serialize + ?Sized> Serialize for Told<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Teller {
            format: serializer,
            in_some: self.in_some,
        })
    }
}

/// The format, with the one question asked first.
struct Teller<S> {
    format: S,
    in_some: bool,
}

impl<S: Serializer> Teller<S> {
    fn nothing(self) -> Result<S, S::Error> {
        match self.in_some {
            false => Ok(self.format),
            true => Err(S::Error::custom(
                "Some(()) or Some(None) would arrive as None: send a bool or an enum instead",
            )),
        }
    }
}

/// What is passed on as it is.
macro_rules! plain {
    ($($method:ident: $type:ty),* $(,)?) => {$(
        fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.format.$method(value)
        }
    )*};
}

/// What has parts, each of which passes through here.
macro_rules! parts {
    ($($method:ident($($name:ident: $type:ty),*) -> $parts:ident;)*) => {$(
        fn $method(self, $($name: $type),*) -> Result<Self::$parts, S::Error> {
            self.format.$method($($name),*).map(Parts)
        }
    )*};
}

impl<S: Serializer> Serializer for Teller<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Parts<S::SerializeSeq>;
    type SerializeTuple = Parts<S::SerializeTuple>;
    type SerializeTupleStruct = Parts<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Parts<S::SerializeTupleVariant>;
    type SerializeMap = Parts<S::SerializeMap>;
    type SerializeStruct = Parts<S::SerializeStruct>;
    type SerializeStructVariant = Parts<S::SerializeStructVariant>;

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.nothing()?.serialize_none()
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.nothing()?.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let in_some = true;
        self.format.serialize_some(&Told { value, in_some })
    }

    /// The format writes what it holds, and nothing of its own.
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let in_some = self.in_some;
        let value = Told { value, in_some };
        self.format.serialize_newtype_struct(name, &value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = Told::new(value);
        self.format
            .serialize_newtype_variant(name, index, variant, &value)
    }

    plain! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_i128: i128,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_u128: u128,
        serialize_f32: f32,
        serialize_f64: f64,
        serialize_char: char,
        serialize_str: &str,
        serialize_bytes: &[u8],
        serialize_unit_struct: &'static str,
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.format.serialize_unit_variant(name, index, variant)
    }

    parts! {
        serialize_seq(len: Option<usize>) -> SerializeSeq;
        serialize_tuple(len: usize) -> SerializeTuple;
        serialize_tuple_struct(name: &'static str, len: usize) -> SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize) -> SerializeTupleVariant;
        serialize_map(len: Option<usize>) -> SerializeMap;
        serialize_struct(name: &'static str, len: usize) -> SerializeStruct;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize) -> SerializeStructVariant;
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.format.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.format.is_human_readable()
    }
}

/// The parts of a value, one after the other.
struct Parts<P>(P);

macro_rules! in_order {
    ($($parts:ident: $method:ident),*) => {$(
        impl<P: $parts> $parts for Parts<P> {
            type Ok = P::Ok;
            type Error = P::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), P::Error> {
                self.0.$method(&Told::new(value))
            }

            fn end(self) -> Result<P::Ok, P::Error> {
                self.0.end()
            }
        }
    )*};
}

in_order! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
}

macro_rules! by_name {
    ($($parts:ident),*) => {$(
        impl<P: $parts> $parts for Parts<P> {
            type Ok = P::Ok;
            type Error = P::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), P::Error> {
                self.0.serialize_field(name, &Told::new(value))
            }

            fn skip_field(&mut self, name: &'static str) -> Result<(), P::Error> {
                self.0.skip_field(name)
            }

            fn end(self) -> Result<P::Ok, P::Error> {
                self.0.end()
            }
        }
    )*};
}

by_name!(SerializeStruct, SerializeStructVariant);

impl<P: SerializeMap> SerializeMap for Parts<P> {
    type Ok = P::Ok;
    type Error = P::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), P::Error> {
        self.0.serialize_key(&Told::new(key))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), P::Error> {
        self.0.serialize_value(&Told::new(value))
    }

    fn end(self) -> Result<P::Ok, P::Error> {
        self.0.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Serialize};

    use crate::process::wire::{EncodeError, decode, encode};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Unit;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Newtype<T>(T);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Choice {
        Nothing,
        One(()),
        Pair(Option<u8>, ()),
        Named { option: Option<()> },
    }

    #[track_caller]
    fn travels<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: T) {
        let mut buffer = Vec::new();
        encode(&mut buffer, usize::MAX, &value).unwrap();
        assert_eq!(decode::<T>(&buffer).unwrap(), value);
    }

    #[track_caller]
    fn is_refused<T: Serialize>(value: T) {
        let Err(EncodeError::Serde(why)) = encode(&mut Vec::new(), usize::MAX, &value) else {
            panic!("it was written");
        };
        assert!(why.starts_with("Some(()) or Some(None) would"), "{why}");
    }

    #[test]
    fn what_would_arrive_as_none_is_refused() {
        is_refused(Some(()));
        is_refused(Some(None::<u8>));
        is_refused(Some(Some(())));
        is_refused(Some(Newtype(())));
        is_refused(Newtype(Some(Newtype(None::<u8>))));
    }

    #[test]
    fn it_is_refused_wherever_it_stands() {
        is_refused(vec![None, Some(())]);
        is_refused((1, Some(())));
        is_refused(BTreeMap::from([(1, Some(()))]));
        is_refused(BTreeMap::from([(Some(()), 1)]));
        is_refused(Choice::Named { option: Some(()) });
        is_refused(Ok::<_, ()>(Some(())));
        is_refused(Some(vec![Some(())]));
    }

    #[test]
    fn every_other_nothing_travels() {
        travels(());
        travels(None::<()>);
        travels(None::<Option<u8>>);
        travels(Some(Some(1)));
        travels(Some(Unit));
        travels(Some(((), None::<u8>)));
        travels(Some(vec![None, Some(2)]));
        travels(Some(Ok::<(), ()>(())));
        travels(Some(BTreeMap::from([((), None::<()>)])));
        travels([Choice::Nothing, Choice::One(()), Choice::Pair(None, ())].map(Some));
        travels(Some(Choice::Named { option: None }));
        travels(Some(String::new()));
    }
}
