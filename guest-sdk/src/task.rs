//! Work beside the answer.

/// Runs `work` beside the handler, and on after it has answered.
///
/// The host keeps the instance until the work ends, within the limits it has set, and counts it
/// to the request. So this is for what may take a moment longer than the client should wait for,
/// not for a service of its own.
///
/// ```no_run
/// # use hob_sdk::{Request, Response, Result};
/// #[hob_sdk::handler]
/// async fn handle(_: Request) -> Result<Response> {
///     hob_sdk::spawn(async {
///         hob_sdk::time::sleep(std::time::Duration::from_millis(50)).await;
///         println!("done after the answer");
///     });
///     Ok(Response::text("accepted\n").with_status(202))
/// }
/// # fn main() {}
/// ```
pub fn spawn(work: impl Future<Output = ()> + 'static) {
    wit_bindgen::spawn_local(work);
}
