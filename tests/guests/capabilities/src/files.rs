//! `hob:host/files`.

#![expect(clippy::disallowed_methods, reason = "a guest has no loop that it could hold up")]

use hob_sdk::files::{self, Error, Kind};

use crate::{Arguments, Outcome};

pub(crate) async fn call(function: &str, arguments: Arguments, body: Vec<u8>) -> Outcome {
    let Arguments { path, to, after, offset, length, limit, pieces, .. } = arguments;
    let nothing = |()| Vec::new();
    let result = match function {
        "read" => files::read(path).await,
        "read-range" => files::read_range(path, offset, length).await,
        "write" => files::write(path, body).await.map(nothing),
        "append" => files::append(path, body).await.map(nothing),
        "list" => files::list(path, after.as_deref(), limit).await.map(|entries| {
            let lines = entries.iter().map(|entry| format!("{}{}\n", entry.name, mark(entry.kind)));
            lines.collect::<String>().into_bytes()
        }),
        "stat" => files::stat(path)
            .await
            .map(|found| format!("{}{}", found.size, mark(found.kind)).into_bytes()),
        "remove" => files::remove(path).await.map(nothing),
        "rename" => files::rename(path, to).await.map(nothing),
        "create-folder" => files::create_folder(path).await.map(nothing),
        "read-pieces" => read_pieces(path, length).await,
        "write-pieces" => write_pieces(path, body, pieces, true).await.map(nothing),
        "write-unfinished" => write_pieces(path, body, pieces, false).await.map(nothing),
        "std-read" => return std::fs::read(path).map_err(|error| error.kind().to_string()),
        "std-write" => {
            return std::fs::write(path, body)
                .map(nothing)
                .map_err(|error| error.kind().to_string());
        }
        "std-resize" => {
            let file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(path);
            let resized = file.and_then(|file| file.set_len(length.into()));
            return resized.map(nothing).map_err(|error| error.kind().to_string());
        }
        // A file whose name is gone while it is open.
        "std-unlinked" => {
            let file = std::fs::File::create(&path).map_err(|error| error.kind().to_string())?;
            std::fs::remove_file(&path).map_err(|error| error.kind().to_string())?;
            let resized = file.set_len(length.into());
            return resized.map(nothing).map_err(|error| error.kind().to_string());
        }
        "std-rename" => {
            let renamed = std::fs::rename(path, to);
            return renamed.map(nothing).map_err(|error| error.kind().to_string());
        }
        "std-remove" => {
            return std::fs::remove_file(path)
                .map(nothing)
                .map_err(|error| error.kind().to_string());
        }
        _ => return Err("no such function".to_owned()),
    };
    result.map_err(|error| match error {
        Error::Invalid(_) => "Invalid".to_owned(),
        error => format!("{error:?}"),
    })
}

fn mark(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "",
        Kind::Folder => "/",
        Kind::Other => "?",
    }
}

async fn read_pieces(path: String, length: u32) -> Result<Vec<u8>, Error> {
    let reader = files::open(path).await?;
    let mut all = Vec::new();
    while let Some(piece) = reader.read(length).await? {
        all.extend(piece);
    }
    assert_eq!(reader.size(), all.len() as u64);
    Ok(all)
}

async fn write_pieces(path: String, body: Vec<u8>, pieces: u32, ends: bool) -> Result<(), Error> {
    let writer = files::create(path).await?;
    for _ in 0..pieces {
        writer.write(body.clone()).await?;
    }
    if ends { writer.finish().await } else { Ok(()) }
}
