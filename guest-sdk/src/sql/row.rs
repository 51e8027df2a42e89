//! A row of a result.

use std::rc::Rc;

use super::{Error, FromValue, Value, treaty};

/// A row of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    columns: Rc<[String]>,
    values: Vec<Value>,
}

/// All rows of a result, which share the names of their columns.
pub(super) fn rows(treaty::Rows { columns, rows }: treaty::Rows) -> Vec<Row> {
    let columns: Rc<[String]> = columns.into();
    rows.into_iter().map(|values| Row::new(columns.clone(), values)).collect()
}

impl Row {
    pub(super) fn new(columns: Rc<[String]>, values: Vec<treaty::Value>) -> Row {
        Row { columns, values: values.into_iter().map(Value::from_treaty).collect() }
    }

    /// The value of a column, by its name or its place, as a type of Rust.
    ///
    /// ```no_run
    /// # use hob_sdk::sql::{Error, Row};
    /// # fn example(row: &Row) -> Result<(), Error> {
    /// let id: i64 = row.get("id")?;
    /// let title = row.get::<Option<String>>(1)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] when there is no such column, [`Error::Mismatch`] when its value is of
    /// another type.
    pub fn get<T: FromValue>(&self, column: impl Column) -> Result<T, Error> {
        let value = column.place(&self.columns).and_then(|place| self.values.get(place));
        let value = value.ok_or_else(|| Error::Invalid(format!("no column {column:?}")))?;
        T::from_value(value)
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The values, in the order of the columns.
    ///
    /// ```no_run
    /// # use hob_sdk::sql::{Row, Value};
    /// # fn example(row: &Row) {
    /// let nulls = row.values().iter().filter(|value| **value == Value::Null).count();
    /// # }
    /// ```
    pub fn values(&self) -> &[Value] {
        &self.values
    }
}

/// How a column is named: by its name, or by its place, from 0 on.
pub trait Column: core::fmt::Debug {
    /// Its place.
    fn place(&self, columns: &[String]) -> Option<usize>;
}

impl Column for usize {
    fn place(&self, _: &[String]) -> Option<usize> {
        Some(*self)
    }
}

impl Column for &str {
    fn place(&self, columns: &[String]) -> Option<usize> {
        columns.iter().position(|name| name == self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_name_and_by_place() {
        let columns: Rc<[String]> = ["id", "title"].map(str::to_owned).into();
        let values = vec![treaty::Value::Integer(7), treaty::Value::Null];
        let row = Row::new(columns, values);
        assert_eq!(row.get::<i64>("id"), Ok(7));
        assert_eq!(row.get::<u8>(0), Ok(7));
        assert_eq!(row.get::<Option<String>>("title"), Ok(None));
        assert!(matches!(row.get::<String>("title"), Err(Error::Mismatch(_))));
        assert!(matches!(row.get::<i64>("no"), Err(Error::Invalid(_))));
        assert!(matches!(row.get::<i64>(2), Err(Error::Invalid(_))));
    }
}
