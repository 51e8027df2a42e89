//! A REST API over SQLite. This file knows HTTP, `note` what a note must be, `store` the database.

mod note;
mod store;

use hob_sdk::http::Method;
use hob_sdk::{Error, Request, Response, Result};
use serde::Deserialize;

use note::Draft;

/// Notes of a page, if the client does not say how many, and at most.
const PAGE: u32 = 20;
const PAGE_MAX: u32 = 100;

/// What a request is about.
enum Target {
    All,
    One(i64),
}

#[hob_sdk::handler]
async fn handle(request: Request) -> Result<Response> {
    let target = target(request.path())?;
    match (request.method(), target) {
        (&Method::GET, Target::All) => list(&request).await,
        (&Method::POST, Target::All) => create(request).await,
        (&Method::GET, Target::One(id)) => read(id).await,
        (&Method::PUT, Target::One(id)) => update(id, request).await,
        (&Method::DELETE, Target::One(id)) => delete(id).await,
        (_, Target::All) => Ok(not_allowed("GET, POST")),
        (_, Target::One(_)) => Ok(not_allowed("GET, PUT, DELETE")),
    }
}

fn target(path: &str) -> Result<Target> {
    match path.trim_start_matches("/notes").trim_matches('/') {
        "" => Ok(Target::All),
        id => id.parse().map(Target::One).map_err(|_| not_found()),
    }
}

#[derive(Deserialize)]
struct Page {
    /// The last note of the page before; 0 begins.
    #[serde(default)]
    after: i64,
    limit: Option<u32>,
}

async fn list(request: &Request) -> Result<Response> {
    let Page { after, limit } = request.query().parse()?;
    let limit = limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    Response::json(&store::list(after, limit).await?)
}

async fn create(mut request: Request) -> Result<Response> {
    let draft: Draft = request.json().await?;
    if let Err(invalid) = draft.check() {
        return Ok(Response::json(&invalid)?.with_status(422));
    }
    let note = store::create(&draft).await?;
    let location = format!("/notes/{}", note.id);
    Ok(Response::json(&note)?.with_status(201).with_header("location", location))
}

async fn read(id: i64) -> Result<Response> {
    let note = store::read(id).await?.ok_or_else(not_found)?;
    Response::json(&note)
}

async fn update(id: i64, mut request: Request) -> Result<Response> {
    let draft: Draft = request.json().await?;
    if let Err(invalid) = draft.check() {
        return Ok(Response::json(&invalid)?.with_status(422));
    }
    let note = store::update(id, &draft).await?.ok_or_else(not_found)?;
    Response::json(&note)
}

async fn delete(id: i64) -> Result<Response> {
    if store::delete(id).await? { Ok(Response::new("").with_status(204)) } else { Err(not_found()) }
}

fn not_found() -> Error {
    Error::status(404, "no such note")
}

fn not_allowed(methods: &str) -> Response {
    Response::text(format!("only {methods}\n")).with_status(405).with_header("allow", methods)
}
