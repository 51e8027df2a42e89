//! Owns the reasons why a server does not start, or does not serve what it is to serve from now on.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::unfit::Unfit;
use crate::capabilities::StoreError;
use crate::deployments::StoreFault;
use crate::engine::FileError;
use crate::handlers::DeployError;
use crate::jobs::ModuleError;
use crate::wire::{CertificateError, TlsError};

/// Why a server does not start. The message says what is wrong, where, and what to do.
#[derive(Debug)]
pub enum StartError {
    /// A component's file.
    File(FileError),
    /// A component.
    Deploy(DeployError),
    /// A version that was deployed while a server ran.
    Version(Box<Unfit>),
    /// A module.
    Module(ModuleError),
    /// What a tenant keeps.
    Store(StoreError),
    /// What outbound requests trust.
    Trust(TlsError),
    /// What the second listener shows of itself.
    Certificate(CertificateError),
    /// What was deployed while a server ran.
    Deployments(StoreFault),
    /// The place for the process that comes next.
    Handover(PathBuf, io::Error),
    /// A folder that a route serves.
    Folder(PathBuf, io::Error),
    /// A listening address.
    Listen(SocketAddr, io::Error),
    /// The machine refuses something else: a thread, a descriptor.
    System(&'static str, io::Error),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StartError::File(error) => error.fmt(f),
            StartError::Deploy(error) => error.fmt(f),
            StartError::Version(unfit) => unfit.fmt(f),
            StartError::Module(error) => error.fmt(f),
            StartError::Store(error) => error.fmt(f),
            StartError::Trust(error) => error.fmt(f),
            StartError::Certificate(error) => {
                write!(f, "{error} (the second listener's `admin_certificate` and `admin_key`)")
            }
            StartError::Deployments(error) => error.fmt(f),
            StartError::Folder(path, error) => {
                let path = path.display();
                write!(f, "cannot serve the folder {path}: {error}; let hob read it")
            }
            StartError::Listen(address, error) if error.kind() == io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "cannot listen on {address}: another program does; stop it, or choose another \
                     address with --listen or --admin (port 0 takes a free one)"
                )
            }
            StartError::Listen(address, error)
                if error.kind() == io::ErrorKind::AddrNotAvailable =>
            {
                write!(f, "cannot listen on {address}: {error}; choose an address of this machine")
            }
            StartError::Listen(address, error)
                if error.kind() == io::ErrorKind::PermissionDenied =>
            {
                write!(
                    f,
                    "cannot listen on {address}: {error}; a port below 1024 needs a privilege: \
                     give hob the capability CAP_NET_BIND_SERVICE, or choose a port from 1024 up"
                )
            }
            StartError::Handover(path, error) => write!(
                f,
                "cannot wait at {} for the process that comes next: {error}; choose a path in a \
                 folder of this user's with --handover",
                path.display()
            ),
            StartError::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            StartError::System(what, error) => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}
