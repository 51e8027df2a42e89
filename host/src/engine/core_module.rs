//! Owns what makes a component of a program that was built as a core module for WASI preview 1: the
//! adapter that Wasmtime's authors publish is put around it. So there is one way to run a program.

use std::convert::Infallible;
use std::path::Path;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
};
use wasm_encoder::ImportSection;
use wasm_encoder::reencode::{Error, Reencode};
use wasmparser::{ImportSectionReader, Parser};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::component_file::FileError;

/// What a program calls to end with a code. The adapter knows only of success and failure.
const EXIT: &str = "wasi:cli/exit@0.2.12";
const EXIT_FUNCTION: &str = "exit-with-code";

/// The interface of that function, as WASI has it.
const EXIT_WIT: &str = "
    package wasi:cli@0.2.12;
    interface exit {
      @since(version = 0.2.0)
      exit: func(status: result);
      @since(version = 0.2.12)
      exit-with-code: func(status-code: u8);
    }
    world exits {
      import exit;
    }
";

/// The program as a component that exports `wasi:cli/run`.
///
/// # Errors
/// When it is no program, or imports something else than WASI preview 1.
pub(super) fn to_component(path: &Path, module: &[u8]) -> Result<Vec<u8>, FileError> {
    let component = with_exit_code(module)
        .map_err(|error| error.to_string())
        .and_then(described)
        .and_then(|module| adapted(&module));
    component.map_err(|why| FileError::NoProgram(path.to_owned(), why))
}

/// The module with its exit going past the adapter.
fn with_exit_code(module: &[u8]) -> Result<wasm_encoder::Module, Error<Infallible>> {
    let mut moved = wasm_encoder::Module::new();
    ExitCode.parse_core_module(&mut moved, Parser::new(0), module)?;
    Ok(moved)
}

/// Copies a module, with another name for the import that ends it. A code is a number of 32 bits in
/// either; of the new one eight of them count.
struct ExitCode;

impl Reencode for ExitCode {
    type Error = Infallible;

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: ImportSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        for import in section.into_imports() {
            let import = import?;
            let is_exit =
                import.module == WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME && import.name == "proc_exit";
            let (module, name) =
                if is_exit { (EXIT, EXIT_FUNCTION) } else { (import.module, import.name) };
            imports.import(module, name, self.entity_type(import.ty)?);
        }
        Ok(())
    }
}

/// The module with a word on the interface that it imports now.
fn described(module: wasm_encoder::Module) -> Result<Vec<u8>, String> {
    let mut bytes = module.finish();
    let mut wit = Resolve::default();
    let embedded = wit.push_source("exit.wit", EXIT_WIT).and_then(|package| {
        let world = wit.select_world(&[package], None)?;
        embed_component_metadata(&mut bytes, &wit, world, StringEncoding::UTF8)
    });
    embedded.map(|()| bytes).map_err(|error| format!("{error:#}"))
}

/// The component around a module.
fn adapted(module: &[u8]) -> Result<Vec<u8>, String> {
    let (name, adapter) =
        (WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER);
    // What comes out is validated by the compiler.
    let encoder = ComponentEncoder::default().validate(false);
    let component = encoder
        .module(module)
        .and_then(|encoder| encoder.adapter(name, adapter))
        .and_then(|mut encoder| encoder.encode());
    component.map_err(|error| format!("{error:#}"))
}
