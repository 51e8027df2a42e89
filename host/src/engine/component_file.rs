//! Owns the first look at a `.wasm` file, before anything is compiled: whether it is a component
//! at all, and what it imports and exports.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};

use super::{Generation, core_module};
use crate::limits;

/// A component as it lies on disk.
#[derive(Clone)]
pub struct ComponentFile {
    /// Where it was read from.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
    /// What tells its content from any other.
    pub digest: ContentDigest,
    /// What it wants from the host, by name.
    pub imports: Vec<String>,
    /// What it offers, by name.
    pub exports: Vec<String>,
}

/// The SHA-256 of a file's content; shown in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentDigest([u8; 32]);

impl ContentDigest {
    /// The digest of this content.
    pub fn of(content: &[u8]) -> Self {
        ContentDigest(Sha256::digest(content).into())
    }
}

impl std::fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why a file is no component. The message names the file and says what to do.
#[derive(Debug)]
pub enum FileError {
    /// It cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// It is longer than a component may be.
    TooLarge(PathBuf),
    /// It is a Wasm module without the component around it.
    CoreModule(PathBuf),
    /// It is something else.
    NotWasm(PathBuf),
    /// It begins as a component and does not end as one.
    Broken(PathBuf, String),
    /// It is a Wasm module without the component around it, and no program for WASI either.
    NoProgram(PathBuf, String),
}

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FileError::Unreadable(path, error) => {
                write!(f, "cannot read {}: {error}", path.display())
            }
            FileError::TooLarge(path) => write!(
                f,
                "{} is larger than {} MiB, and a component may not be: name a .wasm file that a \
                 component toolchain has made, without its debug information",
                path.display(),
                limits::COMPONENT_FILE_BYTES_MAX >> 20
            ),
            FileError::CoreModule(path) => write!(
                f,
                "{} is a core WebAssembly module, not a component; build it for a component \
                 target (Rust: --target wasm32-wasip2), or wrap it with `wasm-tools component new`",
                path.display()
            ),
            FileError::NotWasm(path) => write!(
                f,
                "{} is not a WebAssembly component: it does not begin with \\0asm; name a .wasm \
                 file that a component toolchain has made",
                path.display()
            ),
            FileError::Broken(path, why) => write!(
                f,
                "{} is damaged or was not written to its end: {why}; build or copy it again",
                path.display()
            ),
            FileError::NoProgram(path, why) => write!(
                f,
                "{} is a core WebAssembly module that is no program for WASI preview 1: {why}; \
                 build it as a program (Rust: --target wasm32-wasip1), or as a component that \
                 exports hob:host/job",
                path.display()
            ),
        }
    }
}

impl std::error::Error for FileError {}

#[expect(clippy::disallowed_methods, reason = "components are read off the loop's thread")]
fn contents(path: &Path) -> Result<Vec<u8>, FileError> {
    let read = || {
        let mut contents = Vec::new();
        // One byte more: a file may be as large as that, and not larger.
        let mut file = File::open(path)?.take(limits::COMPONENT_FILE_BYTES_MAX + 1);
        file.read_to_end(&mut contents)?;
        Ok(contents)
    };
    match read() {
        Ok(contents) if contents.len() as u64 > limits::COMPONENT_FILE_BYTES_MAX => {
            Err(FileError::TooLarge(path.to_owned()))
        }
        Ok(contents) => Ok(contents),
        Err(error) => Err(FileError::Unreadable(path.to_owned(), error)),
    }
}

impl ComponentFile {
    /// Reads a file and looks at its sections.
    ///
    /// # Errors
    /// When it is not a whole component.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        Self::parse(path, contents(path)?.into())
    }

    /// Reads a file that is a component, or a program for WASI preview 1, which becomes one.
    ///
    /// # Errors
    /// When it is neither.
    pub fn read_program(path: &Path) -> Result<Self, FileError> {
        let bytes: Arc<[u8]> = contents(path)?.into();
        match Self::parse(path, bytes.clone()) {
            Err(FileError::CoreModule(_)) => {
                Self::parse(path, core_module::to_component(path, &bytes)?.into())
            }
            parsed => parsed,
        }
    }

    /// Looks at the sections of a component that has not been written to a file, and would have this
    /// path.
    ///
    /// # Errors
    /// When it is not a whole component.
    pub fn parse(path: &Path, bytes: Arc<[u8]>) -> Result<Self, FileError> {
        if !bytes.starts_with(b"\0asm") {
            return Err(FileError::NotWasm(path.to_owned()));
        }
        let broken = |error: wasmparser::BinaryReaderError| {
            FileError::Broken(path.to_owned(), error.message().to_owned())
        };
        let mut imports = Vec::new();
        let mut exports = Vec::new();
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(&bytes) {
            match payload.map_err(broken)? {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err(FileError::CoreModule(path.to_owned()));
                }
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        imports.push(import.map_err(broken)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        exports.push(export.map_err(broken)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        let digest = ContentDigest::of(&bytes);
        Ok(ComponentFile { path: path.to_owned(), bytes, digest, imports, exports })
    }

    /// The generation that a component needs which exports an interface of its own: the first, unless
    /// it has anything of what came with the second, be it an import or a function that is async.
    pub fn generation(&self) -> Generation {
        let of_wasi03 = |import: &String| {
            let (interface, version) = import.split_once('@').unwrap_or((import, ""));
            version.starts_with("0.3.")
                && ["wasi:", "hob:host/"].iter().any(|owner| interface.starts_with(owner))
        };
        if self.imports.iter().any(of_wasi03) {
            return Generation::Wasi03;
        }
        // What is wrong in other ways is not valid in the second generation either, and the compiler
        // says so.
        let without_async = WasmFeatures::all() & !WasmFeatures::CM_ASYNC;
        match Validator::new_with_features(without_async).validate_all(&self.bytes) {
            Ok(_) => Generation::Wasi02,
            Err(_) => Generation::Wasi03,
        }
    }
}
