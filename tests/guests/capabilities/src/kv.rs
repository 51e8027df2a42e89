//! `hob:host/kv`.

use std::time::Duration;

use hob_sdk::kv::{self, Entry, Error};
use serde::Deserialize;

use crate::Outcome;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Arguments {
    key: String,
    ttl: Option<u64>,
    delta: i64,
    cursor: Option<String>,
    limit: u32,
    expected: Option<String>,
}

/// Of several keys there is one on each line of the body.
pub(crate) async fn call(function: &str, arguments: Arguments, body: Vec<u8>) -> Outcome {
    let Arguments { key, ttl, delta, cursor, limit, expected } = arguments;
    let keys = || String::from_utf8_lossy(&body).lines().map(str::to_owned).collect::<Vec<_>>();
    let ttl = ttl.map(Duration::from_millis);
    let nothing = |()| Vec::new();
    let expected = expected.as_deref().map(str::as_bytes);
    let result = match function {
        "get" => kv::get(key).await.map(|value| value.unwrap_or_else(|| b"none".to_vec())),
        "get-many" => kv::get_many(keys()).await.map(|values| {
            let shown = |value: Option<Vec<u8>>| value.unwrap_or_else(|| b"none".to_vec());
            values.into_iter().map(shown).collect::<Vec<_>>().join(&b'\n')
        }),
        "set" => match ttl {
            Some(ttl) => kv::set_for(key, body, ttl).await.map(nothing),
            None => kv::set(key, body).await.map(nothing),
        },
        "set-many" => {
            let entry = |key: String| Entry { value: key.clone().into_bytes(), key, ttl };
            kv::set_many(keys().into_iter().map(entry)).await.map(nothing)
        }
        "delete" => kv::delete_many(keys()).await.map(|count| count.to_string().into_bytes()),
        "exists" => kv::exists(key).await.map(|is| is.to_string().into_bytes()),
        "list" => kv::list(key, cursor.as_deref(), limit).await.map(|page| {
            let next = page.next.unwrap_or_else(|| "end".to_owned());
            format!("{} {next}", page.keys.join(",")).into_bytes()
        }),
        "increment" => kv::increment(key, delta).await.map(|sum| sum.to_string().into_bytes()),
        "compare-and-set" => {
            let done = match ttl {
                Some(ttl) => kv::compare_and_set_for(key, expected, body, ttl).await,
                None => kv::compare_and_set(key, expected, body).await,
            };
            done.map(|done| done.to_string().into_bytes())
        }
        _ => return Err("no such function".to_owned()),
    };
    result.map_err(|error| match error {
        Error::Invalid(_) => "Invalid".to_owned(),
        error => format!("{error:?}"),
    })
}
