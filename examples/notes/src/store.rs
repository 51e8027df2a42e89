//! The notes in the database. Each function is one statement, and suspends the handler once.

use hob_sdk::sql::{self, Database, Error, Row};

use crate::note::{Draft, Note, Notes};

fn database() -> Database {
    sql::database("notes")
}

pub async fn create(draft: &Draft) -> Result<Note, Error> {
    let sql = "insert into notes (title, body) values (?, ?) returning *";
    let rows = database().query(sql, (&draft.title, &draft.body)).await?;
    note(&rows[0])
}

/// One more is asked for than is given: so it is known whether there is a next page.
pub async fn list(after: i64, limit: u32) -> Result<Notes, Error> {
    let sql = "select * from notes where id > ? order by id limit ?";
    let rows = database().query(sql, (after, limit + 1)).await?;
    let has_next = rows.len() > limit as usize;
    let notes: Vec<Note> = rows.iter().take(limit as usize).map(note).collect::<Result<_, _>>()?;
    let next = notes.last().filter(|_| has_next).map(|note| note.id);
    Ok(Notes { notes, next })
}

pub async fn read(id: i64) -> Result<Option<Note>, Error> {
    let row = database().query_first("select * from notes where id = ?", [id]).await?;
    row.as_ref().map(note).transpose()
}

pub async fn update(id: i64, draft: &Draft) -> Result<Option<Note>, Error> {
    let sql = "update notes set title = ?, body = ?, \
               updated_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') where id = ? returning *";
    let row = database().query_first(sql, (&draft.title, &draft.body, id)).await?;
    row.as_ref().map(note).transpose()
}

pub async fn delete(id: i64) -> Result<bool, Error> {
    let outcome = database().execute("delete from notes where id = ?", [id]).await?;
    Ok(outcome.affected > 0)
}

fn note(row: &Row) -> Result<Note, Error> {
    Ok(Note {
        id: row.get("id")?,
        title: row.get("title")?,
        body: row.get("body")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
