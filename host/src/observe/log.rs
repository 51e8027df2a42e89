//! Owns the log: JSON lines on standard output, written by a thread of their own.
//!
//! The loop must not wait for whoever reads the log. A line goes into a bounded buffer; when the
//! reader is too slow the buffer fills, and further lines are dropped and counted.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::limits;

/// The log. Cheap to clone.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

struct Shared {
    buffer: Mutex<Buffer>,
    /// Rung when an empty buffer gets its first line, and at the end of either side.
    bell: Condvar,
    dropped: Arc<AtomicU64>,
}

#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    closed: bool,
    /// Set when the writer has ended.
    written: bool,
}

impl Log {
    /// A log written to `sink` by a thread of its own.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn new(sink: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            buffer: Mutex::default(),
            bell: Condvar::new(),
            dropped: Arc::default(),
        });
        let log = Log { shared: shared.clone() };
        std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || write_all(&shared, sink))?;
        Ok(log)
    }

    /// Lines dropped so far.
    pub fn dropped(&self) -> Arc<AtomicU64> {
        self.shared.dropped.clone()
    }

    /// Takes a line. Never waits.
    pub fn write(&self, line: Line) {
        self.take(line, limits::LOG_BYTES_MAX);
    }

    /// Takes a line of a guest, of which there may be many.
    pub fn write_of_guest(&self, line: Line) {
        self.take(line, limits::LOG_GUEST_BYTES_MAX);
    }

    fn take(&self, line: Line, bytes_max: usize) {
        let mut text = line.text;
        text.push_str("}\n");
        let mut buffer = self.shared.buffer.lock().expect("log buffer");
        if buffer.bytes.len() + text.len() > bytes_max {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let was_empty = buffer.bytes.is_empty();
        buffer.bytes.extend_from_slice(text.as_bytes());
        drop(buffer);
        if was_empty {
            self.shared.bell.notify_all();
        }
    }

    /// Writes out what there is and ends the writer, unless the log's reader takes nothing for
    /// longer than [`limits::LOG_CLOSE`]. Lines that come later are not written.
    pub fn close(&self) {
        let mut buffer = self.shared.buffer.lock().expect("log buffer");
        buffer.closed = true;
        self.shared.bell.notify_all();
        // A reader that does not read any more must not keep the process from ending.
        let waited = self.shared.bell.wait_timeout_while(buffer, limits::LOG_CLOSE, |b| !b.written);
        drop(waited);
    }
}

fn write_all(shared: &Shared, mut sink: impl Write) {
    // The buffer that is filled and the one that is written change places, and keep their memory.
    let mut bytes = Vec::new();
    loop {
        let mut buffer = shared.buffer.lock().expect("log buffer");
        while buffer.bytes.is_empty() && !buffer.closed {
            buffer = shared.bell.wait(buffer).expect("log buffer");
        }
        if !buffer.closed {
            // Lines that come together are written together.
            let delay = limits::LOG_DELAY;
            buffer = shared
                .bell
                .wait_timeout_while(buffer, delay, |buffer| !buffer.closed)
                .expect("log buffer")
                .0;
        }
        let closed = buffer.closed;
        std::mem::swap(&mut bytes, &mut buffer.bytes);
        drop(buffer);
        // A reader that has gone must not stop the server.
        let _ = sink.write_all(&bytes).and_then(|()| sink.flush());
        bytes.clear();
        if closed {
            shared.buffer.lock().expect("log buffer").written = true;
            shared.bell.notify_all();
            return;
        }
    }
}

/// One line being put together: a JSON object with the time as its first member.
pub struct Line {
    text: String,
}

impl Line {
    /// A line of the given kind: `access`, `guest` or `server`.
    pub fn new(kind: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut text = String::with_capacity(320);
        text.push_str("{\"time\":");
        push_number(&mut text, now.as_secs());
        text.push('.');
        let micros = format_micros(now.subsec_micros());
        text.push_str(std::str::from_utf8(&micros).expect("digits"));
        text.push_str(",\"kind\":\"");
        text.push_str(kind);
        text.push('"');
        Line { text }
    }

    /// Adds a member whose value is a string.
    pub fn text(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        self.text.push('"');
        escape(&mut self.text, value);
        self.text.push('"');
        self
    }

    /// Adds a member whose value is a whole number.
    pub fn number(mut self, key: &str, value: u64) -> Self {
        self.key(key);
        push_number(&mut self.text, value);
        self
    }

    fn key(&mut self, key: &str) {
        self.text.push_str(",\"");
        self.text.push_str(key);
        self.text.push_str("\":");
    }
}

/// The standard formatter costs several times as much, and this runs for every request.
fn push_number(text: &mut String, value: u64) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    let mut rest = value;
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    text.push_str(std::str::from_utf8(&digits[start..]).expect("digits"));
}

fn format_micros(micros: u32) -> [u8; 6] {
    let mut digits = [b'0'; 6];
    let mut rest = micros;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    digits
}

/// The first byte in UTF-8 of the control characters from 0x80 to 0x9f.
const C1_LEAD: u8 = 0xc2;

/// Escapes for JSON, and control characters besides, so that no guest can forge a line or
/// reach into the terminal that shows it.
fn escape(out: &mut String, value: &str) {
    let mut clean_from = 0;
    for (index, byte) in value.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' && byte != 0x7f && byte != C1_LEAD {
            continue;
        }
        // A control character is its second byte; others begin like it too.
        let second = if byte == C1_LEAD { value.as_bytes()[index + 1] } else { 0 };
        if second >= 0xa0 {
            continue;
        }
        let (byte, length) = if byte == C1_LEAD { (second, 2) } else { (byte, 1) };
        out.push_str(&value[clean_from..index]);
        clean_from = index + length;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            other => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.push_str("\\u00");
                out.push(HEX[usize::from(other >> 4)] as char);
                out.push(HEX[usize::from(other & 15)] as char);
            }
        }
    }
    out.push_str(&value[clean_from..]);
}
