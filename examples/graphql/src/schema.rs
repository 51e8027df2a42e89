//! What can be asked for.

use async_graphql::{EmptySubscription, Object, Result, SimpleObject};
use hob_sdk::sql;
use send_wrapper::SendWrapper;

use crate::store;

pub type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// Notes of a page, if the client does not say how many, and at most.
const PAGE: u32 = 20;
const PAGE_MAX: u32 = 100;

/// Characters.
const TITLE_MAX: usize = 200;
const BODY_MAX: usize = 10_000;

#[derive(SimpleObject)]
pub struct Note {
    pub id: i64,
    pub title: String,
    pub body: String,
    pub created_at: String,
    pub updated_at: String,
}

/// A page of notes, in the order they were made.
#[derive(SimpleObject)]
pub struct Notes {
    pub notes: Vec<Note>,
    /// What to give as `after` for the next page; null: this is the last.
    pub next: Option<i64>,
}

pub struct Query;

#[Object]
impl Query {
    /// The notes after one of them, page by page.
    async fn notes(&self, #[graphql(default)] after: i64, first: Option<u32>) -> Result<Notes> {
        let first = first.unwrap_or(PAGE).clamp(1, PAGE_MAX);
        done(store::list(after, first)).await
    }

    /// A note, if there is one of this id.
    async fn note(&self, id: i64) -> Result<Option<Note>> {
        done(store::read(id)).await
    }
}

pub struct Mutation;

#[Object]
impl Mutation {
    async fn create_note(&self, title: String, #[graphql(default)] body: String) -> Result<Note> {
        check(&title, &body)?;
        done(store::create(&title, &body)).await
    }

    async fn update_note(&self, id: i64, title: String, body: String) -> Result<Note> {
        check(&title, &body)?;
        done(store::update(id, &title, &body)).await?.ok_or_else(|| "no such note".into())
    }

    /// Whether there was such a note.
    async fn delete_note(&self, id: i64) -> Result<bool> {
        done(store::delete(id)).await
    }
}

/// What the example `notes` takes, and nothing else.
fn check(title: &str, body: &str) -> Result<()> {
    if title.trim().is_empty() {
        return Err("title: is empty".into());
    }
    at_most("title", title, TITLE_MAX)?;
    at_most("body", body, BODY_MAX)
}

fn at_most(argument: &str, text: &str, max: usize) -> Result<()> {
    if text.chars().count() <= max {
        return Ok(());
    }
    Err(format!("{argument}: has more than {max} characters").into())
}

/// The library wants futures that may move to another thread. A guest has one thread, so none ever
/// does, and the wrapper need only say so. What failed in the database is not for the client to read.
async fn done<T: Send>(work: impl Future<Output = Result<T, sql::Error>>) -> Result<T> {
    SendWrapper::new(work).await.map_err(|error| {
        eprintln!("{error}");
        "the database failed".into()
    })
}
