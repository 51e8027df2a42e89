//! Servers that look at their files by themselves: a folder of components, and the sources of a
//! developer.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Instant;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::harness::{
    Guest, Hob, PATIENCE, Response, Scratch, compile_cache, component, get, greeter, guest, hob,
    run,
};

fn start(scratch: &Scratch, arguments: &[&str]) -> Hob {
    let mut command = hob();
    command.args(arguments).args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.args(["--cache", compile_cache(), "--data"]).arg(scratch.join("kept"));
    Hob::start(command, Vec::new(), None)
}

/// Asks until the answer is as wanted.
#[track_caller]
fn ask_until(hob: &Hob, request: &str, wanted: impl Fn(&Response) -> bool) -> Response {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = hob.exchange(request);
        if wanted(&answer) {
            return answer;
        }
        assert!(Instant::now() < until, "the answer stays {answer:?}\n{}", hob.errors());
        std::thread::yield_now();
    }
}

#[test]
fn a_component_in_a_watched_folder_is_served_swapped_and_gone_with_its_file() {
    let scratch = Scratch::new();
    let folder = scratch.join("components");
    fs::create_dir(&folder).expect("a folder");
    let server = start(&scratch, &["serve", "--watch", folder.to_str().expect("UTF-8")]);
    server.get("/one/hello").expect(404);

    let file = folder.join("one.wasm");
    fs::write(&file, greeter("fast-0-2", "first")).expect("a file");
    let says = |word: &'static str| {
        move |answer: &Response| answer.status == 200 && answer.text().contains(word)
    };
    ask_until(&server, &get("/one/hello"), says("first"));
    // As a build does it: another file takes the name.
    let next = scratch.file("next.wasm", greeter("fast-0-2", "secon"));
    fs::rename(next, &file).expect("a rename");
    ask_until(&server, &get("/one/hello"), says("secon"));
    // One that is not whole yet is left out, and what is put beside it is served.
    let is_left_out = |name: &'static str| {
        move |line: &serde_json::Value| {
            line["event"] == "left-out" && line["detail"].to_string().contains(name)
        }
    };
    fs::write(folder.join("two.wasm"), b"\0asm").expect("a file");
    server.wait_for_line(is_left_out("two.wasm"));
    fs::write(folder.join("three.wasm"), greeter("fast-0-2", "third")).expect("a file");
    ask_until(&server, &get("/three/hello"), says("third"));
    server.get("/two/hello").expect(404);
    // One that was whole and is not any more goes on as it was.
    fs::write(&file, b"\0asm").expect("a file");
    server.wait_for_line(is_left_out("one.wasm"));
    assert_eq!(server.greeting("one"), "secon");
    fs::write(folder.join("two.wasm"), greeter("fast-0-2", "other")).expect("a file");
    ask_until(&server, &get("/two/hello"), says("other"));
    fs::remove_file(&file).expect("a file");
    ask_until(&server, &get("/one/hello"), |answer| answer.status == 404);
}

#[test]
fn a_file_of_a_watched_folder_that_cannot_be_served_at_the_start_is_left_out_until_it_can_be() {
    let scratch = Scratch::new();
    let folder = scratch.join("components");
    fs::create_dir(&folder).expect("a folder");
    let put = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).expect("a file");
    let unknown = fs::read(component("imports-unknown")).expect("a component");
    put("garbage.wasm", b"these are no bytes of Wasm");
    put("wants.wasm", &unknown);
    let unnamed = std::ffi::OsStr::from_bytes(b"\xff.wasm");
    fs::write(folder.join(unnamed), greeter("fast-0-2", "there")).expect("a file");
    let target = folder.to_str().expect("UTF-8");
    // When it does not look at files again, it is all or nothing.
    let mut command = hob();
    command.args(["serve", target, "--listen", "127.0.0.1:0", "--admin", "off", "--cache", "off"]);
    let refused = run(command.arg("--data").arg(scratch.join("kept")));
    assert!(!refused.success && refused.stderr.contains("is not UTF-8"), "{refused:?}");

    // There may be nothing that can be served.
    start(&scratch, &["serve", "--watch", target]).get("/garbage/hello").expect(404);
    put("good.wasm", &greeter("fast-0-2", "first"));
    let server = start(&scratch, &["serve", "--watch", target]);
    assert_eq!(server.greeting("good"), "first");
    for (name, why) in [
        ("garbage.wasm", "is not a WebAssembly component"),
        ("wants.wasm", "acme:nothing"),
        (".wasm", "is not UTF-8: rename the file"),
    ] {
        let line = server.wait_for_line(|line| {
            let detail = line["detail"].to_string();
            line["event"] == "left-out" && detail.contains(name) && detail.contains(why)
        });
        let detail = line["detail"].as_str().expect("a text");
        let errors = server.errors();
        assert!(errors.contains(&format!("hob: warning: {detail}")), "no {detail} in {errors}");
    }
    server.get("/garbage/hello").expect(404);
    server.get("/wants/hello").expect(404);

    let says = |word: &'static str| {
        move |answer: &Response| answer.status == 200 && answer.text().contains(word)
    };
    put("garbage.wasm", &greeter("fast-0-2", "other"));
    ask_until(&server, &get("/garbage/hello"), says("other"));
    put("wants.wasm", &greeter("fast-0-2", "third"));
    ask_until(&server, &get("/wants/hello"), says("third"));
    assert_eq!(server.greeting("good"), "first");
}

