//! Owns a handler's `grants`.

use serde::Deserialize;
use toml::Spanned;

use super::Checker;
use crate::capabilities::{Access, Grants};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    files: Option<Spanned<String>>,
}

impl Checker<'_> {
    pub(super) fn grants(&mut self, file: File) -> Grants {
        Grants { files: file.files.and_then(|text| self.access("grants.files", &text)) }
    }

    fn access(&mut self, key: &str, text: &Spanned<String>) -> Option<Access> {
        match text.get_ref().as_str() {
            "read" => Some(Access::Read),
            "write" => Some(Access::Write),
            other => {
                let what = format!("`{key}` is `{other}`; write \"read\" or \"write\"");
                self.fault(text.span().start, &what);
                None
            }
        }
    }
}
