//! The attribute that makes a function a handler.
#![deny(missing_docs)]

use proc_macro::TokenStream;
use quote::quote;
use syn::{ItemFn, parse_macro_input};

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
    let arguments = proc_macro2::TokenStream::from(arguments);
    let function = parse_macro_input!(item as ItemFn);
    expand(arguments, function).unwrap_or_else(syn::Error::into_compile_error).into()
}

fn expand(
    arguments: proc_macro2::TokenStream,
    function: ItemFn,
) -> syn::Result<proc_macro2::TokenStream> {
    if !arguments.is_empty() {
        return Err(syn::Error::new_spanned(arguments, "`handler` takes no arguments"));
    }
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        return Err(syn::Error::new_spanned(signature.fn_token, "a handler is an `async fn`"));
    }
    if signature.inputs.len() != 1 || !signature.generics.params.is_empty() {
        let message = "a handler takes one argument, the `hob_sdk::Request`";
        return Err(syn::Error::new_spanned(signature, message));
    }
    let name = &signature.ident;
    Ok(quote! {
        #function

        const _: () = {
            struct Component;

            impl ::hob_sdk::Handler for Component {
                async fn handle(
                    request: ::hob_sdk::Request,
                ) -> ::hob_sdk::Result<::hob_sdk::Response> {
                    ::hob_sdk::Answer::into_result(#name(request).await)
                }
            }

            #[cfg(target_family = "wasm")]
            ::hob_sdk::bindings::export!(Component with_types_in ::hob_sdk::bindings);
        };
    })
}
