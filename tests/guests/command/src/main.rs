//! A program as one writes it for a command line, of which Hob is unknown: its first argument selects
//! what it does, and without one it copies its input to its output.

#![expect(clippy::disallowed_methods, reason = "a module is not on the loop")]

use std::env;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let word = |place: usize| arguments.get(place).map_or("", String::as_str);
    let number = |place: usize| word(place).parse::<u64>().expect("a number");
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    match word(0) {
        "" | "copy" => {
            io::copy(&mut input, &mut output)?;
        }
        "upper" => upper(&mut input, &mut output)?,
        // All of the input first, and then its length.
        "length" => {
            let mut all = Vec::new();
            input.read_to_end(&mut all)?;
            write!(output, "{}", all.len())?;
        }
        // Its arguments, a line for each.
        "args" => arguments.iter().try_for_each(|argument| writeln!(output, "{argument}"))?,
        "env" => write!(output, "{}", deeds::env())?,
        "hash" => write!(output, "{}", deeds::hash(number(1)))?,
        "output" => output.write_all(&vec![b'x'; number(1) as usize])?,
        "sleep" => {
            std::thread::sleep(Duration::from_millis(number(1)));
            write!(output, "slept {} ms", word(1))?;
        }
        "read" => match deeds::read(word(1)) {
            Ok(content) => output.write_all(&content)?,
            Err(why) => {
                eprintln!("{why}");
                return Ok(ExitCode::FAILURE);
            }
        },
        // Words on standard error, after some output; then the end with this code.
        "exit" => {
            output.write_all(b"some output")?;
            output.flush()?;
            eprintln!("{}", arguments[2..].join(" "));
            return Ok(ExitCode::from(number(1) as u8));
        }
        // The same by the call that does not return.
        "exit-at-once" => std::process::exit(number(1) as i32),
        // So many bytes on standard error, ending in `end`; then 1.
        "complain" => {
            let mut text = vec![b'x'; number(1) as usize];
            let end = text.len() - 3;
            text[end..].copy_from_slice(b"end");
            io::stderr().write_all(&text)?;
            return Ok(ExitCode::FAILURE);
        }
        "endless" => loop {
            output.write_all(&[b'x'; 16 * 1024])?;
        },
        "spin" => deeds::spin(),
        "grow" => deeds::grow(),
        "recurse" => write!(output, "{}", deeds::recurse(0))?,
        "trap" => deeds::trap(),
        "panic" => panic!("as the test wants it"),
        other => {
            eprintln!("no such deed: {other}");
            return Ok(ExitCode::from(2));
        }
    }
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// As the input comes.
fn upper(input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    let mut piece = [0; 8 * 1024];
    loop {
        let length = input.read(&mut piece)?;
        if length == 0 {
            return Ok(());
        }
        output.write_all(&piece[..length].to_ascii_uppercase())?;
        output.flush()?;
    }
}
