//! `hob:host/kv`: see the module of `capabilities`.

use crate::hob::host::kv::{self, Entry, Error};
use crate::{Arguments, Outcome};

pub(crate) fn call(function: &str, arguments: &Arguments, body: Vec<u8>) -> Outcome {
    let key = arguments.text("key");
    let keys: Vec<_> = String::from_utf8_lossy(&body).lines().map(str::to_owned).collect();
    let ttl = arguments.option("ttl").map(|ttl| ttl.parse().expect("a number"));
    let nothing = |()| Vec::new();
    let expected = arguments.option("expected");
    let shown = |value: Option<Vec<u8>>| value.unwrap_or_else(|| b"none".to_vec());
    let result = match function {
        "get" => kv::get(&key).map(shown),
        "get-many" => kv::get_many(&keys)
            .map(|values| values.into_iter().map(shown).collect::<Vec<_>>().join(&b'\n')),
        "set" => kv::set(&key, &body, ttl).map(nothing),
        "set-many" => {
            let entry = |key: String| Entry { value: key.clone().into_bytes(), key, ttl };
            kv::set_many(&keys.into_iter().map(entry).collect::<Vec<_>>()).map(nothing)
        }
        "delete" => kv::delete(&keys).map(|count| count.to_string().into_bytes()),
        "exists" => kv::exists(&key).map(|is| is.to_string().into_bytes()),
        "list" => {
            let limit = arguments.number("limit") as u32;
            kv::list(&key, arguments.option("cursor").as_deref(), limit).map(|page| {
                let next = page.next.unwrap_or_else(|| "end".to_owned());
                format!("{} {next}", page.keys.join(",")).into_bytes()
            })
        }
        "increment" => {
            let delta = arguments.text("delta").parse().expect("a number");
            kv::increment(&key, delta).map(|sum| sum.to_string().into_bytes())
        }
        "compare-and-set" => {
            kv::compare_and_set(&key, expected.as_deref().map(str::as_bytes), &body, ttl)
                .map(|done| done.to_string().into_bytes())
        }
        _ => return Err("no such function".to_owned()),
    };
    result.map_err(|error| match error {
        Error::Denied => "Denied".to_owned(),
        Error::TooLarge => "TooLarge".to_owned(),
        Error::Invalid(_) => "Invalid".to_owned(),
        Error::Full => "Full".to_owned(),
        Error::Busy => "Busy".to_owned(),
        Error::TimedOut => "TimedOut".to_owned(),
        Error::Failed(why) => format!("Failed({why:?})"),
    })
}
