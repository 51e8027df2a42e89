//! Owns the JSON schema of `hob.toml`, as editors take it. It is derived from what the file is read into.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use serde_json::Value;

use super::{Config, File};

impl Config {
    /// The schema of the file (JSON Schema 2020-12), as text.
    ///
    /// # Panics
    /// Never: a schema has a text.
    pub fn schema() -> String {
        let settings = SchemaSettings::draft2020_12().with_transform(without_null);
        let schema = settings.into_generator().into_root_schema_for::<File>();
        let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
        text + "\n"
    }
}

/// TOML has no null: what may be left out is left out.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = &kinds[..] {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(only)] = &choices[..] {
            let only = only.clone();
            schema.remove("anyOf");
            only.into_iter().for_each(|(key, value)| drop(schema.insert(key, value)));
        }
    }
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    transform_subschemas(&mut without_null, schema);
}
