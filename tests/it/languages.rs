//! Components of other languages, as their own tools make them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Guest, Scratch, Serve, TESTS, chunked, compile_cache, get, hob, post, run};

const JAVASCRIPT: &[&str] = &["node", "npm"];
const PYTHON: &[&str] = &["python3", "pip"];

/// Builds a component by the script in this folder, unless its tools are missing. In CI nothing may
/// be. Then checks what is to be served, which also compiles it.
fn built(folder: &str, tools: &[&str], output: &Path, served: &Path) -> bool {
    let missing = tools.iter().find(|tool| Command::new(tool).arg("--version").output().is_err());
    if let Some(tool) = missing {
        let why = format!("SKIPPED: {folder}, because {tool} is not installed");
        assert!(std::env::var_os("HOB_TEST_NOTHING_SKIPPED").is_none(), "{why}");
        // Past the capture of a test's output, so that it is seen.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("\n{why}\n").as_bytes());
        return false;
    }
    let script = format!("{TESTS}/../{folder}/build");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("languages").join(folder);
    let made = run(Command::new(script).arg(&cache).arg(output));
    assert!(made.success, "{}", made.stderr);
    let checked = run(hob().arg("check").arg(served).args(["--cache", compile_cache()]));
    assert!(checked.success, "{checked:?}");
    true
}

/// The guest of a language among those of the tests.
fn guest(language: &str, tools: &[&str]) -> Option<PathBuf> {
    let output = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{language}.wasm"));
    let is_built = built(&format!("tests/guests/{language}"), tools, &output, &output);
    is_built.then_some(output)
}

fn serves(language: &str, component: PathBuf, modes: &[&str]) {
    let guests = modes.iter().map(|mode| {
        let name = format!("{language}.{mode}");
        Guest::of(&name, &component).isolation(mode).limits("cpu_ms = 20000")
    });
    let hob = Serve::new(guests).start();
    for name in hob.names() {
        let mut client = hob.client();
        for _ in 0..3 {
            let hello = client.exchange(get(&format!("/{name}/hello"))).expect(200);
            assert_eq!(hello.text(), format!("hello from {language}"), "{name}");
        }
        let body: Vec<u8> = (0..100_000).map(|at| (at % 251) as u8).collect();
        let answer = client.exchange(post(&format!("/{name}/echo"), &body)).expect(200);
        assert!(answer.body == body, "{name}: the bytes differ");
        let answer = client.exchange(get(&format!("/{name}/sleep?ms=20"))).expect(200);
        assert_eq!(answer.text(), "slept 20 ms\n", "{name}");
        client.exchange(get(&format!("/{name}/nothing"))).expect(404);

        // Several wait at once, each in an instance of its own.
        let mut sleepers: Vec<_> = (0..10).map(|_| hob.client()).collect();
        for sleeper in &mut sleepers {
            sleeper.send(get(&format!("/{name}/sleep?ms=200")));
        }
        for sleeper in &mut sleepers {
            assert_eq!(sleeper.response().expect(200).text(), "slept 200 ms\n", "{name}");
        }
    }
}

#[test]
fn javascript_answers_echoes_and_sleeps() {
    if let Some(component) = guest("javascript", JAVASCRIPT) {
        // Its engine gives no second answer.
        serves("javascript", component, &["fresh"]);
    }
}

#[test]
fn python_answers_echoes_and_sleeps() {
    if let Some(component) = guest("python", PYTHON) {
        serves("python", component, &["fresh", "reuse"]);
    }
}

/// The example of a language, where its `hob.toml` has it.
fn example(language: &str, tools: &[&str]) -> Option<PathBuf> {
    let examples = PathBuf::from(format!("{TESTS}/../examples"));
    let output = examples.join(format!("target/{language}.wasm"));
    let served = examples.join(language).join("hob.toml");
    built(&format!("examples/{language}"), tools, &output, &served).then_some(output)
}

/// The component with a grant, in both isolation modes of WASI 0.2, each for a tenant of its own.
fn with_grant(language: &str, component: &Path, grant: &str) -> [Guest; 2] {
    ["fresh", "reuse"].map(|mode| {
        let guest = Guest::of(&format!("{language}.{mode}"), component);
        guest.tenant(mode).isolation(mode).limits("cpu_ms = 20000").set(grant)
    })
}

#[test]
fn the_example_in_javascript_counts_visits_in_kv() {
    let Some(component) = example("javascript", JAVASCRIPT) else { return };
    let data = Scratch::new();
    let serve = || {
        let guests = with_grant("javascript", &component, "grants.kv = \"write\"");
        Serve::new(guests).server(&format!("data = {:?}", data.path())).start()
    };
    let hob = serve();
    for name in hob.names() {
        let page = format!("/{name}/home");
        let delete = format!("DELETE {page} HTTP/1.1\r\nhost: hob\r\n\r\n");
        for count in 1..=3 {
            let answer = hob.get(&format!("{page}?x=1")).expect(200);
            assert_eq!(answer.text(), format!("{page} was visited {count} times\n"));
        }
        assert_eq!(hob.exchange(delete).expect(200).text(), format!("{page} is forgotten\n"));
        assert_eq!(hob.get(&page).expect(200).text(), format!("{page} was visited 1 times\n"));
        let refused = hob.exchange(post(&page, "")).expect(405);
        assert_eq!(refused.header("allow"), Some("GET, DELETE"));
        hob.get(&format!("{page}/{}", "x".repeat(100))).expect(414);
    }
    drop(hob);
    let hob = serve();
    for name in hob.names() {
        let page = format!("/{name}/home");
        assert_eq!(hob.get(&page).expect(200).text(), format!("{page} was visited 2 times\n"));
    }
}

#[test]
fn the_example_in_python_keeps_its_guest_book_in_sql() {
    let Some(component) = example("python", PYTHON) else { return };
    let data = Scratch::new();
    let migrations = format!("{TESTS}/../examples/python/migrations");
    let book = format!("book = {{ access = \"write\", migrations = \"{migrations}\" }}");
    let guests = with_grant("python", &component, &format!("grants.sql = {{ {book} }}"));
    let hob = Serve::new(guests).server(&format!("data = {:?}", data.path())).start();
    for name in hob.names() {
        let path = format!("/{name}");
        assert_eq!(hob.get(&path).expect(200).text(), "");
        hob.exchange(post(&path, "it's lovely;\n drop table entries")).expect(201);
        hob.exchange(chunked(&path, [b"in ".as_slice(), b"pieces"])).expect(201);
        let answer = hob.get(&path).expect(200);
        let lines: Vec<_> = answer.text().lines().collect();
        assert_eq!(lines.len(), 2, "{answer:?}");
        assert!(lines[0].ends_with("  in pieces"), "{answer:?}");
        assert!(lines[1].ends_with("  it's lovely; drop table entries"), "{answer:?}");
        let long = "x".repeat(501).into_bytes();
        for line in [&b""[..], b" \n", b"\xff", &long, &[b'x'; 200_000]] {
            hob.exchange(post(&path, line)).expect(422);
        }
        hob.exchange(format!("PUT {path} HTTP/1.1\r\nhost: hob\r\n\r\n")).expect(405);
        assert_eq!(hob.get(&path).expect(200).text(), answer.text());
    }
}
