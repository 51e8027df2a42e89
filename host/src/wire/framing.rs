//! Owns the line between a request and the bytes that are not one.
//!
//! Every byte passes here on its way to hyper. hyper reads leniently, as it must as a library:
//! it takes a bare LF for a line's end, and lets `Transfer-Encoding` silently win over
//! `Content-Length`. Behind a proxy that reads otherwise, each such liberty is a smuggled request
//! (RFC 9112, section 11.2). So the framing is checked strictly first, and the last byte of a
//! head that fails is withheld: hyper never sees a request in it.
//!
//! The framer also counts what has bounds, and knows at any time which part of a message the
//! connection is in, so deadlines need no help from hyper.

use memchr::memchr;

use super::grammar::{
    BAD_CHUNK, BAD_REQUEST_LINE, check_host, check_target, is_method, is_version, may_begin_field,
    may_begin_request, parse_length, split_chunk_size, split_field,
};
use crate::limits;

/// Why a connection's bytes are refused. Each is answered with a status and closes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not HTTP, or not in a way that everyone would read alike.
    Malformed(&'static str),
    /// The target is too long.
    TargetTooLong,
    /// The head is too long or has too many fields.
    HeadTooLarge,
    /// The body is longer than allowed.
    BodyTooLarge,
    /// A transfer coding other than `chunked`.
    UnknownCoding,
    /// A version other than 1.0 and 1.1.
    UnknownVersion,
    /// The client took too long over a head or a body.
    TimedOut,
}

impl Fault {
    /// The status that tells the client.
    pub fn status(self) -> http::StatusCode {
        match self {
            Fault::Malformed(_) => http::StatusCode::BAD_REQUEST,
            Fault::TargetTooLong => http::StatusCode::URI_TOO_LONG,
            Fault::HeadTooLarge => http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Fault::BodyTooLarge => http::StatusCode::PAYLOAD_TOO_LARGE,
            Fault::UnknownCoding => http::StatusCode::NOT_IMPLEMENTED,
            Fault::UnknownVersion => http::StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Fault::TimedOut => http::StatusCode::REQUEST_TIMEOUT,
        }
    }

    /// The short code that tells the client more.
    pub fn code(self) -> &'static str {
        match self {
            Fault::Malformed(what) => what,
            Fault::TargetTooLong => "target-too-long",
            Fault::HeadTooLarge => "head-too-large",
            Fault::BodyTooLarge => "body-too-large",
            Fault::UnknownCoding => "unknown-transfer-coding",
            Fault::UnknownVersion => "unknown-version",
            Fault::TimedOut => "request-timeout",
        }
    }
}

/// Which part of a message comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between two messages: nothing of the next one has come.
    Idle,
    /// Some of a head has come.
    Head,
    /// The head is complete, the body is not.
    Body,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    RequestLine,
    Field,
    Content { remaining: u64 },
    ChunkSize,
    ChunkData { remaining: u64 },
    ChunkEnd,
    Trailer,
}

/// What the fields read so far say about the message.
#[derive(Clone, Copy, Default)]
struct Head {
    http_1_0: bool,
    hosts: u32,
    fields: usize,
    content_length: Option<u64>,
    chunked: bool,
}

/// Follows the framing of one connection's requests.
pub(super) struct Framer {
    state: State,
    head: Head,
    /// The part of a line that came with an earlier read. Empty nearly always.
    partial: Vec<u8>,
    /// Bytes of this head, or of this trailer section, before the line under way.
    section_bytes: usize,
    /// Bytes of this chunked body.
    body_bytes: u64,
    /// Bytes of the extensions of its chunks.
    extension_bytes: usize,
    body_bytes_max: u64,
    heads: u64,
}

impl Framer {
    /// A framer for a new connection, with the longest body it lets pass.
    pub(super) fn new(body_bytes_max: u64) -> Self {
        Framer {
            state: State::RequestLine,
            head: Head::default(),
            partial: Vec::new(),
            section_bytes: 0,
            body_bytes: 0,
            extension_bytes: 0,
            body_bytes_max,
            heads: 0,
        }
    }

    /// The part of a message the connection is in.
    pub(super) fn phase(&self) -> Phase {
        match self.state {
            State::RequestLine if self.partial.is_empty() && self.section_bytes == 0 => Phase::Idle,
            State::RequestLine | State::Field => Phase::Head,
            _ => Phase::Body,
        }
    }

