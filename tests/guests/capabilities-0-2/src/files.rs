//! `hob:host/files`.

#![expect(clippy::disallowed_methods, reason = "a guest has no loop that it could hold up")]

use crate::hob::host::files::{self, Error, Kind};
use crate::{Arguments, Outcome};

pub(crate) fn call(function: &str, arguments: &Arguments, body: Vec<u8>) -> Outcome {
    let path = arguments.text("path");
    let nothing = |()| Vec::new();
    let result = match function {
        "read" => files::read(&path),
        "read-range" => {
            files::read_range(&path, arguments.number("offset"), arguments.number("length") as u32)
        }
        "write" => files::write(&path, &body).map(nothing),
        "append" => files::append(&path, &body).map(nothing),
        "list" => {
            let after = arguments.option("after");
            files::list(&path, after.as_deref(), arguments.number("limit") as u32).map(|entries| {
                let line = |entry: &files::Entry| format!("{}{}\n", entry.name, mark(entry.kind));
                entries.iter().map(line).collect::<String>().into_bytes()
            })
        }
        "stat" => files::stat(&path)
            .map(|found| format!("{}{}", found.size, mark(found.kind)).into_bytes()),
        "remove" => files::remove(&path).map(nothing),
        "rename" => files::rename(&path, &arguments.text("to")).map(nothing),
        "create-folder" => files::create_folder(&path).map(nothing),
        "read-pieces" => read_pieces(&path, arguments.number("length") as u32),
        "write-pieces" => write_pieces(&path, &body, arguments.number("pieces"), true).map(nothing),
        "write-unfinished" => {
            write_pieces(&path, &body, arguments.number("pieces"), false).map(nothing)
        }
        "std-read" => return std::fs::read(path).map_err(|error| error.kind().to_string()),
        "std-write" => {
            return std::fs::write(path, body)
                .map(nothing)
                .map_err(|error| error.kind().to_string());
        }
        "std-resize" => {
            let length = arguments.number("length");
            let file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(path);
            let resized = file.and_then(|file| file.set_len(length));
            return resized.map(nothing).map_err(|error| error.kind().to_string());
        }
        // A file whose name is gone while it is open.
        "std-unlinked" => {
            let file = std::fs::File::create(&path).map_err(|error| error.kind().to_string())?;
            std::fs::remove_file(&path).map_err(|error| error.kind().to_string())?;
            let resized = file.set_len(arguments.number("length"));
            return resized.map(nothing).map_err(|error| error.kind().to_string());
        }
        "std-rename" => {
            let renamed = std::fs::rename(path, arguments.text("to"));
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
        Error::Denied => "Denied".to_owned(),
        Error::NotFound => "NotFound".to_owned(),
        Error::Exists => "Exists".to_owned(),
        Error::TooLarge => "TooLarge".to_owned(),
        Error::Full => "Full".to_owned(),
        Error::Busy => "Busy".to_owned(),
        Error::Invalid(_) => "Invalid".to_owned(),
        Error::Failed(why) => format!("Failed({why:?})"),
    })
}

fn mark(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "",
        Kind::Folder => "/",
        Kind::Other => "?",
    }
}

fn read_pieces(path: &str, length: u32) -> Result<Vec<u8>, Error> {
    let reader = files::open_reader(path)?;
    let mut all = Vec::new();
    loop {
        let piece = reader.read(length)?;
        if piece.is_empty() {
            assert_eq!(reader.size(), all.len() as u64);
            return Ok(all);
        }
        all.extend(piece);
    }
}

fn write_pieces(path: &str, body: &[u8], pieces: u64, ends: bool) -> Result<(), Error> {
    let writer = files::open_writer(path)?;
    for _ in 0..pieces {
        writer.write(body)?;
    }
    if ends { writer.finish() } else { Ok(()) }
}
