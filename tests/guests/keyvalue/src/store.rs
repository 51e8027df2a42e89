//! Calls of `wasi:keyvalue`, as both guests make them: the target's last segment is the operation, its
//! query the store, the key, and a number; the body is the value, or keys on its lines.

use crate::wasi::keyvalue::store::{self, Bucket, Error};
use crate::wasi::keyvalue::{atomics, batch};

/// A status and a body.
pub(crate) fn call(target: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let argument = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
    };
    let operation = path.rsplit('/').next().unwrap_or("");
    let number = argument("number").map(|number| number.parse().expect("a number"));
    let result = store::open(argument("store").unwrap_or("default"))
        .and_then(|bucket| run(&bucket, operation, argument("key").unwrap_or(""), number, body));
    match result {
        Ok(bytes) => (200, bytes),
        Err(Error::NoSuchStore) => (422, b"NoSuchStore".to_vec()),
        Err(Error::AccessDenied) => (422, b"AccessDenied".to_vec()),
        Err(Error::Other(why)) => (422, why.into_bytes()),
    }
}

fn run(
    bucket: &Bucket,
    operation: &str,
    key: &str,
    number: Option<u64>,
    body: Vec<u8>,
) -> Result<Vec<u8>, Error> {
    let lines = || String::from_utf8_lossy(&body).lines().map(str::to_owned).collect::<Vec<_>>();
    let nothing = |()| Vec::new();
    match operation {
        "hello" => Ok(b"hello world\n".to_vec()),
        "get" => Ok(bucket.get(key)?.unwrap_or_else(|| b"none".to_vec())),
        "set" => bucket.set(key, &body).map(nothing),
        "delete" => bucket.delete(key).map(nothing),
        "exists" => Ok(bucket.exists(key)?.to_string().into_bytes()),
        "list-keys" => {
            let page = bucket.list_keys(number)?;
            Ok(format!("{} {:?}", page.keys.join(","), page.cursor).into_bytes())
        }
        "list-all" => {
            let (mut cursor, mut pages, mut keys) = (None, 0, 0);
            loop {
                let page = bucket.list_keys(cursor)?;
                // What is taken away meanwhile moves no other key out of sight.
                batch::delete_many(bucket, &page.keys)?;
                (cursor, pages, keys) = (page.cursor, pages + 1, keys + page.keys.len());
                if cursor.is_none() {
                    return Ok(format!("{keys} {pages}").into_bytes());
                }
            }
        }
        "increment" => {
            let sum = atomics::increment(bucket, key, number.unwrap_or(1))?;
            Ok(sum.to_string().into_bytes())
        }
        "get-many" => {
            let pairs = batch::get_many(bucket, &lines())?;
            let shown = pairs.into_iter().map(|pair| match pair {
                Some((key, value)) => format!("{key}={}", String::from_utf8_lossy(&value)),
                None => "none".to_owned(),
            });
            Ok(shown.collect::<Vec<_>>().join(",").into_bytes())
        }
        "set-many" => {
            let pairs: Vec<_> =
                lines().into_iter().map(|line| (line.clone(), line.into_bytes())).collect();
            batch::set_many(bucket, &pairs).map(nothing)
        }
        "delete-many" => batch::delete_many(bucket, &lines()).map(nothing),
        _ => Err(Error::Other("no such operation".to_owned())),
    }
}