    /// Heads passed so far.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    /// Checks the bytes that came next. All of them may pass, or as many as are given with the
    /// fault.
    ///
    /// # Errors
    /// The fault and the number of bytes before it that may pass.
    pub(super) fn check(&mut self, bytes: &[u8]) -> Result<(), (Fault, usize)> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let used = match self.state {
                State::Content { remaining } => self.content(remaining, rest),
                State::ChunkData { remaining } => self.chunk_data(remaining, rest),
                _ => self.line_of(rest),
            };
            at += used.map_err(|fault| (fault, at))?;
        }
        Ok(())
    }

    fn content(&mut self, remaining: u64, bytes: &[u8]) -> Result<usize, Fault> {
        let used = remaining.min(bytes.len() as u64);
        self.state = match remaining - used {
            0 => self.next_message(),
            remaining => State::Content { remaining },
        };
        Ok(used as usize)
    }

    fn chunk_data(&mut self, remaining: u64, bytes: &[u8]) -> Result<usize, Fault> {
        let used = remaining.min(bytes.len() as u64);
        self.state = match remaining - used {
            0 => State::ChunkEnd,
            remaining => State::ChunkData { remaining },
        };
        Ok(used as usize)
    }

    /// Takes bytes up to the next line's end, and the line with them if the end is there.
    fn line_of(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let Some(end) = memchr(b'\n', bytes) else {
            self.fits(self.partial.len() + bytes.len())?;
            self.partial.extend_from_slice(bytes);
            self.may_begin()?;
            return Ok(bytes.len());
        };
        let length = self.partial.len() + end + 1;
        self.fits(length)?;
        if self.partial.is_empty() {
            self.terminated(&bytes[..end])?;
        } else {
            let mut line = std::mem::take(&mut self.partial);
            line.extend_from_slice(&bytes[..end]);
            let outcome = self.terminated(&line);
            line.clear();
            // Kept for its memory, unless a client made it large.
            if line.capacity() <= 1024 {
                self.partial = line;
            }
            outcome?;
        }
        Ok(end + 1)
    }

    /// What has come of a line passes before its end is there, so it is judged as far as it can be:
    /// hyper would refuse it in its own words, and a handler that is at work already would see its
    /// body break off before this connection is refused.
    fn may_begin(&self) -> Result<(), Fault> {
        let (line, ends) = match self.partial.split_last() {
            Some((b'\r', line)) => (line, true),
            _ => (&self.partial[..], false),
        };
        match self.state {
            State::RequestLine => may_begin_request(line, ends),
            State::Field | State::Trailer => may_begin_field(line, ends),
            State::ChunkEnd if !line.is_empty() => Err(BAD_CHUNK),
            State::ChunkSize => split_chunk_size(line).map(|_| ()),
            State::ChunkEnd | State::Content { .. } | State::ChunkData { .. } => Ok(()),
        }
    }

    /// Whether a line of `length` bytes is within the bound of its section.
    fn fits(&self, length: usize) -> Result<(), Fault> {
        let total = self.section_bytes + length;
        match self.state {
            State::RequestLine if length > limits::TARGET_BYTES_MAX + 64 => {
                Err(Fault::TargetTooLong)
            }
            State::RequestLine | State::Field if total > limits::HEAD_BYTES_MAX => {
                Err(Fault::HeadTooLarge)
            }
            State::Trailer if total > limits::TRAILER_BYTES_MAX => Err(Fault::HeadTooLarge),
            State::ChunkSize | State::ChunkEnd if length > limits::CHUNK_LINE_BYTES_MAX => {
                Err(BAD_CHUNK)
            }
            _ => Ok(()),
        }
    }

    /// A line without its LF: the CR must be there, and nowhere else.
    fn terminated(&mut self, line: &[u8]) -> Result<(), Fault> {
        let Some((b'\r', line)) = line.split_last() else {
            return Err(Fault::Malformed("bare-line-feed"));
        };
        if memchr(b'\r', line).is_some() {
            return Err(Fault::Malformed("bare-carriage-return"));
        }
        self.section_bytes += line.len() + 2;
        match self.state {
            State::RequestLine => self.request_line(line),
            State::Field => self.field_line(line),
            State::ChunkSize => self.chunk_size(line),
            State::ChunkEnd if line.is_empty() => {
                self.state = State::ChunkSize;
                Ok(())
            }
            State::ChunkEnd => Err(BAD_CHUNK),
            State::Trailer => self.trailer_line(line),
            State::Content { .. } | State::ChunkData { .. } => unreachable!("not made of lines"),
        }
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), Fault> {
        if line.is_empty() {
            // RFC 9112, section 2.2: an empty line before the request line is ignored.
            return if self.section_bytes > 4 { Err(BAD_REQUEST_LINE) } else { Ok(()) };
        }
        let mut parts = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(BAD_REQUEST_LINE);
        };
        if !is_method(method) || method.is_empty() {
            return Err(BAD_REQUEST_LINE);
        }
        if target.len() > limits::TARGET_BYTES_MAX {
            return Err(Fault::TargetTooLong);
        }
        check_target(method, target)?;
        self.head = Head::default();
        match version {
            b"HTTP/1.1" => {}
            b"HTTP/1.0" => self.head.http_1_0 = true,
            _ if is_version(version) => return Err(Fault::UnknownVersion),
            _ => return Err(BAD_REQUEST_LINE),
        }
        self.state = State::Field;
        Ok(())
    }

    fn field_line(&mut self, line: &[u8]) -> Result<(), Fault> {
        if line.is_empty() {
            return self.end_of_head();
        }
        self.head.fields += 1;
        if self.head.fields > limits::HEADER_COUNT_MAX {
            return Err(Fault::HeadTooLarge);
        }
        let (name, value) = split_field(line)?;
        // Only three names concern the framing; their first letters and lengths tell them apart
        // from nearly all others without a comparison.
        match (name.len(), name[0] | 0x20) {
            (4, b'h') if name.eq_ignore_ascii_case(b"host") => {
                self.head.hosts += 1;
                if self.head.hosts > 1 {
                    return Err(Fault::Malformed("several-hosts"));
                }
                check_host(value)
            }
            (14, b'c') if name.eq_ignore_ascii_case(b"content-length") => {
                if self.head.content_length.is_some() {
                    return Err(Fault::Malformed("several-content-lengths"));
                }
                self.head.content_length = Some(parse_length(value)?);
                Ok(())
            }
            (17, b't') if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.head.chunked {
                    return Err(Fault::Malformed("several-transfer-codings"));
                }
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Fault::UnknownCoding);
                }
                self.head.chunked = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn end_of_head(&mut self) -> Result<(), Fault> {
        let head = self.head;
        if head.hosts == 0 && !head.http_1_0 {
            return Err(Fault::Malformed("no-host"));
        }
        if head.chunked && head.content_length.is_some() {
            return Err(Fault::Malformed("two-body-lengths"));
        }
        if head.chunked && head.http_1_0 {
            return Err(Fault::Malformed("chunked-in-http-1.0"));
        }
        if head.content_length.is_some_and(|length| length > self.body_bytes_max) {
            return Err(Fault::BodyTooLarge);
        }
        self.heads += 1;
        self.section_bytes = 0;
        self.body_bytes = 0;
        self.extension_bytes = 0;
        self.head.fields = 0;
        self.state = match head.content_length {
            _ if head.chunked => State::ChunkSize,
            Some(remaining @ 1..) => State::Content { remaining },
            _ => self.next_message(),
        };
        Ok(())
    }

    fn chunk_size(&mut self, line: &[u8]) -> Result<(), Fault> {
        self.section_bytes = 0;
        let (digits, extension) = split_chunk_size(line)?;
        self.extension_bytes += extension.len();
        if self.extension_bytes > limits::CHUNK_EXTENSIONS_BYTES_MAX {
            return Err(BAD_CHUNK);
        }
        let size = digits.iter().fold(0_u64, |size, digit| {
            size << 4 | u64::from((*digit as char).to_digit(16).expect("a hex digit"))
        });
        self.body_bytes += size;
        if self.body_bytes > self.body_bytes_max {
            return Err(Fault::BodyTooLarge);
        }
        self.state = match size {
            0 => State::Trailer,
            remaining => State::ChunkData { remaining },
        };
        Ok(())
    }

    fn trailer_line(&mut self, line: &[u8]) -> Result<(), Fault> {
        if line.is_empty() {
            self.state = self.next_message();
            return Ok(());
        }
        self.head.fields += 1;
        if self.head.fields > limits::HEADER_COUNT_MAX {
            return Err(Fault::HeadTooLarge);
        }
        let (name, _) = split_field(line)?;
        let framing: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"host"];
        if framing.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden)) {
            return Err(Fault::Malformed("bad-trailer"));
        }
        Ok(())
    }

    fn next_message(&mut self) -> State {
        self.section_bytes = 0;
        State::RequestLine
    }
}
