//! Owns the way from a command to the server it is meant for: its address, the token, a request and
//! the answer.

#![expect(clippy::disallowed_methods, reason = "runs without a loop")]

use std::cell::{Cell, OnceCell};
use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};
use clap::Args;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::http::Response;
use ureq::tls::TlsConfig;

use super::trust;
use crate::admin::read_token;
use crate::config::check_name;
use crate::limits;
use crate::wire::SPEAKS_HTTPS;

/// Which server, and the right to change it.
#[derive(Args)]
pub(super) struct Operator {
    /// The second listener of the server: http:// or https://
    #[arg(long, value_name = "URL", env = "HOB_ADMIN", default_value = "http://127.0.0.1:8081")]
    admin: String,

    /// A file of certificates to trust beside the system's (PEM), for https://
    #[arg(long, value_name = "FILE", env = "HOB_CA")]
    ca: Option<PathBuf>,

    /// A file with the operator's token [default: $HOB_TOKEN, else .hob/token in the data folder]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// The data folder of a server on this machine that has no token in its hob.toml: the token is made
    /// there when there is none
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,

    /// Made of the system's roots at the first request that needs it.
    #[arg(skip)]
    tls: OnceCell<TlsConfig>,

    /// Whether it was said that others can read the token.
    #[arg(skip)]
    has_warned: Cell<bool>,
}

/// Which handler of it.
#[derive(Args)]
pub(super) struct Which {
    /// Whose handler it is
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(super) tenant: String,

    /// The handler's name
    #[arg(long, value_name = "NAME")]
    pub(super) handler: String,
}

impl Which {
    /// Its place in the API.
    ///
    /// # Errors
    /// When it has a name that no handler can have.
    pub(super) fn path(&self) -> Result<String> {
        let tenant = path_of_tenant(&self.tenant)?;
        check_name("handler", &self.handler).map_err(Error::msg)?;
        Ok(format!("{tenant}/handlers/{}", self.handler))
    }
}

/// The place of a tenant in the API.
///
/// # Errors
/// When no tenant can have that name.
pub(super) fn path_of_tenant(name: &str) -> Result<String> {
    check_name("tenant", name).map_err(Error::msg)?;
    Ok(format!("/v1/tenants/{name}"))
}

