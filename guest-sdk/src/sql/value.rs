//! Values, from and to types of Rust.

use super::{Error, treaty};

/// A value as a database has it.
///
/// ```
/// use hob_sdk::sql::Value;
///
/// assert_eq!(Value::from("a"), Value::Text("a".to_owned()));
/// assert_eq!(Value::from(None::<i64>), Value::Null);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing is known.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Value {
    pub(super) fn into_treaty(self) -> treaty::Value {
        match self {
            Value::Null => treaty::Value::Null,
            Value::Integer(number) => treaty::Value::Integer(number),
            Value::Real(number) => treaty::Value::Real(number),
            Value::Text(text) => treaty::Value::Text(text),
            Value::Blob(bytes) => treaty::Value::Blob(bytes),
        }
    }

    pub(super) fn from_treaty(value: treaty::Value) -> Value {
        match value {
            treaty::Value::Null => Value::Null,
            treaty::Value::Integer(number) => Value::Integer(number),
            treaty::Value::Real(number) => Value::Real(number),
            treaty::Value::Text(text) => Value::Text(text),
            treaty::Value::Blob(bytes) => Value::Blob(bytes),
        }
    }

    fn mismatch<T>(&self, wanted: &str) -> Result<T, Error> {
        let found = match self {
            Value::Null => "null",
            Value::Integer(_) => "an integer",
            Value::Real(_) => "a real",
            Value::Text(_) => "text",
            Value::Blob(_) => "a blob",
        };
        Err(Error::Mismatch(format!("{found} where {wanted} is wanted")))
    }
}

macro_rules! value_from {
    ($($given:ty => |$name:ident| $made:expr),* $(,)?) => {
        $(impl From<$given> for Value {
            fn from($name: $given) -> Value {
                $made
            }
        })*
    };
}

value_from! {
    i64 => |number| Value::Integer(number),
    i32 => |number| Value::Integer(number.into()),
    i16 => |number| Value::Integer(number.into()),
    i8 => |number| Value::Integer(number.into()),
    u32 => |number| Value::Integer(number.into()),
    u16 => |number| Value::Integer(number.into()),
    u8 => |number| Value::Integer(number.into()),
    bool => |is| Value::Integer(is.into()),
    f64 => |number| Value::Real(number),
    f32 => |number| Value::Real(number.into()),
    &str => |text| Value::Text(text.to_owned()),
    &String => |text| Value::Text(text.clone()),
    String => |text| Value::Text(text),
    &[u8] => |bytes| Value::Blob(bytes.to_owned()),
    Vec<u8> => |bytes| Value::Blob(bytes),
    &Value => |value| value.clone(),
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

/// The parameters of a statement: `()`, a tuple, an array, a vector or a slice of values.
///
/// ```
/// use hob_sdk::sql::{Parameters, Value};
///
/// assert_eq!((1, "a").into_values(), [Value::Integer(1), Value::Text("a".to_owned())]);
/// assert_eq!([1, 2].into_values().len(), 2);
/// assert_eq!(().into_values(), []);
/// ```
pub trait Parameters {
    /// The values, first to last.
    fn into_values(self) -> Vec<Value>;
}

impl Parameters for () {
    fn into_values(self) -> Vec<Value> {
        Vec::new()
    }
}

impl<T: Into<Value>, const N: usize> Parameters for [T; N] {
    fn into_values(self) -> Vec<Value> {
        self.map(Into::into).into()
    }
}

impl<T: Into<Value>> Parameters for Vec<T> {
    fn into_values(self) -> Vec<Value> {
        self.into_iter().map(Into::into).collect()
    }
}

impl Parameters for &[Value] {
    fn into_values(self) -> Vec<Value> {
        self.to_vec()
    }
}

macro_rules! parameters_of_tuples {
    ($($($name:ident)+;)*) => {
        $(impl<$($name: Into<Value>),+> Parameters for ($($name,)+) {
            #[allow(non_snake_case, reason = "the names of the types name the values too")]
            fn into_values(self) -> Vec<Value> {
                let ($($name,)+) = self;
                vec![$($name.into()),+]
            }
        })*
    };
}

parameters_of_tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
    A B C D E F G H I;
    A B C D E F G H I J;
    A B C D E F G H I J K;
    A B C D E F G H I J K L;
}

/// A type of Rust that a value can become.
///
/// ```
/// use hob_sdk::sql::{Error, FromValue, Value};
///
/// assert_eq!(bool::from_value(&Value::Integer(1)), Ok(true));
/// assert!(matches!(u8::from_value(&Value::Integer(256)), Err(Error::Mismatch(_))));
/// ```
pub trait FromValue: Sized {
    /// The value, if it can become one of these.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when it cannot.
    fn from_value(value: &Value) -> Result<Self, Error>;
}

macro_rules! integers {
    ($($name:ident)+) => {
        $(impl FromValue for $name {
            fn from_value(value: &Value) -> Result<Self, Error> {
                let number = match value {
                    Value::Integer(number) => $name::try_from(*number).ok(),
                    _ => None,
                };
                number.map_or_else(|| value.mismatch(stringify!($name)), Ok)
            }
        })+
    };
}

integers! { i64 i32 i16 i8 u64 u32 u16 u8 usize }

impl FromValue for bool {
    fn from_value(value: &Value) -> Result<Self, Error> {
        match value {
            Value::Integer(0) => Ok(false),
            Value::Integer(1) => Ok(true),
            other => other.mismatch("a truth value"),
        }
    }
}

impl FromValue for f64 {
    fn from_value(value: &Value) -> Result<Self, Error> {
        match value {
            Value::Real(number) => Ok(*number),
            Value::Integer(number) => Ok(*number as f64),
            other => other.mismatch("a number"),
        }
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Result<Self, Error> {
        match value {
            Value::Text(text) => Ok(text.clone()),
            other => other.mismatch("text"),
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: &Value) -> Result<Self, Error> {
        match value {
            Value::Blob(bytes) => Ok(bytes.clone()),
            other => other.mismatch("a blob"),
        }
    }
}

impl FromValue for Value {
    fn from_value(value: &Value) -> Result<Self, Error> {
        Ok(value.clone())
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Result<Self, Error> {
        if *value == Value::Null { Ok(None) } else { T::from_value(value).map(Some) }
    }
}
