//! `hob:host/compression`. Bytes come and go as they are.

use hob_sdk::compression::{self, Error, Format};

use crate::{Arguments, Outcome};

pub(crate) async fn call(function: &str, arguments: Arguments, body: Vec<u8>) -> Outcome {
    answer(function, arguments, body).await.map_err(|error| match error {
        Error::Invalid(_) => "Invalid".to_owned(),
        error => format!("{error:?}"),
    })
}

async fn answer(function: &str, arguments: Arguments, body: Vec<u8>) -> Result<Vec<u8>, Error> {
    let Arguments { what, level, length, pieces, .. } = arguments;
    let format = match what.as_str() {
        "gzip" => Format::Gzip,
        "deflate" => Format::Deflate,
        "brotli" => Format::Brotli,
        _ => Format::Zstd,
    };
    match function {
        "compress" => compression::compress(format, level, body).await,
        "decompress" => compression::decompress(format, body, length).await,
        "encode" => {
            let mut encoder = compression::encoder(format, level)?;
            let mut out = Vec::new();
            for piece in body.chunks(pieces as usize) {
                out.extend(encoder.write(piece).await?);
                out.extend(encoder.flush().await?);
            }
            out.extend(encoder.finish().await?);
            Ok(out)
        }
        "decode" => {
            let mut decoder = compression::decoder(format)?;
            let mut out = Vec::new();
            for piece in body.chunks(pieces as usize) {
                let mut more = decoder.write(piece).await?;
                while !more.is_empty() {
                    out.extend(more);
                    more = decoder.more().await?;
                }
            }
            decoder.finish().await?;
            Ok(out)
        }
        // How many bytes came out, and in the largest step; nothing is kept.
        "count" => {
            let mut decoder = compression::decoder(format)?;
            let (mut total, mut largest) = (0, 0);
            let mut more = decoder.write(body).await?;
            while !more.is_empty() {
                total += more.len();
                largest = largest.max(more.len());
                more = decoder.more().await?;
            }
            decoder.finish().await?;
            Ok(format!("{total} {largest}").into_bytes())
        }
        // Does not drain.
        "overfill" => {
            let mut decoder = compression::decoder(format)?;
            for _ in 0..pieces {
                decoder.write(body.clone()).await?;
            }
            Ok(Vec::new())
        }
        "finish-early" => {
            let mut decoder = compression::decoder(format)?;
            decoder.write(body).await?;
            decoder.finish().await?;
            Ok(Vec::new())
        }
        "open" => {
            let open: Result<Vec<_>, _> =
                (0..pieces).map(|_| compression::encoder(format, level)).collect();
            Ok(open?.len().to_string().into_bytes())
        }
        _ => Err(Error::Failed("no such function".to_owned())),
    }
}
