//! What a note is, and what a client may make of it.

use serde::{Deserialize, Serialize};

/// Characters.
const TITLE_MAX: usize = 200;
const BODY_MAX: usize = 10_000;

#[derive(Serialize)]
pub struct Note {
    pub id: i64,
    pub title: String,
    pub body: String,
    pub created_at: String,
    pub updated_at: String,
}

/// A page of notes, in the order they were made.
#[derive(Serialize)]
pub struct Notes {
    pub notes: Vec<Note>,
    /// What to give as `after` for the next page; null: this is the last.
    pub next: Option<i64>,
}

/// A note as a client gives it. A field that is missing is as one that is empty.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub body: String,
}

/// Which field is wrong, and why.
#[derive(Serialize)]
pub struct Invalid {
    pub field: &'static str,
    pub error: String,
}

impl Draft {
    pub fn check(&self) -> Result<(), Invalid> {
        if self.title.trim().is_empty() {
            return Err(Invalid { field: "title", error: "is empty".to_owned() });
        }
        at_most("title", &self.title, TITLE_MAX)?;
        at_most("body", &self.body, BODY_MAX)
    }
}

fn at_most(field: &'static str, text: &str, max: usize) -> Result<(), Invalid> {
    if text.chars().count() <= max {
        return Ok(());
    }
    Err(Invalid { field, error: format!("has more than {max} characters") })
}
