//! A folder with a `hob.toml` and what a server keeps beside it, for servers that come one after another.

use std::fs;

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
