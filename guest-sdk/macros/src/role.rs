//! What a function is made to be: the one that a component exports.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Ident, ItemFn};

/// What a component can be, and an attribute of that name.
#[derive(Clone, Copy)]
pub(crate) enum Role {
    Handler,
    Job,
    StreamingJob,
}

impl Role {
    /// The attribute's name.
    fn attribute(self) -> &'static str {
        match self {
            Role::Handler => "handler",
            Role::Job => "job",
            Role::StreamingJob => "streaming_job",
        }
    }

    /// What its function takes, in words, and how many arguments that is.
    fn parameters(self) -> (&'static str, usize) {
        match self {
            Role::Handler => ("one argument, the `hob_sdk::Request`", 1),
            Role::Job => ("one argument, the input as a `Vec<u8>`", 1),
            Role::StreamingJob => ("no arguments: its input comes by `hob_sdk::caller`", 0),
        }
    }

    /// The implementation of what the component exports.
    fn implementation(self, function: &Ident) -> TokenStream {
        match self {
            Role::Handler => quote! {
                impl ::hob_sdk::Handler for Component {
                    async fn handle(
                        request: ::hob_sdk::Request,
                    ) -> ::hob_sdk::Result<::hob_sdk::Response> {
                        ::hob_sdk::Answer::into_result(#function(request).await)
                    }
                }
            },
            Role::Job => quote! {
                impl ::hob_sdk::bindings::job::exports::hob::host::job::Guest for Component {
                    async fn run(
                        input: ::std::vec::Vec<u8>,
                    ) -> ::core::result::Result<::std::vec::Vec<u8>, ::std::string::String> {
                        ::hob_sdk::report(#function(input)).await
                    }
                }
            },
            Role::StreamingJob => quote! {
                impl ::hob_sdk::bindings::streaming_job::exports::hob::host::streaming_job::Guest
                    for Component
                {
                    async fn run() -> ::core::result::Result<(), ::std::string::String> {
                        ::hob_sdk::report(#function()).await
                    }
                }
            },
        }
    }

    /// The bindings that export it.
    fn bindings(self) -> TokenStream {
        match self {
            Role::Handler => quote!(::hob_sdk::bindings),
            Role::Job => quote!(::hob_sdk::bindings::job),
            Role::StreamingJob => quote!(::hob_sdk::bindings::streaming_job),
        }
    }
}

/// The function, and the component that exports it.
pub(crate) fn expand(
    role: Role,
    arguments: TokenStream,
    function: ItemFn,
) -> syn::Result<TokenStream> {
    let attribute = role.attribute();
    let role_name = attribute.replace('_', " ");
    if !arguments.is_empty() {
        let message = format!("`{attribute}` takes no arguments");
        return Err(syn::Error::new_spanned(arguments, message));
    }
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        let message = format!("a {role_name} is an `async fn`");
        return Err(syn::Error::new_spanned(signature.fn_token, message));
    }
    let (words, count) = role.parameters();
    if signature.inputs.len() != count || !signature.generics.params.is_empty() {
        let message = format!("a {role_name} takes {words}");
        return Err(syn::Error::new_spanned(signature, message));
    }
    let implementation = role.implementation(&signature.ident);
    let bindings = role.bindings();
    Ok(quote! {
        #function

        const _: () = {
            struct Component;

            #implementation

            #[cfg(target_family = "wasm")]
            #bindings::export!(Component with_types_in #bindings);
        };
    })
}

#[cfg(test)]
mod tests {
    use proc_macro2::TokenStream;
    use quote::quote;
    use syn::parse_quote;

    use super::{Role, expand};

    fn refusal(role: Role, arguments: TokenStream, function: TokenStream) -> String {
        let function = parse_quote!(#function);
        expand(role, arguments, function).expect_err("refused").to_string()
    }

    #[test]
    fn a_function_that_does_not_fit_is_refused_with_what_would() {
        let none = TokenStream::new;
        let sync = quote!(
            fn work(input: Vec<u8>) {}
        );
        let empty = quote!(
            async fn work() {}
        );
        let one = quote!(
            async fn work(input: Vec<u8>) {}
        );
        let generic = quote!(
            async fn work<T>(input: T) {}
        );
        let wants_request = "a handler takes one argument, the `hob_sdk::Request`";
        let wants_input = "a job takes one argument, the input as a `Vec<u8>`";
        let wants_nothing =
            "a streaming job takes no arguments: its input comes by `hob_sdk::caller`";
        assert_eq!(refusal(Role::Handler, none(), empty.clone()), wants_request);
        assert_eq!(refusal(Role::Job, none(), empty.clone()), wants_input);
        assert_eq!(refusal(Role::Job, none(), generic), wants_input);
        assert_eq!(refusal(Role::StreamingJob, none(), one.clone()), wants_nothing);
        assert_eq!(refusal(Role::Job, none(), sync.clone()), "a job is an `async fn`");
        assert_eq!(refusal(Role::Handler, none(), sync), "a handler is an `async fn`");
        assert_eq!(refusal(Role::Job, quote!(fast), one), "`job` takes no arguments");
        let refused = refusal(Role::StreamingJob, quote!(fast), empty);
        assert_eq!(refused, "`streaming_job` takes no arguments");
    }

    #[test]
    fn a_component_exports_what_its_attribute_says_and_nothing_else() {
        let exported = |role, function: TokenStream| {
            let function = parse_quote!(#function);
            expand(role, TokenStream::new(), function).expect("it fits").to_string()
        };
        let job = exported(
            Role::Job,
            quote!(
                async fn work(input: Vec<u8>) -> Output {}
            ),
        );
        assert!(job.contains("bindings :: job :: export !"), "{job}");
        assert!(!job.contains("streaming") && !job.contains("Handler"), "{job}");
        let streaming = exported(
            Role::StreamingJob,
            quote!(
                async fn work() -> Output {}
            ),
        );
        assert!(streaming.contains("bindings :: streaming_job :: export !"), "{streaming}");
        assert!(!streaming.contains("Handler"), "{streaming}");
    }
}
