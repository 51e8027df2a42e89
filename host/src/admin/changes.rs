//! Owns how a change of limits is read: of a key that comes twice, no one can say which value was meant.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::operation::LimitChanges;

/// A change of limits, each key once.
pub(super) struct Changes(pub(super) LimitChanges);

impl<'de> Deserialize<'de> for Changes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keys)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Changes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of limits")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Changes, M::Error> {
        let mut changes = LimitChanges::new();
        while let Some((key, value)) = map.next_entry::<String, Option<u64>>()? {
            if changes.contains_key(&key) {
                return Err(M::Error::custom(format!("`{key}` comes twice")));
            }
            changes.insert(key, value);
        }
        Ok(Changes(changes))
    }
}
