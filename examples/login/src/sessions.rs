//! Sessions: a random token that the client has, and its hash, which the database has.

use hob_sdk::crypto::{self, HashAlgorithm};
use hob_sdk::sql::{self, Database, Statement};
use hob_sdk::{Request, Result};

const COOKIE: &str = "session";
const ATTRIBUTES: &str = "Path=/login; HttpOnly; Secure; SameSite=Lax";
const SECONDS: i64 = 7 * 24 * 60 * 60;
const TOKEN_BYTES: u32 = 32;

fn database() -> Database {
    sql::database("users")
}

/// Begins a session of a user, and gives its token. Those that have expired go.
pub async fn begin(user: i64) -> Result<String> {
    let random = crypto::random(TOKEN_BYTES).await?;
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let insert = "insert into sessions (token_hash, user_id, expires_at) \
                  values (?, ?, unixepoch() + ?)";
    let begun = Statement::new(insert, (hash(&token).await?, user, SECONDS));
    let expired = Statement::new("delete from sessions where expires_at <= unixepoch()", ());
    database().batch([expired, begun]).await?;
    Ok(token)
}

/// The name of the user whose session this is, if it is one.
pub async fn user_of(token: &str) -> Result<Option<String>> {
    let sql = "select name from sessions join users on users.id = user_id \
               where token_hash = ? and expires_at > unixepoch()";
    let user = database().query_first(sql, [hash(token).await?]).await?;
    Ok(user.map(|user| user.get("name")).transpose()?)
}

pub async fn end(token: &str) -> Result<()> {
    let hash = hash(token).await?;
    database().execute("delete from sessions where token_hash = ?", [hash]).await?;
    Ok(())
}

/// The token in a request's cookie.
pub fn token(request: &Request) -> Option<&str> {
    let mut cookies = request.header("cookie")?.split(';').filter_map(|pair| pair.split_once('='));
    cookies.find(|(name, _)| name.trim() == COOKIE).map(|(_, token)| token.trim())
}

/// What gives the client a token, and what takes it away.
pub fn cookie(token: &str) -> String {
    format!("{COOKIE}={token}; Max-Age={SECONDS}; {ATTRIBUTES}")
}

pub fn no_cookie() -> String {
    format!("{COOKIE}=; Max-Age=0; {ATTRIBUTES}")
}

async fn hash(token: &str) -> Result<Vec<u8>> {
    Ok(crypto::hash(HashAlgorithm::Sha256, token).await?)
}
