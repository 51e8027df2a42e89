//! A folder with a `hob.toml` and what a server keeps beside it, for servers that come one after another.

use std::fs;

use hob::engine::ContentDigest;
use serde_json::Value;

use super::operator::{TOKEN, TOKEN_TABLE};
use super::{Guest, Hob, Scratch, compile_cache};

/// A folder with a `hob.toml`, for a server that is started more than once.
pub(crate) struct Place {
    pub(crate) scratch: Scratch,
}

impl Place {
    pub(crate) fn new(server: &str, guests: &[Guest]) -> Self {
        let scratch = Scratch::new();
        scratch.file("token", TOKEN);
        let mut text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n{server}\n{TOKEN_TABLE}"
        );
        guests.iter().for_each(|guest| text.push_str(&guest.toml()));
        scratch.file("hob.toml", &text);
        Place { scratch }
    }

    /// Adds tables to `hob.toml`.
    pub(crate) fn add(&self, tables: &str) {
        self.edit(|text| format!("{text}{tables}"));
    }

    /// Adds a line to the table `[deploy]`.
    pub(crate) fn add_to_deploy(&self, line: &str) {
        self.edit(|text| text.replace(TOKEN_TABLE, &format!("{TOKEN_TABLE}{line}\n")));
    }

    /// Writes something else in the place of a part of `hob.toml`.
    pub(crate) fn replace(&self, part: &str, other: &str) {
        self.edit(|text| {
            assert!(text.contains(part), "no `{part}` in {text}");
            text.replace(part, other)
        });
    }

    /// What is known of deployed versions, as it is written down.
    pub(crate) fn ledger(&self) -> String {
        fs::read_to_string(self.scratch.join("data/.hob/ledger.json")).expect("a ledger")
    }

    /// Has the version that is served of a handler be of these bytes, as if another hob had taken them. Its
    /// name is given.
    pub(crate) fn become_component_of(&self, handler: &str, bytes: &[u8]) -> String {
        let digest = ContentDigest::of(bytes).to_string();
        let id = digest[..12].to_owned();
        let file = format!("data/.hob/components/{digest}.wasm");
        self.scratch.file(&file, bytes);
        let mut ledger: Value = serde_json::from_str(&self.ledger()).expect("JSON");
        let records = ledger["handlers"].as_array_mut().expect("a list");
        let record = records.iter_mut().find(|one| one["handler"] == handler).expect("a handler");
        let current = std::mem::replace(&mut record["current"], id.clone().into());
        let versions = record["versions"].as_array_mut().expect("a list");
        let version = versions.iter_mut().find(|one| one["id"] == current).expect("a version");
        (version["id"], version["digest"]) = (id.clone().into(), digest.into());
        self.scratch.file("data/.hob/ledger.json", ledger.to_string());
        id
    }

    fn edit(&self, edit: impl FnOnce(&str) -> String) {
        let text = fs::read_to_string(self.scratch.join("hob.toml")).expect("a file");
        self.scratch.file("hob.toml", edit(&text));
    }

    pub(crate) fn start(&self) -> Hob {
        self.start_through("")
    }

    /// Starts it from a shell that has done this first.
    pub(crate) fn start_through(&self, first: &str) -> Hob {
        let mut command = std::process::Command::new("sh");
        let file = self.scratch.join("hob.toml");
        command.args(["-c", &format!("{first}\nexec \"$0\" \"$@\"")]);
        command.arg(env!("CARGO_BIN_EXE_hob")).arg("serve").arg(file);
        command.args(["--cache", compile_cache()]);
        Hob::start(command, Vec::new(), None)
    }

    pub(crate) fn components(&self) -> Vec<String> {
        let folder = self.scratch.join("data/.hob/components");
        let entries = fs::read_dir(folder).map(|found| found.flatten().collect::<Vec<_>>());
        let names = entries.unwrap_or_default().into_iter().map(|entry| entry.file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    }
}
