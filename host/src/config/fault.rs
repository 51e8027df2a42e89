//! Owns what a person is told of a `hob.toml` that is wrong.

use std::fmt::{Display, Formatter, Result, Write};
use std::ops::Range;

use crate::limits;

/// What is wrong with a `hob.toml`: every fault with its place. What is shown of the file's own text does
/// nothing to a terminal, whatever is in it, and is cut where it is long.
#[derive(Debug)]
pub struct ConfigError {
    pub(super) faults: Vec<String>,
}

impl Display for ConfigError {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (place, fault) in self.faults.iter().enumerate() {
            if place > 0 {
                f.write_char('\n')?;
            }
            show(fault, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

fn show(fault: &str, f: &mut Formatter<'_>) -> Result {
    let cut = fault.floor_char_boundary(limits::FAULT_BYTES_MAX);
    for c in fault[..cut].chars() {
        match c {
            // The TOML parser's own messages point at places in lines below each other.
            '\n' => f.write_char(c)?,
            c if c.is_control() => write!(f, "{}", c.escape_default())?,
            c => f.write_char(c)?,
        }
    }
    if cut < fault.len() { f.write_str("...") } else { Ok(()) }
}

/// Adds to an unknown key the known one that looks most like it, and to a key that comes twice, or has a value
/// of the wrong kind, the key: the parser's own words leave it to the place.
pub(super) fn explain(message: &str, text: &str, place: Range<usize>) -> String {
    if message == "duplicate key" {
        return format!("`{}` comes twice", &text[place]);
    }
    if message.starts_with("invalid ")
        && let Some(key) = key_before(&text[..place.start])
    {
        return format!("`{key}`: {message}");
    }
    let mut names = message.split('`').skip(1).step_by(2);
    let nearest = message.starts_with("unknown field").then(|| nearest(names.next()?, names));
    match nearest.flatten() {
        Some(known) => format!("{message}; did you mean `{known}`?"),
        None => message.to_owned(),
    }
}

/// The key of the value that comes after this text, if it is not one of a list.
fn key_before(text: &str) -> Option<&str> {
    let key = text.trim_end().strip_suffix('=')?.trim_end();
    key.rsplit([' ', '\t', '\n', ',', '{']).next().filter(|key| !key.is_empty())
}

/// The known name that looks most like a wrong one, if one does.
pub(super) fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distances = known.map(|known| (strsim::damerau_levenshtein(wrong, known), known));
    distances.min().filter(|(distance, _)| *distance <= 3).map(|(_, known)| known)
}
