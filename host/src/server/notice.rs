//! Owns what a server says, at its start above all, of something that is not as it should be, and is no reason
//! not to serve the rest.

use std::net::SocketAddr;

use super::set_aside::Aside;
use crate::deployments::StoreFault;
use crate::observe::Line;

/// Something that is not as it should be. The text says what is wrong, and what to do.
pub struct Notice(Said);

enum Said {
    NoDeployments(StoreFault),
    PassedOver(PassedOver),
    SetAside(Aside),
    WithoutPreviews(String),
    LeftOut(String),
    GivenUp(SocketAddr),
}

/// A deployed version that is not whole, and so is not served.
pub(super) struct PassedOver {
    pub(super) tenant: String,
    pub(super) handler: String,
    pub(super) version: String,
    /// What is wrong with it.
    pub(super) why: String,
    /// What is served in its place.
    pub(super) instead: Instead,
}

/// What is served in the place of a version.
pub(super) enum Instead {
    /// One that was served before.
    Version(String),
    /// The component of `hob.toml`.
    File,
    /// Nothing.
    Nothing,
}

impl From<StoreFault> for Notice {
    fn from(fault: StoreFault) -> Self {
        Notice(Said::NoDeployments(fault))
    }
}

impl From<PassedOver> for Notice {
    fn from(passed: PassedOver) -> Self {
        Notice(Said::PassedOver(passed))
    }
}

impl From<Aside> for Notice {
    fn from(aside: Aside) -> Self {
        Notice(Said::SetAside(aside))
    }
}

impl Notice {
    /// No version answers at a host name of its own, for this keeps one from it.
    pub(super) fn without_previews(fault: String) -> Self {
        Notice(Said::WithoutPreviews(fault))
    }

    /// A file of a watched folder is not served, for this reason.
    pub(super) fn left_out(fault: String) -> Self {
        Notice(Said::LeftOut(fault))
    }

    /// The process whose place this one takes listens at this address, and no one will.
    pub(super) fn given_up(address: SocketAddr) -> Self {
        Notice(Said::GivenUp(address))
    }
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Said::GivenUp(address) => write!(
                f,
                "{address} is given up: the hob before listened there, and this one is to listen elsewhere"
            ),
            Said::NoDeployments(fault) => write!(f, "nothing can be deployed: {fault}"),
            Said::PassedOver(PassedOver { tenant, handler, version, why, instead }) => {
                let instead = match instead {
                    Instead::Version(version) => format!("version {version} is served"),
                    Instead::File => "the component of hob.toml is served".to_owned(),
                    Instead::Nothing => "nothing is served".to_owned(),
                };
                write!(
                    f,
                    "version {version} of {tenant}/{handler} is not served: {why}; {instead} in its \
                     place; deploy it again"
                )
            }
            Said::SetAside(Aside { tenant, handler, version, why }) => write!(
                f,
                "version {version} of {tenant}/{handler} is set aside, and nothing is served of the \
                 handler: mend hob.toml and have that read again (`hob reload`), or deploy another \
                 version; {why}"
            ),
            Said::WithoutPreviews(why) => write!(
                f,
                "no version answers at a host name of its own, for one of them cannot be served: {why}"
            ),
            Said::LeftOut(why) => write!(f, "{why}; it is left out until the file has changed"),
        }
    }
}

impl Notice {
    /// The line of the log that says it.
    pub(super) fn line(&self) -> Line {
        let line = Line::new("server");
        let line = match &self.0 {
            Said::GivenUp(address) => {
                line.text("event", "address-given-up").text("address", &address.to_string())
            }
            Said::NoDeployments(_) => line.text("event", "no-deployments"),
            Said::PassedOver(passed) => line
                .text("event", "passed-over")
                .text("tenant", &passed.tenant)
                .text("handler", &passed.handler)
                .text("failed", &passed.version),
            Said::SetAside(aside) => line
                .text("event", "set-aside")
                .text("tenant", &aside.tenant)
                .text("handler", &aside.handler)
                .text("version", &aside.version),
            Said::WithoutPreviews(_) => line.text("event", "previews-left-out"),
            Said::LeftOut(_) => line.text("event", "left-out"),
        };
        line.text("detail", &self.to_string())
    }
}