/// A query of the API.
type Query<'a> = &'a [(&'a str, String)];

/// What the API says when it refuses.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    message: String,
}

impl Operator {
    /// Asks for what is at a path.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let request = self.agent()?.get(self.url(path)).header("authorization", self.bearer()?);
        self.read(request.call())
    }

    /// Has something done.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        query: Query<'_>,
        body: &[u8],
    ) -> Result<T> {
        let mut request =
            self.agent()?.post(self.url(path)).header("authorization", self.bearer()?);
        for (key, value) in query {
            request = request.query(*key, value);
        }
        self.read(request.content_type("application/wasm").send(body))
    }

    /// Has something changed, as a JSON document says.
    pub(super) fn patch<T: DeserializeOwned>(&self, path: &str, body: &[u8]) -> Result<T> {
        let request = self.agent()?.patch(self.url(path)).header("authorization", self.bearer()?);
        self.read(request.content_type("application/json").send(body))
    }

    /// Has something taken away.
    pub(super) fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let request = self.agent()?.delete(self.url(path)).header("authorization", self.bearer()?);
        self.read(request.call())
    }

    fn agent(&self) -> Result<Agent> {
        let patience = Duration::from_secs(limits::OPERATOR_PATIENCE_SECONDS);
        let mut config =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(patience));
        if self.is_secure() {
            if self.tls.get().is_none() {
                let tls = trust::trusting(self.ca.as_deref())?;
                // No one else has set it meanwhile.
                let _ = self.tls.set(tls);
            }
            config = config.tls_config(self.tls.get().expect("it was set").clone());
        }
        Ok(config.build().into())
    }

    fn is_secure(&self) -> bool {
        self.url("").starts_with("https://")
    }

    fn url(&self, path: &str) -> String {
        let address = self.admin.trim_end_matches('/');
        // In lower case, for what it is decides what is trusted and what is warned of.
        match address.split_once("://") {
            Some((scheme, rest)) => format!("{}://{rest}{path}", scheme.to_ascii_lowercase()),
            None => format!("http://{address}{path}"),
        }
    }

    fn read<T: DeserializeOwned>(
        &self,
        answer: Result<Response<ureq::Body>, ureq::Error>,
    ) -> Result<T> {
        let mut answer = answer.map_err(|error| {
            let hint = trust::hint(&self.url(""), &error);
            let hint = hint.map_or(String::new(), |hint| format!("; {hint}"));
            anyhow!("cannot reach hob's second listener at {} (--admin): {error}{hint}", self.admin)
        })?;
        let text = answer.body_mut().read_to_string().context("the answer broke off")?;
        if !answer.status().is_success() {
            match serde_json::from_str::<Refusal>(&text) {
                Ok(refusal) if refusal.error == "wrong-token" => bail!(
                    "{} does not take the token of {}: name its token with --token-file or HOB_TOKEN, or, \
                     on its machine, its data folder with --data",
                    self.admin,
                    self.source_of_token()
                ),
                Ok(refusal) => bail!("{}", refusal.message),
                Err(_) if text == SPEAKS_HTTPS => {
                    bail!(
                        "{} speaks HTTPS: write https:// in place of http:// (--admin)",
                        self.admin
                    )
                }
                Err(_) => bail!("{} answered {}: is that a hob?", self.admin, answer.status()),
            }
        }
        serde_json::from_str(&text).with_context(|| {
            format!("{} answered what this hob does not know: are both of one version?", self.admin)
        })
    }

    fn bearer(&self) -> Result<String> {
        let token = self.token()?;
        if trust::is_in_clear(&self.url("/")) && !self.has_warned.replace(true) {
            eprintln!(
                "hob: warning: others can read the token on its way to {}: give the server a certificate \
                 (`admin_certificate`) and write https://, or forward the port through SSH",
                self.admin
            );
        }
        Ok(format!("Bearer {token}"))
    }

    /// Where the token is from that is shown.
    fn source_of_token(&self) -> String {
        match &self.token_file {
            Some(file) => file.display().to_string(),
            None if token_of_environment().is_some() => "HOB_TOKEN".to_owned(),
            None => self.own_token_file().display().to_string(),
        }
    }

    fn own_token_file(&self) -> PathBuf {
        self.data.join(".hob/token")
    }

    fn token(&self) -> Result<String> {
        if let Some(file) = &self.token_file {
            return read_token(file)
                .with_context(|| format!("cannot use {} (--token-file)", file.display()));
        }
        if let Some(token) = token_of_environment() {
            return Ok(token);
        }
        let file = self.own_token_file();
        if !file.exists() {
            make_token(&file).with_context(|| format!("cannot make {}", file.display()))?;
        }
        read_token(&file).with_context(|| format!("cannot use {}", file.display()))
    }
}

fn token_of_environment() -> Option<String> {
    std::env::var("HOB_TOKEN").ok().filter(|token| !token.is_empty())
}

/// Makes a token that only this user can read, in a data folder that is there.
fn make_token(file: &Path) -> Result<()> {
    let folder = file.parent().expect("a file lies in a folder");
    let data = folder.parent().expect("in the data folder");
    if !data.is_dir() {
        bail!(
            "there is no folder {}; name the server's data folder with --data, or the token with \
             HOB_TOKEN or --token-file",
            data.display()
        );
    }
    if !folder.is_dir() {
        DirBuilder::new().mode(0o700).create(folder)?;
    }
    let mut random = [0_u8; limits::TOKEN_BYTES_MIN];
    getrandom::fill(&mut random)?;
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    // It has its name when it is whole. Another command may have made one meanwhile: that one counts.
    let unfinished = file.with_extension(std::process::id().to_string());
    let mut options = std::fs::OpenOptions::new();
    let mut made = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    made.write_all(token.as_bytes())?;
    let linked = std::fs::hard_link(&unfinished, file);
    std::fs::remove_file(&unfinished)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.into()),
        _ => Ok(()),
    }
}
