//! Owns `wasi:config/store`, of the draft 0.2.0-rc.1: what `hob.toml` says to a handler, and its
//! secrets.

use std::collections::BTreeMap;

use wasmtime::component::{ComponentType, Lift, Linker, Lower};

use super::GuestState;

const STORE: &str = "wasi:config/store@0.2.0-rc.1";

/// What a handler is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What anyone may know.
    pub values: BTreeMap<String, String>,
    /// What the handler alone may know.
    pub secrets: BTreeMap<String, Secret>,
}

/// A value that is shown to no one but the handler.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a value.
    pub fn new(value: String) -> Self {
        Secret(value)
    }

    /// The value, for who must compare with it.
    pub fn reveal(&self) -> String {
        self.0.clone()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Settings {
    /// A value or a secret.
    fn get(&self, key: &str) -> Option<&str> {
        let secret = || self.secrets.get(key).map(|Secret(value)| value.as_str());
        self.values.get(key).map(String::as_str).or_else(secret)
    }
}

/// What the draft has for stores that can fail. This one cannot.
#[derive(ComponentType, Lower, Lift)]
#[component(variant)]
enum Error {
    #[component(name = "upstream")]
    Upstream(String),
    #[component(name = "io")]
    Io(String),
}

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    type Pairs = Vec<(String, String)>;
    let mut store = linker.instance(STORE)?;
    store.func_wrap("get", |store, (key,): (String,)| {
        let store: wasmtime::StoreContextMut<'_, GuestState> = store;
        let found = store.data().context.settings.get(&key).map(str::to_owned);
        Ok((Ok::<Option<String>, Error>(found),))
    })?;
    // Whoever shows all that there is should not show a secret.
    store.func_wrap("get-all", |store, (): ()| {
        let store: wasmtime::StoreContextMut<'_, GuestState> = store;
        let values = &store.data().context.settings.values;
        let all = values.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        Ok((Ok::<Pairs, Error>(all),))
    })
}
