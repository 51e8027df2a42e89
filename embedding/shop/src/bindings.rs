//! Owns the shop's WIT in Rust: one module for each world.

/// Plug-ins that make a cart cheaper, and what both kinds import.
pub(crate) mod discounts {
    hob::wasmtime::component::bindgen!({
        path: "wit",
        world: "discounts",
        imports: { "shop:plugins/catalog.stock": async },
        exports: { default: async },
        require_store_data_send: true,
        wasmtime_crate: hob::wasmtime,
    });
}

/// Plug-ins that suggest more. Their export is async: an instance could have several calls under way.
pub(crate) mod suggestions {
    hob::wasmtime::component::bindgen!({
        path: "wit",
        world: "suggestions",
        exports: { default: async },
        require_store_data_send: true,
        wasmtime_crate: hob::wasmtime,
        with: { "shop:plugins": super::discounts::shop::plugins },
    });
}
