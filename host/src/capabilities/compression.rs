//! Owns `hob:host/compression`: at once where that is cheaper than a host thread, else there.

use std::future::Future;
use std::sync::Arc;

use futures_util::future::{Either, ready};
use tokio::sync::Mutex;
use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource};

use super::treaty::Interface;
use super::{GuestContext, GuestState};
use crate::engine::Generation;
use crate::event_loop::{Refused, Work};
use crate::limits;
use crate::wire::{Coding, Decoder, Encoder, Malformed, encode};

/// What the guest is told.
#[derive(ComponentType, Lower, Lift, Clone, Debug, PartialEq)]
#[component(variant)]
enum Error {
    #[component(name = "invalid")]
    Invalid(String),
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "busy")]
    Busy,
    #[component(name = "failed")]
    Failed(String),
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Busy => Error::Busy,
            Refused::Panicked => Error::Failed("a fault of the host".to_owned()),
        }
    }
}

impl From<std::io::Error> for Error {
    /// The coders have no other reason to fail.
    fn from(_: std::io::Error) -> Self {
        Error::Busy
    }
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        Error::Invalid(malformed.0)
    }
}

#[derive(ComponentType, Lift, Clone, Copy, Debug)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "a guest makes them")]
enum Format {
    #[component(name = "gzip")]
    Gzip,
    #[component(name = "deflate")]
    Deflate,
    #[component(name = "brotli")]
    Brotli,
    #[component(name = "zstd")]
    Zstd,
}

impl Format {
    fn coding(self) -> Coding {
        match self {
            Format::Gzip => Coding::Gzip,
            Format::Deflate => Coding::Deflate,
            Format::Brotli => Coding::Brotli,
            Format::Zstd => Coding::Zstd,
        }
    }
}

/// A coder that a guest uses piece by piece; none once it is finished, or has found its input
/// malformed.
struct Open<C> {
    coder: Arc<Mutex<Option<C>>>,
    coding: Coding,
    /// Counts among those that are open.
    _place: Arc<()>,
}

const COMPRESS: Work = Work::quick("compression.compress");
const COMPRESS_MUCH: Work = Work::slow("compression.compress");
const DECOMPRESS: Work = Work::quick("compression.decompress");

pub(super) fn link(
    linker: &mut Linker<GuestState>,
    generation: Generation,
) -> wasmtime::Result<()> {
    let mut compression = Interface::new(linker, generation, "compression")?;
    link_whole(&mut compression)?;
    link_encoder(&mut compression)?;
    link_decoder(&mut compression)
}

fn link_whole(compression: &mut Interface<'_>) -> wasmtime::Result<()> {
    compression.suspending(
        "compress",
        COMPRESS.operation,
        |state, (format, level, data): (Format, Option<u32>, Vec<u8>)| {
            let coding = format.coding();
            let length = data.len();
            let job = move || compress(coding, level, &data);
            Ok(if is_brief(coding, length) {
                Either::Left(ready(job()))
            } else {
                Either::Right(state.blocking(compressing(length), job))
            })
        },
    )?;
    compression.suspending(
        "decompress",
        DECOMPRESS.operation,
        |state, (format, data, max): (Format, Vec<u8>, u32)| {
            let max = (max as usize).min(limits::DECOMPRESSED_BYTES_MAX);
            let is_brief = max.max(data.len()) <= limits::DECOMPRESSED_AT_ONCE_BYTES_MAX;
            let job = move || decompress(format.coding(), data, max);
            Ok(if is_brief {
                Either::Left(ready(job()))
            } else {
                Either::Right(state.blocking(DECOMPRESS, job))
            })
        },
    )
}

fn link_encoder(compression: &mut Interface<'_>) -> wasmtime::Result<()> {
    compression.resource::<Open<Encoder>>("encoder")?;
    compression.immediate("open-encoder", |state, (format, level): (Format, Option<u32>)| {
        let coding = format.coding();
        state.open(coding, || Ok(Encoder::new(coding, level_of(coding, level)?)?))
    })?;
    compression.suspending(
        "[method]encoder.write",
        COMPRESS.operation,
        |state, (encoder, data): (Resource<Open<Encoder>>, Vec<u8>)| {
            let Open { coder, coding, .. } = state.table.get(&encoder)?;
            let (coder, is_brief) = (coder.clone(), is_brief(*coding, data.len()));
            let work = compressing(data.len());
            Ok(state.with_coder(coder, is_brief, work, move |encoder| {
                Ok(encoder.as_mut().ok_or_else(finished)?.write(&data)?)
            }))
        },
    )?;
    compression.suspending(
        "[method]encoder.flush",
        COMPRESS.operation,
        |state, (encoder,): (Resource<Open<Encoder>>,)| {
            let coder = state.table.get(&encoder)?.coder.clone();
            Ok(state.with_coder(coder, false, COMPRESS, |encoder| {
                Ok(encoder.as_mut().ok_or_else(finished)?.flush()?)
            }))
        },
    )?;
    compression.suspending(
        "[method]encoder.finish",
        COMPRESS.operation,
        |state, (encoder,): (Resource<Open<Encoder>>,)| {
            let coder = state.table.get(&encoder)?.coder.clone();
            Ok(state.with_coder(coder, false, COMPRESS, |encoder| {
                Ok(encoder.take().ok_or_else(finished)?.finish()?)
            }))
        },
    )
}

