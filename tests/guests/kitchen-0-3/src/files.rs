//! What it does with files, by `wasi:filesystem` 0.3. Each says `done`, or the name of the error.

use wasip3::filesystem::preopens;
use wasip3::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};
use wasip3::wit_stream;

fn folder() -> Descriptor {
    preopens::get_directories().remove(0).0
}

async fn open(path: &str, flags: OpenFlags) -> Result<Descriptor, ErrorCode> {
    let access = DescriptorFlags::READ | DescriptorFlags::WRITE;
    folder().open_at(PathFlags::empty(), path.to_owned(), flags, access).await
}

/// Writes a file anew, of so many bytes.
async fn write(path: &str, bytes: usize) -> Result<(), ErrorCode> {
    let file = open(path, OpenFlags::CREATE | OpenFlags::TRUNCATE).await?;
    let (mut writer, stream) = wit_stream::new();
    let written = file.write_via_stream(stream, 0);
    writer.write_all(vec![b'x'; bytes]).await;
    drop(writer);
    written.await
}

/// Adds so many bytes at its end.
async fn append(path: &str, bytes: usize) -> Result<(), ErrorCode> {
    let file = open(path, OpenFlags::CREATE).await?;
    let (mut writer, stream) = wit_stream::new();
    let written = file.append_via_stream(stream);
    writer.write_all(vec![b'x'; bytes]).await;
    drop(writer);
    written.await
}

async fn resize(path: &str, size: u64) -> Result<(), ErrorCode> {
    open(path, OpenFlags::CREATE).await?.set_size(size).await
}

pub(crate) async fn act(deed: &str, path: &str, bytes: u64, to: &str) -> String {
    let done = match deed {
        "file-write" => write(path, bytes as usize).await,
        "file-append" => append(path, bytes as usize).await,
        "file-resize" => resize(path, bytes).await,
        "file-rename" => folder().rename_at(path.to_owned(), &folder(), to.to_owned()).await,
        "file-remove" => folder().unlink_file_at(path.to_owned()).await,
        _ => Err(ErrorCode::Unsupported),
    };
    done.map_or_else(|code| format!("{code:?}"), |()| "done".to_owned())
}
