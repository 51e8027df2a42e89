//! Owns the way back from a content coding. Whatever the input, no more comes out in one step than was
//! asked for, and what is kept in between is bounded.

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Operation};

use super::coding::Coding;
use crate::limits;

/// Bytes that are made at once before it is looked whether more may be.
const STEP_BYTES: usize = 64 * 1024;

/// Input that is none of the coding's. The text says why.
#[derive(Debug)]
pub struct Malformed(pub String);

/// Decompresses what is written to it.
pub struct Decoder {
    coding: Coding,
    inner: Inner,
    input: Vec<u8>,
    /// Bytes of the input that have been taken.
    taken: usize,
    /// All that has begun has come to its end.
    ended: bool,
}

enum Inner {
    /// gzip and zlib.
    Deflate(Decompress),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    Zstd(zstd::stream::raw::Decoder<'static>),
}

/// Bytes taken and given.
struct Step(usize, usize);

impl Decoder {
    /// A decoder without any input.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn new(coding: Coding) -> std::io::Result<Self> {
        let inner = match coding {
            Coding::Gzip => Inner::Deflate(Decompress::new_gzip(15)),
            Coding::Deflate => Inner::Deflate(Decompress::new(true)),
            Coding::Brotli => {
                let alloc = StandardAlloc::default;
                Inner::Brotli(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())))
            }
            Coding::Zstd => {
                let mut decoder = zstd::stream::raw::Decoder::new()?;
                decoder.set_parameter(DParameter::WindowLogMax(limits::ZSTD_WINDOW_BITS_MAX))?;
                Inner::Zstd(decoder)
            }
        };
        Ok(Decoder { coding, inner, input: Vec::new(), taken: 0, ended: false })
    }

    /// Bytes of input that have not been taken.
    pub fn waiting(&self) -> usize {
        self.input.len() - self.taken
    }

    /// Adds input.
    pub fn write(&mut self, mut data: Vec<u8>) {
        if self.waiting() == 0 {
            (self.input, self.taken) = (data, 0);
        } else {
            self.input.drain(..self.taken);
            self.taken = 0;
            self.input.append(&mut data);
        }
    }

    /// Up to `max` bytes of what the input makes. Fewer mean that all input has been taken.
    ///
    /// # Errors
    /// When the input is malformed.
    pub fn read(&mut self, max: usize) -> Result<Vec<u8>, Malformed> {
        let mut output = Vec::new();
        let mut piece = vec![0; STEP_BYTES.min(max)];
        while output.len() < max {
            let room = piece.len().min(max - output.len());
            let Step(taken, given) = self.step(&mut piece[..room])?;
            self.taken += taken;
            output.extend_from_slice(&piece[..given]);
            if taken == 0 && given == 0 {
                break;
            }
        }
        Ok(output)
    }

    /// Whether the input is whole, and all of it has been read.
    pub fn is_complete(&self) -> bool {
        self.ended && self.waiting() == 0
    }

    fn step(&mut self, output: &mut [u8]) -> Result<Step, Malformed> {
        if self.ended && !self.begin_next()? {
            return Ok(Step(0, 0));
        }
        let input = &self.input[self.taken..];
        match &mut self.inner {
            Inner::Deflate(decoder) => {
                let (taken, given) = (decoder.total_in(), decoder.total_out());
                let status = decoder
                    .decompress(input, output, FlushDecompress::None)
                    .map_err(|error| Malformed(error.to_string()))?;
                self.ended = status == Status::StreamEnd;
                let given = decoder.total_out() - given;
                Ok(Step((decoder.total_in() - taken) as usize, given as usize))
            }
            Inner::Brotli(state) => {
                let (mut input_left, mut taken) = (input.len(), 0);
                let (mut output_left, mut given, mut total) = (output.len(), 0, 0);
                let result = BrotliDecompressStream(
                    &mut input_left,
                    &mut taken,
                    input,
                    &mut output_left,
                    &mut given,
                    output,
                    &mut total,
                    state,
                );
                if matches!(result, BrotliResult::ResultFailure) {
                    return Err(Malformed("not brotli".to_owned()));
                }
                self.ended = matches!(result, BrotliResult::ResultSuccess);
                Ok(Step(taken, given))
            }
            Inner::Zstd(decoder) => {
                let status = decoder
                    .run_on_buffers(input, output)
                    .map_err(|error| Malformed(error.to_string()))?;
                self.ended = status.remaining == 0;
                Ok(Step(status.bytes_read, status.bytes_written))
            }
        }
    }

    /// Whether more follows what has ended, as gzip and zstd allow.
    fn begin_next(&mut self) -> Result<bool, Malformed> {
        if self.waiting() == 0 {
            return Ok(false);
        }
        match self.coding {
            Coding::Gzip => self.inner = Inner::Deflate(Decompress::new_gzip(15)),
            Coding::Zstd => {}
            Coding::Deflate | Coding::Brotli => {
                return Err(Malformed("something follows the end".to_owned()));
            }
        }
        self.ended = false;
        Ok(true)
    }
}
