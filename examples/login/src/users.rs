//! Users and their passwords.

use hob_sdk::Result;
use hob_sdk::crypto::{self, PasswordScheme};
use hob_sdk::sql::{self, Database, Error as SqlError};

const NAME_MAX: usize = 64;
const PASSWORD_MIN: usize = 8;
/// A hash costs the same for each length, but a body of megabytes is no password.
const PASSWORD_MAX: usize = 256;

fn database() -> Database {
    sql::database("users")
}

/// Whether somebody may register so; if not, why.
pub fn check(name: &str, password: &str) -> Result<(), &'static str> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(is_name) {
        return Err("name: 1 to 64 small letters and digits");
    }
    if !(PASSWORD_MIN..=PASSWORD_MAX).contains(&password.len()) {
        return Err("password: 8 to 256 bytes");
    }
    Ok(())
}

/// Adds a user; whether the name was free. That is asked of the database and not looked up before,
/// for two may come at once.
pub async fn register(name: &str, password: &str) -> Result<bool> {
    let hash = crypto::hash_password(PasswordScheme::default(), password).await?;
    let sql = "insert into users (name, password) values (?, ?)";
    match database().execute(sql, (name, hash)).await {
        Err(SqlError::Constraint(_)) => Ok(false),
        inserted => Ok(inserted.map(|_| true)?),
    }
}

/// The id of the user who has this name and this password.
pub async fn authenticated(name: &str, password: &str) -> Result<Option<i64>> {
    if password.len() > PASSWORD_MAX {
        return Ok(None);
    }
    let sql = "select id, password from users where name = ?";
    let Some(user) = database().query_first(sql, [name]).await? else {
        // The same work as for a user who is known: the time of an answer tells nobody who is.
        crypto::hash_password(PasswordScheme::default(), password).await?;
        return Ok(None);
    };
    let is_right = crypto::verify_password(password, user.get::<String>("password")?).await?;
    Ok(if is_right { Some(user.get("id")?) } else { None })
}
