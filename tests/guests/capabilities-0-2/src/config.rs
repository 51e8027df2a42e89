//! `wasi:config`, by its WIT.

use crate::wasi::config::store::{self, Error};
use crate::{Arguments, Outcome};

pub(crate) fn call(function: &str, arguments: &Arguments) -> Outcome {
    let key = arguments.text("what");
    let outcome = match function {
        "get" => store::get(&key).map(|value| value.unwrap_or("none".to_owned())),
        "all" => store::get_all().map(|all| {
            all.iter().map(|(key, value)| format!("{key}={value}\n")).collect::<String>()
        }),
        "secret" => match store::get(&key) {
            Ok(None) => return Err(format!("Missing {key}")),
            secret => secret.map(Option::unwrap_or_default),
        },
        "debug" => store::get(&key).map(|_| "Secret".to_owned()),
        "environment" => {
            Ok(std::env::vars().map(|(key, value)| format!("{key}={value}\n")).collect())
        }
        "trap" => {
            let secret = store::get(&key);
            panic!(
                "a trap of one who knows {} bytes",
                secret.iter().flatten().map(String::len).sum::<usize>()
            )
        }
        _ => Ok("no such function".to_owned()),
    };
    outcome.map(String::into_bytes).map_err(|error| match error {
        Error::Upstream(why) | Error::Io(why) => why,
    })
}
