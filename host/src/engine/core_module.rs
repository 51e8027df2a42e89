//! Owns what makes a component of a program that was built as a core module for WASI preview 1: the
//! adapter that Wasmtime's authors publish is put around it. So there is one way to run a program.

use std::path::Path;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
};
use wit_component::ComponentEncoder;

use super::component_file::FileError;

/// The program as a component that exports `wasi:cli/run`.
///
/// # Errors
/// When it is no program, or imports something else than WASI preview 1.
pub(super) fn to_component(path: &Path, module: &[u8]) -> Result<Vec<u8>, FileError> {
    let adapter = (WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER);
    let component = ComponentEncoder::default()
        // The compiler does that.
        .validate(false)
        .module(module)
        .and_then(|encoder| encoder.adapter(adapter.0, adapter.1))
        .and_then(|mut encoder| encoder.encode());
    component.map_err(|error| FileError::NoProgram(path.to_owned(), format!("{error:#}")))
}
