//! The attributes that make a function a handler, or a job.
#![deny(missing_docs)]

mod role;

use proc_macro::TokenStream;
use syn::{ItemFn, parse_macro_input};

use role::Role;

/// Makes an async function from a request to an answer the handler of this component.
///
/// The component then exports `hob:host/handler` and `wasi:http/handler`. There is one in a
/// component; it takes no arguments.
///
/// ```
/// #[hob_sdk::handler]
/// async fn handle(request: hob_sdk::Request) -> hob_sdk::Result<hob_sdk::Response> {
///     Ok(hob_sdk::Response::text("hello world\n"))
/// }
/// # fn main() {}
/// ```
#[proc_macro_attribute]
pub fn handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(Role::Handler, arguments, parse_macro_input!(item as ItemFn))
}

/// Makes an async function from bytes to bytes the work that this component does for handlers, which
/// `offload` it.
///
/// The component then exports `hob:host/job`. The function takes the input as a `Vec<u8>`, and gives a
/// `Result` of the output, a `Vec<u8>`, and of any error that can be displayed: its text is the job's
/// own report to its caller that it could not do it, `offload::Error::Rejected` there. A panic is
/// `offload::Error::Trapped`. There is one job in a component; the attribute takes no arguments.
///
/// ```
/// use std::string::FromUtf8Error;
///
/// #[hob_sdk::job]
/// async fn sort_lines(input: Vec<u8>) -> Result<Vec<u8>, FromUtf8Error> {
///     let text = String::from_utf8(input)?;
///     let mut lines: Vec<&str> = text.lines().collect();
///     lines.sort_unstable();
///     Ok(lines.join("\n").into_bytes())
/// }
/// # fn main() {}
/// ```
#[proc_macro_attribute]
pub fn job(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(Role::Job, arguments, parse_macro_input!(item as ItemFn))
}

/// Makes an async function the work that this component does for handlers, piece by piece: its input
/// comes by `caller::receive`, and its output goes by `caller::send`.
///
/// The component then exports `hob:host/streaming-job`. The function takes no arguments, and gives a
/// `Result` of nothing, and of any error that can be displayed, as that of a `job`. A component that
/// is a `job` too is called through this one.
///
/// ```
/// use hob_sdk::caller;
///
/// #[hob_sdk::streaming_job]
/// async fn count_lines() -> Result<(), caller::Error> {
///     let mut lines = 0;
///     while let Some(piece) = caller::receive().await {
///         lines += piece.iter().filter(|byte| **byte == b'\n').count();
///     }
///     caller::send(format!("{lines}\n")).await
/// }
/// # fn main() {}
/// ```
#[proc_macro_attribute]
pub fn streaming_job(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(Role::StreamingJob, arguments, parse_macro_input!(item as ItemFn))
}

fn expand(role: Role, arguments: TokenStream, function: ItemFn) -> TokenStream {
    let expanded = role::expand(role, arguments.into(), function);
    expanded.unwrap_or_else(syn::Error::into_compile_error).into()
}
