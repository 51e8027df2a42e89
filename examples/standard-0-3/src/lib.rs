//! The same twelve bytes as `hello`, by the standard interface of WASI 0.3 and with nothing of Hob.

use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{spawn_local, wit_future, wit_stream};

wasip3::http::service::export!(Hello);

struct Hello;

impl wasip3::exports::http::handler::Guest for Hello {
    async fn handle(_: Request) -> Result<Response, ErrorCode> {
        let headers = [("content-type".to_owned(), b"text/plain".to_vec())];
        let headers = Fields::from_list(&headers).expect("the name and the value are well formed");
        let (mut writer, body) = wit_stream::new();
        // Without trailers: that is what the future says when its writer is dropped.
        let (_, trailers) = wit_future::new(|| Ok(None));
        let (response, _) = Response::new(headers, Some(body), trailers);
        spawn_local(async move {
            // Some are left if the client has gone away: then there is nobody to tell.
            let _left = writer.write_all(b"hello world\n".to_vec()).await;
        });
        Ok(response)
    }
}
