//! `wasi:config`, by the SDK.

use hob_sdk::config::{self, Error};

use crate::{Arguments, Outcome};

pub(crate) fn call(function: &str, arguments: Arguments) -> Outcome {
    let key = &*arguments.what;
    let outcome = match function {
        "get" => config::get(key).map(|value| value.unwrap_or("none".to_owned())),
        "all" => config::all().map(|all| {
            all.iter().map(|(key, value)| format!("{key}={value}\n")).collect::<String>()
        }),
        "secret" => config::secret(key).map(|secret| secret.expose().to_owned()),
        "debug" => config::secret(key).map(|secret| format!("{secret:?}")),
        "environment" => {
            Ok(std::env::vars().map(|(key, value)| format!("{key}={value}\n")).collect())
        }
        "trap" => panic!("a trap of one who knows {:?}", config::secret(key)),
        _ => Ok("no such function".to_owned()),
    };
    outcome.map(String::into_bytes).map_err(|error| match error {
        Error::Missing(key) => format!("Missing {key}"),
        error => error.to_string(),
    })
}
