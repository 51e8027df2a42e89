//! Owns the table `[deploy]`: what is asked of those who deploy while the server runs, and of what they
//! deploy.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Value;

use super::Checker;
use super::source::{Source, Written};
use super::spanned::Spanned;
use crate::capabilities::Secret;
use crate::limits;
use crate::tenants::Host;

/// What is asked of those who deploy, and of what they deploy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeployConfig {
    /// What operators must show. None: what is in the file `token` of the folder for deployments, which
    /// only this user can read.
    pub token: Option<Secret>,
    /// How a new version is judged.
    pub trial: TrialTerms,
    /// What the host names of versions end with, if they have any.
    pub preview_host: Option<String>,
}

/// By how many of its first requests a version is judged, and how many may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialTerms {
    /// Requests until it has passed; 0: it is not judged.
    pub requests: u32,
    /// Of a hundred, those that may fail.
    pub failures_percent: u32,
}

impl Default for TrialTerms {
    fn default() -> Self {
        TrialTerms {
            requests: limits::TRIAL_REQUESTS,
            failures_percent: limits::TRIAL_FAILURES_PERCENT,
        }
    }
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Deploy")]
pub(super) struct File {
    /// What operators must show; by default what hob has put into a file.
    #[schemars(with = "Option<Written>")]
    token: Option<Spanned<Value>>,
    trial_requests: Option<Spanned<u32>>,
    trial_failures_percent: Option<Spanned<u32>>,
    /// What the host names of versions end with; by default they have none.
    preview_host: Option<Spanned<String>>,
}

impl Checker<'_> {
    pub(super) fn deploy(&mut self, file: File) -> DeployConfig {
        let defaults = TrialTerms::default();
        let token = file.token.and_then(|value| self.token(&value));
        let requests = self.number(
            "deploy.trial_requests",
            file.trial_requests,
            0..=limits::TRIAL_REQUESTS_MAX,
            defaults.requests,
        );
        let failures_percent = self.number(
            "deploy.trial_failures_percent",
            file.trial_failures_percent,
            0..=99,
            defaults.failures_percent,
        );
        let preview_host = file.preview_host.and_then(|host| self.preview_host(&host));
        DeployConfig { token, trial: TrialTerms { requests, failures_percent }, preview_host }
    }

    fn preview_host(&mut self, given: &Spanned<String>) -> Option<String> {
        match Host::parse(given.get_ref()) {
            Ok(Host::Exact(name)) => Some(name),
            Ok(_) => {
                let what =
                    "`deploy.preview_host` is what the names end with; write it without `*.`";
                self.fault(given.span().start, what);
                None
            }
            Err(why) => {
                self.fault(given.span().start, &format!("`deploy.preview_host`: {why}"));
                None
            }
        }
    }

    /// Too short a token could be guessed. What is in it is not shown.
    fn token(&mut self, value: &Spanned<Value>) -> Option<Secret> {
        let read = match Source::of(value.get_ref()) {
            None => Err("does not say where the token is; write { file = \"path\" } or \
                         { env = \"VARIABLE\" }"
                .to_owned()),
            Some(source) => source.read(self.folder(), "token"),
        };
        let long_enough = read.and_then(|token| {
            if token.len() >= limits::TOKEN_BYTES_MIN {
                Ok(token)
            } else {
                Err(format!("it has less than {} bytes", limits::TOKEN_BYTES_MIN))
            }
        });
        match long_enough {
            Ok(token) => Some(Secret::new(token)),
            Err(why) => {
                self.fault(value.span().start, &format!("`deploy.token`: {why}"));
                None
            }
        }
    }
}
