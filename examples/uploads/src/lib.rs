//! Files that clients upload and download, streamed in both directions: no more than a piece of one
//! is in memory.

use hob_sdk::files::{self, Entry, Error as FileError, Kind};
use hob_sdk::http::Method;
use hob_sdk::{Error, Request, Response, Result};
use serde::Serialize;

const FOLDER: &str = "uploads";

#[hob_sdk::handler]
async fn handle(request: Request) -> Result<Response> {
    let name = request.path().trim_start_matches("/uploads").trim_matches('/').to_owned();
    if name.contains(['/', '%']) || name.starts_with('.') {
        return Err(Error::status(400, "a name has no slash, no % and no dot in front"));
    }
    match (request.method(), name.as_str()) {
        (&Method::GET, "") => list().await,
        (&Method::GET, name) => download(name).await,
        (&Method::PUT, name) if !name.is_empty() => upload(name, request).await,
        (&Method::DELETE, name) if !name.is_empty() => remove(name).await,
        _ => Err(Error::status(405, "GET, PUT and DELETE")),
    }
}

#[derive(Serialize)]
struct Upload {
    name: String,
}

async fn list() -> Result<Response> {
    let entries = match files::list(FOLDER, None, 1000).await {
        // Nothing has been uploaded yet.
        Err(FileError::NotFound) => Vec::new(),
        listed => listed?,
    };
    let is_file = |entry: &Entry| entry.kind == Kind::File;
    let uploads = entries.into_iter().filter(is_file).map(|entry| Upload { name: entry.name });
    Response::json(&uploads.collect::<Vec<_>>())
}

async fn download(name: &str) -> Result<Response> {
    let file = match files::open(format!("{FOLDER}/{name}")).await {
        Err(FileError::NotFound) => return Err(Error::status(404, "no such file")),
        opened => opened?,
    };
    let length = file.size().to_string();
    Ok(Response::new(file.into_body())
        .with_header("content-type", "application/octet-stream")
        .with_header("content-length", length))
}

/// The file is there when all of it has come, and not before: a client that leaves half-way leaves
/// nothing behind.
async fn upload(name: &str, mut request: Request) -> Result<Response> {
    files::create_folder(FOLDER).await?;
    let file = files::create(format!("{FOLDER}/{name}")).await?;
    let mut body = request.take_body();
    let mut length = 0;
    while let Some(chunk) = body.chunk().await? {
        length += chunk.len();
        file.write(chunk).await?;
    }
    file.finish().await?;
    Ok(Response::text(format!("{length} bytes\n")).with_status(201))
}

async fn remove(name: &str) -> Result<Response> {
    match files::remove(format!("{FOLDER}/{name}")).await {
        Err(FileError::NotFound) => Err(Error::status(404, "no such file")),
        removed => {
            removed?;
            Ok(Response::new("").with_status(204))
        }
    }
}
