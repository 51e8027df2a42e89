//! What wit-bindgen makes of `wit/`: the only `unsafe` code of this crate.
#![allow(missing_docs, unsafe_code)]

wit_bindgen::generate!({
    path: "wit",
    world: "handler",
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "hob_sdk::bindings",
});
