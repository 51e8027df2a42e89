//! Owns what a command says on standard output, where there may be no one who reads it.

use std::fmt;
use std::io::{self, Write};

/// As `println!`, and without its panic.
macro_rules! say {
    ($($what:tt)*) => {
        $crate::cli::output::line(format_args!($($what)*))
    };
}
pub(super) use say;

/// Writes a line. Whoever reads no more wants no more, and what the command is about goes on; else it ends, for
/// what it has done can be told to no one.
pub(super) fn line(text: fmt::Arguments<'_>) {
    let written = writeln!(io::stdout().lock(), "{text}");
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        eprintln!("hob: cannot write to standard output: {error}");
        std::process::exit(1);
    }
}
