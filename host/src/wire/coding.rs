//! Owns the content codings: data compressed, whole or piece by piece.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::limits;

/// A content coding of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// What HTTP calls `deflate`: the zlib format, RFC 1950.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    /// Its name in HTTP.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
        }
    }

    /// The level that is right for most.
    pub fn default_level(self) -> u32 {
        match self {
            Coding::Gzip | Coding::Deflate => 6,
            Coding::Brotli => 5,
            Coding::Zstd => 3,
        }
    }

    /// The levels there are here.
    pub fn levels(self) -> std::ops::RangeInclusive<u32> {
        match self {
            Coding::Gzip | Coding::Deflate | Coding::Brotli => 0..=limits::COMPRESSION_LEVEL_MAX,
            Coding::Zstd => 1..=limits::COMPRESSION_LEVEL_MAX,
        }
    }
}

/// Whether a content type is of what gets smaller: text in the widest sense.
pub fn gets_smaller(kind: &str) -> bool {
    const APPLICATIONS: [&str; 14] = [
        "json",
        "javascript",
        "x-javascript",
        "ecmascript",
        "xml",
        "wasm",
        "graphql",
        "ndjson",
        "x-ndjson",
        "yaml",
        "toml",
        "sql",
        "rtf",
        "x-www-form-urlencoded",
    ];
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.split_once('/') {
        Some(("text", _)) => true,
        Some((_, below)) if below.ends_with("+json") || below.ends_with("+xml") => true,
        Some(("application", below)) => APPLICATIONS.contains(&below),
        Some(("font", below)) => matches!(below, "ttf" | "otf"),
        Some(("image", below)) => matches!(below, "bmp" | "x-icon" | "vnd.microsoft.icon"),
        _ => false,
    }
}

/// Compresses what is written to it. What comes out is never much longer than what goes in.
pub struct Encoder(Inner);

enum Inner {
    Gzip(GzEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    /// An encoder at one of the levels that the coding has.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn new(coding: Coding, level: u32) -> io::Result<Self> {
        let out = Vec::new();
        Ok(Encoder(match coding {
            Coding::Gzip => Inner::Gzip(GzEncoder::new(out, Compression::new(level))),
            Coding::Deflate => Inner::Deflate(ZlibEncoder::new(out, Compression::new(level))),
            Coding::Brotli => {
                let (buffer, window) = (limits::BROTLI_BUFFER_BYTES, limits::BROTLI_WINDOW_BITS);
                let encoder = brotli::CompressorWriter::new(out, buffer, level, window);
                Inner::Brotli(Box::new(encoder))
            }
            Coding::Zstd => Inner::Zstd(zstd::stream::write::Encoder::new(out, level as i32)?),
        }))
    }

    /// Takes bytes, and gives what has come out so far, which may be nothing.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn write(&mut self, data: &[u8]) -> io::Result<Vec<u8>> {
        self.writer().write_all(data)?;
        Ok(self.taken())
    }

    /// Gives all that a decoder needs for what was written, at the price of a few bytes.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn flush(&mut self) -> io::Result<Vec<u8>> {
        self.writer().flush()?;
        Ok(self.taken())
    }

    /// Gives the rest.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        match self.0 {
            Inner::Gzip(encoder) => encoder.finish(),
            Inner::Deflate(encoder) => encoder.finish(),
            Inner::Brotli(encoder) => Ok(encoder.into_inner()),
            Inner::Zstd(encoder) => encoder.finish(),
        }
    }

    fn writer(&mut self) -> &mut dyn Write {
        match &mut self.0 {
            Inner::Gzip(encoder) => encoder,
            Inner::Deflate(encoder) => encoder,
            Inner::Brotli(encoder) => encoder,
            Inner::Zstd(encoder) => encoder,
        }
    }

    fn taken(&mut self) -> Vec<u8> {
        std::mem::take(match &mut self.0 {
            Inner::Gzip(encoder) => encoder.get_mut(),
            Inner::Deflate(encoder) => encoder.get_mut(),
            Inner::Brotli(encoder) => encoder.get_mut(),
            Inner::Zstd(encoder) => encoder.get_mut(),
        })
    }
}

/// Compresses all of it.
///
/// # Errors
/// When there is no memory.
pub fn encode(coding: Coding, level: u32, data: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = Encoder::new(coding, level)?;
    let mut encoded = encoder.write(data)?;
    let rest = encoder.finish()?;
    if encoded.is_empty() {
        return Ok(rest);
    }
    encoded.extend(rest);
    Ok(encoded)
}