fn link_decoder(compression: &mut Interface<'_>) -> wasmtime::Result<()> {
    compression.resource::<Open<Decoder>>("decoder")?;
    compression.immediate("open-decoder", |state, (format,): (Format,)| {
        let coding = format.coding();
        state.open(coding, || Ok(Decoder::new(coding)?))
    })?;
    compression.suspending(
        "[method]decoder.write",
        DECOMPRESS.operation,
        |state, (decoder, data): (Resource<Open<Decoder>>, Vec<u8>)| {
            let coder = state.table.get(&decoder)?.coder.clone();
            Ok(state.with_coder(coder, false, DECOMPRESS, |decoder| decode(decoder, data)))
        },
    )?;
    compression.suspending(
        "[method]decoder.finish",
        DECOMPRESS.operation,
        |state, (decoder,): (Resource<Open<Decoder>>,)| {
            let coder = state.table.get(&decoder)?.coder.clone();
            Ok(state.with_coder(coder, true, DECOMPRESS, |decoder| {
                let decoder = decoder.take().ok_or_else(finished)?;
                if decoder.is_complete() { Ok(()) } else { Err(incomplete()) }
            }))
        },
    )
}

fn finished() -> Error {
    Error::Invalid("the coder is finished".to_owned())
}

fn incomplete() -> Error {
    Error::Invalid("the input ends early, or has not been read to its end".to_owned())
}

fn level_of(coding: Coding, level: Option<u32>) -> Result<u32, Error> {
    let level = level.unwrap_or(coding.default_level());
    if coding.levels().contains(&level) {
        return Ok(level);
    }
    Err(Error::Invalid(format!("{} has no level {level} here", coding.name())))
}

/// Whether compressing so much is done before a host thread would have begun. brotli never is.
fn is_brief(coding: Coding, bytes: usize) -> bool {
    coding != Coding::Brotli && bytes <= limits::COMPRESSED_AT_ONCE_BYTES_MAX
}

fn compressing(bytes: usize) -> Work {
    if bytes > limits::COMPRESSED_QUICKLY_BYTES_MAX { COMPRESS_MUCH } else { COMPRESS }
}

fn compress(coding: Coding, level: Option<u32>, data: &[u8]) -> Result<Vec<u8>, Error> {
    Ok(encode(coding, level_of(coding, level)?, data)?)
}

fn decompress(coding: Coding, data: Vec<u8>, max: usize) -> Result<Vec<u8>, Error> {
    let mut decoder = Decoder::new(coding)?;
    decoder.write(data);
    // One more tells whether there is more.
    let output = decoder.read(max + 1)?;
    if output.len() > max {
        return Err(Error::TooLarge);
    }
    if decoder.is_complete() { Ok(output) } else { Err(incomplete()) }
}

fn decode(decoder: &mut Option<Decoder>, data: Vec<u8>) -> Result<Vec<u8>, Error> {
    let open = decoder.as_mut().ok_or_else(finished)?;
    if !data.is_empty() && open.waiting() > limits::DECODER_INPUT_BYTES_MAX {
        return Err(Error::TooLarge);
    }
    open.write(data);
    // After a fault nothing more can be made of it.
    open.read(limits::DECODER_OUTPUT_BYTES_MAX).map_err(|malformed| {
        *decoder = None;
        malformed.into()
    })
}

impl GuestState {
    /// Opens a coder, unless the handler has too many of them.
    fn open<C: Send + 'static>(
        &mut self,
        coding: Coding,
        make: impl FnOnce() -> Result<C, Error>,
    ) -> wasmtime::Result<Result<Resource<Open<C>>, Error>> {
        let GuestContext { coders, .. } = &*self.context;
        if Arc::strong_count(coders) > limits::CODERS_MAX {
            return Ok(Err(Error::Busy));
        }
        let place = coders.clone();
        let coder = match make() {
            Ok(coder) => Arc::new(Mutex::new(Some(coder))),
            Err(error) => return Ok(Err(error)),
        };
        Ok(Ok(self.table.push(Open { coder, coding, _place: place })?))
    }

    /// Does work with a coder, which a host thread may have in its hands: then it is waited for on the
    /// loop, so that no other host thread is.
    fn with_coder<C, T, J>(
        &self,
        coder: Arc<Mutex<Option<C>>>,
        is_brief: bool,
        work: Work,
        job: J,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<C, T, J>
    where
        C: Send + 'static,
        J: FnOnce(&mut Option<C>) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        if Arc::strong_count(&coder) > limits::CODER_CALLS_MAX {
            return Either::Left(ready(Err(Error::Busy)));
        }
        // Now, for one that is called later must not come before.
        let free = match coder.clone().try_lock_owned() {
            Ok(mut coder) if is_brief => return Either::Left(ready(job(&mut coder))),
            free => free.ok(),
        };
        let hop = self.hop();
        Either::Right(async move {
            let mut open = match free {
                Some(open) => open,
                None => coder.lock_owned().await,
            };
            // One in whose hands it panics leaves none.
            let job = move || {
                let mut coder = open.take();
                let result = job(&mut coder);
                *open = coder;
                result
            };
            hop.blocking(work, job).await
        })
    }
}
