//! Owns the bounds of `compression` and of answers that are compressed.

use super::HOSTCALL_BYTES_MAX;

/// The highest level of compression, of every format: what is beyond takes many times
/// the time and the memory for a little less output.
pub const COMPRESSION_LEVEL_MAX: u32 = 9;

/// Bytes that brotli gathers before it compresses them.
pub const BROTLI_BUFFER_BYTES: usize = 4096;

/// brotli's window: 512 KiB find nearly all that there is to find in a page, and they
/// bound what an encoder keeps.
pub const BROTLI_WINDOW_BITS: u32 = 19;

/// The window of zstd that is still read: 8 MiB, which RFC 8878 recommends for HTTP.
pub const ZSTD_WINDOW_BITS_MAX: u32 = 23;

/// Bytes that are compressed on the loop and at once, with gzip, deflate and zstd: 12 us, and a host
/// thread is away for 7, or 10 to 15 if it has not worked just before. brotli takes 30 for them.
pub const COMPRESSED_AT_ONCE_BYTES_MAX: usize = 1024;

/// Bytes up to which a call is quick work for the host threads; more is slow work.
pub const COMPRESSED_QUICKLY_BYTES_MAX: usize = 512 * 1024;

/// Bytes of an answer that is compressed: with less, the head is most of what is sent.
pub const ANSWER_MIN: u64 = 1024;

/// Levels at which answers are compressed: 64 KiB of text take 0.1 to 0.2 ms with gzip and zstd, and a
/// millisecond with brotli.
pub const ANSWER_GZIP_LEVEL: u32 = 4;
/// See [`ANSWER_GZIP_LEVEL`].
pub const ANSWER_BROTLI_LEVEL: u32 = 4;
/// See [`ANSWER_GZIP_LEVEL`].
pub const ANSWER_ZSTD_LEVEL: u32 = 3;

/// Bytes of an answer, or of a piece of one, that are compressed on the loop and at once, with gzip and
/// zstd: as [`COMPRESSED_AT_ONCE_BYTES_MAX`], at faster levels.
pub const ANSWER_AT_ONCE_BYTES_MAX: usize = 2 * 1024;

/// Streamed answers that are compressed at once on one loop, each with an encoder. More are sent as
/// they are.
pub const COMPRESSED_STREAMS_MAX: usize = 256;

/// Bytes that are decompressed on the loop and at once, by what goes in and by what may come out: 12 us.
pub const DECOMPRESSED_AT_ONCE_BYTES_MAX: usize = 4096;

/// Bytes that come out of one call at the most: as much as a guest may hand over in one.
pub const DECOMPRESSED_BYTES_MAX: usize = HOSTCALL_BYTES_MAX;

/// Bytes that come out of one step of a decoder. Some kilobytes of input can make gigabytes: what is
/// made waits for nobody.
pub const DECODER_OUTPUT_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of input that may wait in a decoder, when another piece is given to it.
pub const DECODER_INPUT_BYTES_MAX: usize = 1024 * 1024;

/// Encoders and decoders that the guests of one handler may have open on one loop: each has a
/// window of its own.
pub const CODERS_MAX: usize = 64;

/// Calls of one encoder, decoder or hasher that may be under way: one works and the others wait for it.
pub const CODER_CALLS_MAX: usize = 64;
