//! Owns what a person is told of a `hob.toml` that is wrong.

use std::fmt::{Display, Formatter, Result, Write};

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
