//! Owns a handler's `config` and `secrets`. Secrets are read here, once; no fault says what is in one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Value;

use super::spanned::Spanned;

use super::Checker;
use crate::capabilities::{Secret, Settings};
use crate::limits;

/// Where a secret is. By hand, for the parser's own fault would show what was written instead.
pub(super) enum Source {
    File(PathBuf),
    Variable(String),
}

/// Where a handler's secrets are; none where that is no table. By hand for the same reason.
pub(super) struct Sources(Option<BTreeMap<String, Spanned<Value>>>);

/// What a person may write there.
#[derive(JsonSchema)]
#[schemars(rename = "Secret", rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) enum Written {
    /// A file, relative to the folder of hob.toml.
    File(String),
    /// A variable of the environment in which hob is started.
    Env(String),
}

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

impl Source {
    pub(super) fn of(value: &Value) -> Option<Self> {
        let mut entries = value.as_table()?.iter();
        let (key, text) = entries.next()?;
        let text = text.as_str().filter(|text| !text.is_empty())?;
        match (key.as_str(), entries.next()) {
            ("file", None) => Some(Source::File(text.into())),
            ("env", None) => Some(Source::Variable(text.to_owned())),
            _ => None,
        }
    }

    /// The secret, or what is wrong and what to do.
    pub(super) fn read(&self, folder: &Path) -> Result<String, String> {
        match self {
            Source::File(path) => {
                let path = folder.join(path);
                let shown = path.display();
                let unread = |why: &dyn std::fmt::Display| {
                    format!(
                        "cannot read {shown}: {why}; put the secret into that file, and let hob read it"
                    )
                };
                let bytes = bytes_of(&path).map_err(|error| unread(&error))?;
                let text = String::from_utf8(bytes).map_err(|_| unread(&"it is not UTF-8"))?;
                let line = text.strip_suffix('\n').unwrap_or(&text);
                Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
            }
            Source::Variable(name) => std::env::var(name).map_err(|error| {
                let why = match error {
                    std::env::VarError::NotPresent => "is not set",
                    std::env::VarError::NotUnicode(_) => "is not UTF-8",
                };
                format!("the environment variable `{name}` {why}; set it where hob is started")
            }),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "runs before the loop does")]
fn bytes_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // A device could go on for ever.
    let most = limits::SECRET_BYTES_MAX as u64 + 1;
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Checker<'_> {
    /// What a handler is told; its secrets are read.
    pub(super) fn settings(
        &mut self,
        values: BTreeMap<String, String>,
        secrets: Option<Spanned<Sources>>,
    ) -> Settings {
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
            let secret = source.read(self.folder()).and_then(|secret| match secret.len() {
                0 => Err("the secret is empty; put one there, or take the key away".to_owned()),
                length if length > limits::SECRET_BYTES_MAX => {
                    Err(format!("the secret has more than {} bytes", limits::SECRET_BYTES_MAX))
                }
                _ => Ok(secret),
            });
            match secret {
                Ok(secret) => {
                    read.insert(key, Secret::new(secret));
                }
                Err(why) => self.fault(at, &format!("`secrets.{key}`: {why}")),
            }
        }
        Settings { values, secrets: read }
    }
}
