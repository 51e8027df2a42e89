//! `hob:host/compression`. Bytes come and go as they are.

use crate::hob::host::compression::{self, Error, Format};

use crate::{Arguments, Outcome};

pub(crate) fn call(function: &str, arguments: &Arguments, body: Vec<u8>) -> Outcome {
    answer(function, arguments, body).map_err(|error| match error {
        Error::Invalid(_) => "Invalid".to_owned(),
        Error::TooLarge => "TooLarge".to_owned(),
        Error::Busy => "Busy".to_owned(),
        Error::Failed(why) => format!("Failed({why:?})"),
    })
}

fn answer(function: &str, arguments: &Arguments, body: Vec<u8>) -> Result<Vec<u8>, Error> {
    let level = arguments.option("level").map(|level| level.parse().expect("a number"));
    let (length, pieces) = (arguments.number("length") as u32, arguments.number("pieces"));
    let format = match arguments.text("what").as_str() {
        "gzip" => Format::Gzip,
        "deflate" => Format::Deflate,
        "brotli" => Format::Brotli,
        _ => Format::Zstd,
    };
    match function {
        "compress" => compression::compress(format, level, &body),
        "decompress" => compression::decompress(format, &body, length),
        "encode" => {
            let encoder = compression::open_encoder(format, level)?;
            let mut out = Vec::new();
            for piece in body.chunks(pieces as usize) {
                out.extend(encoder.write(piece)?);
                out.extend(encoder.flush()?);
            }
            out.extend(encoder.finish()?);
            Ok(out)
        }
        "decode" => {
            let decoder = compression::open_decoder(format)?;
            let mut out = Vec::new();
            for piece in body.chunks(pieces as usize) {
                let mut more = decoder.write(piece)?;
                while !more.is_empty() {
                    out.extend(more);
                    more = decoder.write(&[])?;
                }
            }
            decoder.finish()?;
            Ok(out)
        }
        // How many bytes came out, and in the largest step; nothing is kept.
        "count" => {
            let decoder = compression::open_decoder(format)?;
            let (mut total, mut largest) = (0, 0);
            let mut more = decoder.write(&body)?;
            while !more.is_empty() {
                total += more.len();
                largest = largest.max(more.len());
                more = decoder.write(&[])?;
            }
            decoder.finish()?;
            Ok(format!("{total} {largest}").into_bytes())
        }
        // Does not drain.
        "overfill" => {
            let decoder = compression::open_decoder(format)?;
            for _ in 0..pieces {
                decoder.write(&body)?;
            }
            Ok(Vec::new())
        }
        "finish-early" => {
            let decoder = compression::open_decoder(format)?;
            decoder.write(&body)?;
            decoder.finish()?;
            Ok(Vec::new())
        }
        "open" => {
            let open: Result<Vec<_>, _> =
                (0..pieces).map(|_| compression::open_encoder(format, level)).collect();
            Ok(open?.len().to_string().into_bytes())
        }
        _ => Err(Error::Failed("no such function".to_owned())),
    }
}
