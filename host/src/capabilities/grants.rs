//! Owns what a handler may be granted, and which import needs which grant. `crypto`,
//! `compression` and `timers` need none: they reach nothing. Nor does `wasi:config`, which gives what
//! was written for the handler.

/// How far a grant goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// To see.
    Read,
    /// To see and to change.
    Write,
}

/// What a handler is granted. Nothing by default.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    /// The tenant's folder.
    pub files: Option<Access>,
}

/// An import that wants a grant which the handler does not have.
#[derive(Clone, Debug)]
pub struct Missing {
    /// The import.
    pub import: String,
    /// The line of `hob.toml` that would grant it, in the handler's table.
    pub line: &'static str,
}

impl Grants {
    /// The imports among these that are not granted.
    pub fn missing(&self, imports: &[String]) -> Vec<Missing> {
        let missing = |import: &String| {
            let line = self.line_for(import)?;
            Some(Missing { import: import.clone(), line })
        };
        imports.iter().filter_map(missing).collect()
    }

    /// The line that an import wants and that is not there. What can reach nothing wants none.
    fn line_for(&self, import: &str) -> Option<&'static str> {
        let interface = import.split('@').next().unwrap_or(import);
        let (granted, line) = match interface {
            "hob:host/files" => (self.files.is_some(), "grants.files = \"read\" # or \"write\""),
            _ => return None,
        };
        (!granted).then_some(line)
    }
}