#[test]
fn what_changes_while_a_server_starts_is_served_when_it_has_started() {
    let scratch = Scratch::new();
    let own = scratch.file("own.wasm", greeter("fast-0-2", "first"));
    let whole = scratch.file("whole", fs::read(component("fast-0-2")).expect("a component"));
    // The server comes to this file when it has read the one before.
    let late = scratch.join("late.wasm");
    mknodat(CWD, &late, FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    let text = Guest::of("own", &own).toml() + &Guest::of("late", &late).toml();
    let file = scratch.file("hob.toml", text);
    let server = std::thread::scope(|scope| {
        let server =
            scope.spawn(|| start(&scratch, &["serve", "--watch", file.to_str().expect("UTF-8")]));
        let mut pipe = fs::OpenOptions::new().write(true).open(&late).expect("a reader");
        fs::write(&own, greeter("fast-0-2", "secon")).expect("a file");
        fs::rename(&whole, &late).expect("a rename");
        pipe.write_all(&fs::read(&late).expect("a file")).expect("a reader");
        drop(pipe);
        server.join().expect("a server")
    });
    ask_until(&server, &get("/own/hello"), |answer| answer.text().contains("secon"));
    server.expect_hello("late");
}

#[test]
fn a_watched_folder_in_whose_place_another_is_put_is_watched_on() {
    let scratch = Scratch::new();
    let put = |folder: &str, word: &str| {
        let folder = scratch.join(folder);
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("one.wasm"), greeter("fast-0-2", word)).expect("a file");
        folder
    };
    let (first, second) = (put("v1", "first"), put("v2", "secon"));
    let current = scratch.join("current");
    std::os::unix::fs::symlink(&first, &current).expect("a link");
    let server = start(&scratch, &["serve", "--watch", current.to_str().expect("UTF-8")]);
    assert_eq!(server.greeting("one"), "first");
    let greets = |word: &'static str| {
        ask_until(&server, &get("/one/hello"), |answer| answer.text().contains(word));
    };
    // A link that is switched.
    let next = scratch.join("next");
    std::os::unix::fs::symlink(&second, &next).expect("a link");
    fs::rename(&next, &current).expect("a rename");
    greets("secon");
    // A folder that is taken away and made anew.
    fs::remove_dir_all(&second).expect("a folder");
    put("v2", "third");
    greets("third");
    // One that takes the place of another, and what happens in it then.
    let third = put("v3", "forth");
    fs::rename(&second, scratch.join("v2.old")).expect("a rename");
    fs::rename(&third, &second).expect("a rename");
    greets("forth");
    fs::write(second.join("one.wasm"), greeter("fast-0-2", "fifth")).expect("a file");
    greets("fifth");
}

#[test]
fn what_a_watched_hob_toml_names_is_swapped_when_it_changes() {
    let scratch = Scratch::new();
    let elsewhere = scratch.join("built");
    fs::create_dir(&elsewhere).expect("a folder");
    fs::write(elsewhere.join("own.wasm"), greeter("fast-0-2", "first")).expect("a file");
    let table =
        |name: &str| format!("[[handler]]\nname = \"{name}\"\ncomponent = \"built/own.wasm\"\n");
    let file = scratch.file("hob.toml", table("own"));
    let server = start(&scratch, &["serve", "--watch", file.to_str().expect("UTF-8")]);
    assert_eq!(server.greeting("own"), "first");
    fs::write(elsewhere.join("own.wasm"), greeter("fast-0-2", "secon")).expect("a file");
    ask_until(&server, &get("/own/hello"), |answer| answer.text().contains("secon"));
    scratch.file("hob.toml", table("own") + &guest("fast-0-2").named("more").toml());
    ask_until(&server, &get("/more/hello"), |answer| answer.status == 200);
    server.signal(rustix::process::Signal::HUP);
    server.wait_for_line(|line| line["event"] == "reloaded");
}

#[test]
fn a_developer_sees_what_is_written_and_why_it_does_not_compile() {
    let scratch = Scratch::new();
    let folder = scratch.join("greets");
    let made = crate::harness::run(hob().arg("new").arg(&folder));
    assert!(made.success, "{}", made.stderr);
    share_target(&folder);
    // Compiled first, for as long as that takes: a server that is started is waited for with a bound.
    let built = crate::harness::run(hob().arg("build").arg(&folder));
    assert!(built.success, "{}", built.stderr);
    let source = folder.join("src/lib.rs");
    let text = fs::read_to_string(&source).expect("a source");
    // It does not compile from the start.
    fs::write(&source, text.replace("Ok(", "Okay(")).expect("a source");
    let server = start(&scratch, &["dev", folder.to_str().expect("UTF-8")]);
    let browser = "GET /greets HTTP/1.1\r\nhost: hob\r\naccept: text/html\r\n\r\n";
    let fails = |answer: &Response| answer.status == 500 && answer.text().contains("Okay");
    let page = ask_until(&server, browser, fails);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.text().contains("error[E0425]"), "{}", page.text());
    let plain = server.get("/greets");
    assert!(plain.text().starts_with("build-failed\n"), "{plain:?}");
    assert!(server.errors().contains("error[E0425]"), "{}", server.errors());

    fs::write(&source, &text).expect("a source");
    ask_until(&server, &get("/greets"), |answer| answer.status == 200);
    fs::write(&source, text.replace("hello", "hallo")).expect("a source");
    ask_until(&server, &get("/greets"), |answer| {
        answer.status == 200 && answer.text() == "hallo world\n"
    });
    fs::write(&source, "this is no Rust").expect("a source");
    ask_until(&server, browser, |answer| answer.text().contains("The build has failed"));
}

/// Builds where other tests have built the same crates.
fn share_target(folder: &Path) {
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-handlers");
    fs::create_dir_all(folder.join(".cargo")).expect("a folder");
    let text = format!("[build]\ntarget-dir = {shared:?}\n");
    fs::write(folder.join(".cargo/config.toml"), text).expect("a file");
}
