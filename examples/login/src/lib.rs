//! Users who register, log in and log out. This file knows HTTP, `users` passwords, `sessions` tokens.

mod sessions;
mod users;

use hob_sdk::http::Method;
use hob_sdk::{Error, Request, Response, Result, crypto};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

#[derive(Serialize)]
struct Me {
    name: String,
}

#[hob_sdk::handler]
async fn handle(request: Request) -> Result<Response> {
    let path = request.path().trim_start_matches("/login").to_owned();
    let answer = match (path.as_str(), request.method()) {
        ("/register", &Method::POST) => register(request).await,
        ("" | "/", &Method::POST) => log_in(request).await,
        ("/me", &Method::GET) => me(&request).await,
        ("/out", &Method::POST) => log_out(&request).await,
        ("/me", _) => Ok(not_allowed("GET")),
        ("" | "/" | "/register" | "/out", _) => Ok(not_allowed("POST")),
        _ => Err(Error::status(404, "no such page")),
    };
    answer.map_err(unless_busy)
}

async fn register(mut request: Request) -> Result<Response> {
    let Credentials { name, password } = request.json().await?;
    users::check(&name, &password).map_err(|why| Error::status(422, why))?;
    if users::register(&name, &password).await? {
        Ok(Response::json(&Me { name })?.with_status(201))
    } else {
        Err(Error::status(409, "the name is taken"))
    }
}

async fn log_in(mut request: Request) -> Result<Response> {
    let Credentials { name, password } = request.json().await?;
    let user = users::authenticated(&name, &password).await?;
    let user = user.ok_or_else(|| Error::status(401, "wrong name or password"))?;
    let token = sessions::begin(user).await?;
    Ok(Response::new("").with_status(204).with_header("set-cookie", sessions::cookie(&token)))
}

async fn me(request: &Request) -> Result<Response> {
    let name = match sessions::token(request) {
        Some(token) => sessions::user_of(token).await?,
        None => None,
    };
    let name = name.ok_or_else(|| Error::status(401, "log in first"))?;
    Ok(Response::json(&Me { name })?.with_header("cache-control", "no-store"))
}

async fn log_out(request: &Request) -> Result<Response> {
    if let Some(token) = sessions::token(request) {
        sessions::end(token).await?;
    }
    Ok(Response::new("").with_status(204).with_header("set-cookie", sessions::no_cookie()))
}

fn not_allowed(method: &str) -> Response {
    Response::text(format!("only {method}\n")).with_status(405).with_header("allow", method)
}

/// Many who log in at once wait for each other, and beyond a bound are told to come back.
fn unless_busy(error: Error) -> Error {
    match error.downcast_ref() {
        Some(crypto::Error::Busy) => Error::status(503, "too many log in just now"),
        _ => error,
    }
}
