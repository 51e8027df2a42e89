//! Takes a picture, and answers with a small one. Decoding it takes too long for the event loop, so
//! that is the work of a module, `thumbnail`.

use hob_sdk::http::Method;
use hob_sdk::offload::{self, Error as OffloadError};
use hob_sdk::{Error, Request, Response, Result};

/// How large a picture may be, in bytes. The module takes no more.
const PICTURE_MAX: usize = 16 * 1024 * 1024;

#[hob_sdk::handler]
async fn handle(mut request: Request) -> Result<Response> {
    if request.method() != Method::POST {
        return Ok(Response::text("only POST\n").with_status(405).with_header("allow", "POST"));
    }
    let picture = request.take_body().with_limit(PICTURE_MAX).bytes().await?;
    let thumbnail = match offload::run("thumbnail", picture).await {
        // It is no picture, or none of a kind that the module knows.
        Err(OffloadError::Rejected(why)) => return Err(Error::status(422, why)),
        // Few bytes may be many pixels.
        Err(OffloadError::MemoryLimit | OffloadError::CpuLimit) => {
            return Err(Error::status(413, "the picture is too large"));
        }
        // That the server is busy, or too slow for it, is told to the client by the `?`.
        thumbnail => thumbnail?,
    };
    Ok(Response::bytes(thumbnail).with_header("content-type", "image/png"))
}
