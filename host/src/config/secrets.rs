//! Owns a handler's `config` and `secrets`. Secrets are read here, once; no fault says what is in one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Value;

use super::Checker;
use super::source::{Source, Written};
use super::spanned::Spanned;
use super::values::Values;
use crate::capabilities::{Secret, Settings};

/// Where a handler's secrets are; none where that is no table. By hand, for the parser's own fault would
/// show what was written instead.
pub(super) struct Sources(Option<BTreeMap<String, Spanned<Value>>>);

impl JsonSchema for Sources {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secrets".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, Written>::json_schema(generator)
    }
}

impl<'de> Deserialize<'de> for Sources {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tables)
    }
}

struct Tables;

impl<'de> Visitor<'de> for Tables {
    type Value = Sources;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Sources, A::Error> {
        Deserialize::deserialize(MapAccessDeserializer::new(map)).map(Some).map(Sources)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Sources, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Sources(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Sources, E> {
        Ok(Sources(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Sources, E> {
        Ok(Sources(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Sources, E> {
        Ok(Sources(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Sources, E> {
        Ok(Sources(None))
    }
}

impl Checker<'_> {
    /// What a handler is told; its secrets are read.
    pub(super) fn settings(
        &mut self,
        values: Values,
        secrets: Option<Spanned<Sources>>,
    ) -> Settings {
        let values = self.values("config", values);
        let mut read = BTreeMap::new();
        let whole = secrets.as_ref().map_or(0, |secrets| secrets.span().start);
        let secrets = secrets.map_or(Some(BTreeMap::new()), |secrets| secrets.into_inner().0);
        let secrets = secrets.unwrap_or_else(|| {
            let what = "`secrets` is not a table; write for each KEY = { file = \"path\" } or \
                        KEY = { env = \"VARIABLE\" }";
            self.fault(whole, what);
            BTreeMap::new()
        });
        for (key, value) in secrets {
            let at = value.span().start;
            if values.contains_key(&key) {
                self.fault(at, &format!("`{key}` is in `config` and in `secrets`; take one away"));
            }
            let Some(source) = Source::of(value.get_ref()) else {
                let what = format!(
                    "`secrets.{key}` does not say where the secret is; write {{ file = \"path\" }} \
                     or {{ env = \"VARIABLE\" }}"
                );
                self.fault(at, &what);
                continue;
            };
            match source.read(self.folder(), "secret") {
                Ok(secret) if secret.is_empty() => {
                    let what = "the secret is empty; put one there, or take the key away";
                    self.fault(at, &format!("`secrets.{key}`: {what}"));
                }
                Ok(secret) => {
                    read.insert(key, Secret::new(secret));
                }
                Err(why) => self.fault(at, &format!("`secrets.{key}`: {why}")),
            }
        }
        Settings { values, secrets: read }
    }
}
