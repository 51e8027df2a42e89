//! Any text as a `hob.toml`: it is taken, or its faults are told with their lines.

use std::path::Path;

use hob::config::Config;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Most of what a file can have.
const VALID: &str = r#"[server]
listen = "127.0.0.1:0"
loops = 2

[connections]
head_ms = 1000

[limits]
memory_mib = 64

[[handler]]
name = "shop"
component = "shop.wasm"
isolation = "fresh"
limits = { cpu_ms = 5 }
environment = { A = "b" }
config = { a = "b" }
grants = { files = "read", fetch = ["https://a.example"], sql = { main = "write" }, offload = ["m"] }

[[route]]
host = "*.example.com"
path = "/a/{id}/{rest...}"
methods = ["GET", "POST"]
handler = "shop"
limits = { wall_ms = 10 }
compress = true
cors = { origins = ["https://a.example"], credentials = true, headers = ["x-a"], max_age_s = 5 }

[[route]]
prefix = "/static"
static = { folder = ".", index = "a.html", cache = "no-cache", precompressed = true }
compress = true

[[route]]
path = "/old/{id}"
redirect = { to = "/new/{id}", status = 301 }

[[module]]
name = "m"
file = "m.wasm"
"#;

/// Reads a text. A fault names the file and a line that it has.
fn read(text: &str) -> Result<(), TestCaseError> {
    let Err(error) = Config::parse(Path::new("hob.toml"), text) else { return Ok(()) };
    let said = error.to_string();
    let number = said.strip_prefix("hob.toml:").and_then(|rest| rest.split(':').next());
    let line = number.and_then(|number| number.parse::<usize>().ok());
    let lines = text.matches('\n').count() + 1;
    prop_assert!(line.is_some_and(|line| (1..=lines).contains(&line)), "{said}");
    Ok(())
}

#[test]
fn the_valid_file_is_valid() {
    if let Err(error) = Config::parse(Path::new("hob.toml"), VALID) {
        panic!("{error}");
    }
}

#[test]
fn any_text_is_taken_or_its_fault_is_told() {
    crate::holds(".{0,200}", |text| read(&text));
    let pieces =
        ["[", "]", "[[route]]", "\n", "=", "\"", "path", "'", "{", "}", ",", "1", "#", "."];
    crate::holds(vec(select(pieces.to_vec()), 0..40), |pieces| read(&pieces.concat()));
}

#[test]
fn a_file_with_a_piece_changed_is_taken_or_its_fault_is_told() {
    let pieces =
        ["", "\"", "]", "{", "}", "-1", "99999999999999999999", "\u{e9}", "\0", "/", "{a}", "*"];
    let changes = vec((any::<Index>(), 0..12_usize, select(pieces.to_vec())), 1..4);
    crate::holds(changes, |changes| {
        let mut text = VALID.to_owned();
        for (at, length, piece) in changes {
            let start = text.floor_char_boundary(at.index(text.len()));
            let end = text.ceil_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end, piece);
        }
        read(&text)
    });
}

#[test]
fn a_file_with_lines_moved_or_left_out_is_taken_or_its_fault_is_told() {
    let lines: Vec<&str> = VALID.lines().collect();
    let count = lines.len();
    crate::holds(vec(any::<Index>(), 1..count), |places| {
        let text: Vec<&str> = places.iter().map(|place| lines[place.index(count)]).collect();
        read(&text.join("\n"))
    });
}
