//! A program of WASI 0.3: it exports `wasi:cli/run`, and reads and writes streams. Its first argument
//! selects what it does, as that of `command`.

use wasip3::cli::{environment, stderr, stdin, stdout};
use wasip3::wit_bindgen::{StreamReader, StreamResult, StreamWriter};
use wasip3::wit_stream;

wasip3::cli::command::export!(Command);

struct Command;

impl wasip3::exports::cli::run::Guest for Command {
    async fn run() -> Result<(), ()> {
        let arguments = environment::get_arguments();
        // The first is the program's name, if the host gives it one.
        let words = arguments.get(1..).unwrap_or_default();
        match words.first().map_or("upper", String::as_str) {
            "upper" => upper().await,
            "args" => print(words.join("\n").into_bytes()).await,
            // Words on standard error, after some output; then the end as a failure.
            "exit" => {
                print(b"some output".to_vec()).await?;
                complain(words[1..].join(" ")).await?;
                Err(())
            }
            "trap" => core::arch::wasm32::unreachable(),
            other => {
                complain(format!("no such deed: {other}\n")).await?;
                Err(())
            }
        }
    }
}

/// The input in upper case, as it comes.
async fn upper() -> Result<(), ()> {
    let (mut input, ended) = stdin::read_via_stream();
    let (mut output, written) = output();
    while let Some(piece) = next(&mut input).await {
        write(&mut output, piece.to_ascii_uppercase()).await?;
    }
    ended.await.map_err(drop)?;
    drop(output);
    written.await.map_err(drop)
}

type Written = wasip3::wit_bindgen::FutureReader<Result<(), stdout::ErrorCode>>;

fn output() -> (StreamWriter<u8>, Written) {
    let (writer, stream) = wit_stream::new();
    (writer, stdout::write_via_stream(stream))
}

async fn next(input: &mut StreamReader<u8>) -> Option<Vec<u8>> {
    let (result, piece) = input.read(Vec::with_capacity(64 * 1024)).await;
    match result {
        StreamResult::Dropped if piece.is_empty() => None,
        _ => Some(piece),
    }
}

async fn write(output: &mut StreamWriter<u8>, piece: Vec<u8>) -> Result<(), ()> {
    if output.write_all(piece).await.is_empty() { Ok(()) } else { Err(()) }
}

async fn print(text: Vec<u8>) -> Result<(), ()> {
    let (mut writer, written) = output();
    write(&mut writer, text).await?;
    drop(writer);
    written.await.map_err(drop)
}

async fn complain(text: String) -> Result<(), ()> {
    let (mut writer, stream) = wit_stream::new();
    let written = stderr::write_via_stream(stream);
    write(&mut writer, text.into_bytes()).await?;
    drop(writer);
    written.await.map_err(drop)
}
