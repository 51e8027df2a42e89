//! Owns the values of `config` and `environment`: each is written in `hob.toml`, or read from where that
//! says it is, each time the file is.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use toml::Value;

use super::Checker;
use super::source::{Source, Written};
use super::spanned::Spanned;

/// Values by their keys, as they are written.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Values(BTreeMap<String, Spanned<Value>>);

/// A value, or where it is.
#[derive(JsonSchema)]
#[schemars(rename = "Value", untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Given {
    Text(String),
    Elsewhere(Written),
}

impl JsonSchema for Values {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Values".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, Given>::json_schema(generator)
    }
}

/// What the environment of a process cannot hold.
fn check_variable(key: &str, text: &str) -> Result<(), String> {
    if key.is_empty() || key.contains(['=', '\0']) {
        return Err(format!(
            "`environment.{key}` can be no variable: its name is empty, or has `=` in it"
        ));
    }
    if text.contains('\0') {
        return Err(format!(
            "`environment.{key}` has a zero byte in it, which a variable cannot have"
        ));
    }
    Ok(())
}

impl Checker<'_> {
    /// The values of a table of this name, those from elsewhere among them.
    pub(super) fn values(&mut self, table: &str, values: Values) -> BTreeMap<String, String> {
        let mut read = BTreeMap::new();
        for (key, value) in values.0 {
            let at = value.span().start;
            let text = match value.into_inner() {
                Value::String(text) => Ok(text),
                other => Source::of(&other).map_or_else(
                    || {
                        Err(format!(
                            "`{table}.{key}` is no text; write \"text\", {{ file = \"path\" }} or \
                             {{ env = \"VARIABLE\" }}"
                        ))
                    },
                    |source| {
                        let text = source.read(self.folder(), "value");
                        text.map_err(|why| format!("`{table}.{key}`: {why}"))
                    },
                ),
            };
            let text = text.and_then(|text| match table {
                "environment" => check_variable(&key, &text).map(|()| text),
                _ => Ok(text),
            });
            match text {
                Ok(text) => _ = read.insert(key, text),
                Err(why) => self.fault(at, &why),
            }
        }
        read
    }
}
