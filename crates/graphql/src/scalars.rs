//! The three scalars of the contract.

use asof_model::{Duration as Length, Instant};
use async_graphql::{InputValueError, InputValueResult, Number, Scalar, ScalarType, Value};
use serde::Serializer;

use crate::failure::Failure;
use crate::rows::{Picked, Plain};

/// RFC 3339 instant with any UTC offset, nanosecond precision; printed in UTC with a Z.
///
/// A text that is none is kept, so that the field that it came in can be named when it is read.
#[derive(Debug, Clone)]
pub(crate) struct DateTime(Result<Instant, (String, String)>);

impl DateTime {
    pub(crate) fn read(self) -> Result<Instant, Failure> {
        self.0.map_err(|(_, why)| Failure::bad(why))
    }
}

impl From<Instant> for DateTime {
    fn from(instant: Instant) -> Self {
        Self(Ok(instant))
    }
}

/// RFC 3339 instant with any UTC offset, nanosecond precision; printed in UTC with a Z.
#[Scalar]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => {
                let read = Instant::parse(&text).map_err(|error| error.to_string());
                Ok(Self(read.map_err(|why| (text, why))))
            }
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::String(_))
    }

    fn to_value(&self) -> Value {
        Value::String(match &self.0 {
            Ok(instant) => instant.to_string(),
            Err((text, _)) => text.clone(),
        })
    }
}

impl Plain for DateTime {
    fn write<S: Serializer>(&self, _: &[Picked], to: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Ok(instant) => to.collect_str(instant),
            Err((text, _)) => to.serialize_str(text),
        }
    }
}

/// ISO 8601 duration of weeks, days, hours, minutes and seconds: PT1H, P30D. A day is 24 hours.
#[derive(Debug, Clone)]
pub(crate) struct Duration(Result<Length, (String, String)>);

impl Duration {
    pub(crate) fn read(self) -> Result<Length, Failure> {
        self.0.map_err(|(_, why)| Failure::bad(why))
    }
}

/// ISO 8601 duration of weeks, days, hours, minutes and seconds: PT1H, P30D. A day is 24 hours.
#[Scalar]
impl ScalarType for Duration {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => {
                let read = Length::parse(&text).map_err(|error| error.to_string());
                Ok(Self(read.map_err(|why| (text, why))))
            }
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::String(_))
    }

    fn to_value(&self) -> Value {
        Value::String(match &self.0 {
            Ok(length) => length.to_string(),
            Err((text, _)) => text.clone(),
        })
    }
}

/// 64-bit unsigned integer, as a JSON number; a string is taken too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Long(pub(crate) u64);

fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// 64-bit unsigned integer, as a JSON number; a string is taken too.
#[Scalar]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        match whole(&value) {
            Some(number) => Ok(Self(number)),
            None => {
                Err(InputValueError::custom("a whole number from 0 to 18446744073709551615 is asked for"))
            }
        }
    }

    fn is_valid(value: &Value) -> bool {
        whole(value).is_some()
    }

    fn to_value(&self) -> Value {
        Value::Number(Number::from(self.0))
    }
}
