//! What wit-bindgen makes of `wit/`: the only `unsafe` code of this crate.
#![allow(missing_docs, unsafe_code)]

wit_bindgen::generate!({
    path: "wit",
    world: "handler",
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "hob_sdk::bindings",
});

/// What a job exports; what it imports is above. A world of its own, for a component has all exports
/// of its world.
pub mod job {
    wit_bindgen::generate!({
        path: "wit",
        world: "job",
        pub_export_macro: true,
        default_bindings_module: "hob_sdk::bindings::job",
    });
}

/// What a streaming job exports.
pub mod streaming_job {
    wit_bindgen::generate!({
        path: "wit",
        world: "streaming-job",
        pub_export_macro: true,
        default_bindings_module: "hob_sdk::bindings::streaming_job",
    });
}
