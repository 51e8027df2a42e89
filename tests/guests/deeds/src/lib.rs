//! What the modules that are offloaded do well or badly, whichever interface they are called through:
//! all that needs nothing of it.

#![expect(clippy::disallowed_methods, reason = "a module is not on the loop")]

use std::fmt::Write;
use std::fs;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

/// What a module is asked to do: the words of its input's first line.
pub struct Order {
    /// The first word.
    pub deed: String,
    /// The words after it.
    pub words: String,
}

impl Order {
    /// The order, and the data that follows it.
    pub fn split(input: &[u8]) -> (Order, &[u8]) {
        let end = input.iter().position(|byte| *byte == b'\n');
        let (line, data) = match end {
            Some(end) => (&input[..end], &input[end + 1..]),
            None => (input, &[][..]),
        };
        let line = String::from_utf8_lossy(line);
        let (deed, words) = line.split_once(' ').unwrap_or((&line, ""));
        (Order { deed: deed.to_owned(), words: words.to_owned() }, data)
    }

    /// The word at this place, as a number.
    pub fn number(&self, place: usize) -> u64 {
        let word = self.words.split(' ').nth(place).unwrap_or("");
        word.parse().unwrap_or_else(|_| panic!("`{}` wants a number: {word:?}", self.deed))
    }
}

/// Does what needs no interface; none if it is nothing of that.
pub fn compute(order: &Order, data: &[u8]) -> Option<Result<Vec<u8>, String>> {
    let words = &order.words;
    let output = match order.deed.as_str() {
        "echo" => data.to_vec(),
        "upper" => data.to_ascii_uppercase(),
        "empty" => Vec::new(),
        "length" => data.len().to_string().into_bytes(),
        "output" => vec![b'x'; order.number(0) as usize],
        "count" => count().to_string().into_bytes(),
        "hash" => hash(order.number(0)).into_bytes(),
        "env" => env().into_bytes(),
        "read" => return Some(read(words)),
        "print" => {
            println!("{words}");
            eprintln!("on standard error: {words}");
            Vec::new()
        }
        "reject" => return Some(Err(words.clone())),
        "hold" => hold(order.number(0)),
        "spin" => spin(),
        "grow" => grow(),
        "recurse" => recurse(0).to_string().into_bytes(),
        "trap" => trap(),
        "panic" => panic!("{words}"),
        _ => return None,
    };
    Some(Ok(output))
}

/// How many times this instance was called: once if it is fresh.
fn count() -> u32 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    CALLS.fetch_add(1, Ordering::Relaxed) + 1
}

/// So many rounds of computing, which cannot be skipped: each needs the one before it.
pub fn hash(rounds: u64) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for round in 0..rounds {
        hash = (hash ^ black_box(round)).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    }
    format!("{hash:016x}")
}

/// The environment, a line for each variable.
pub fn env() -> String {
    let mut lines = String::new();
    for (name, value) in std::env::vars() {
        writeln!(lines, "{name}={value}").expect("memory");
    }
    lines
}

/// The content of a file, by `std::fs`.
pub fn read(path: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| error.to_string())
}

/// Keeps so many mebibytes for itself, and says how many it has now.
fn hold(mebibytes: u64) -> Vec<u8> {
    let held = black_box(vec![1_u8; (mebibytes << 20) as usize]);
    let length = held.len() >> 20;
    std::mem::forget(held);
    length.to_string().into_bytes()
}

/// Computes without end.
pub fn spin() -> ! {
    loop {
        black_box(());
    }
}

/// Takes memory without end.
pub fn grow() -> ! {
    let mut all = Vec::new();
    loop {
        all.push(black_box(vec![1_u8; 1024 * 1024]));
    }
}

/// Traps.
#[cfg(target_family = "wasm")]
pub fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

/// Ends the process, where there are no traps.
#[cfg(not(target_family = "wasm"))]
pub fn trap() -> ! {
    std::process::abort()
}

/// Without end: the addition comes after the call, so it cannot become a loop. A frame is small, so
/// that the stack of calls runs out before the stack in the memory does.
#[allow(unconditional_recursion)]
pub fn recurse(depth: u64) -> u64 {
    recurse(black_box(depth) + 1) + depth
}
