//! Components of other languages, as their own tools make them.

use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Guest, Serve, TESTS, compile_cache, get, hob, post, run};

/// Builds the guest of a language, unless its tools are missing. In CI nothing may be.
fn built(language: &str, tools: &[&str]) -> Option<PathBuf> {
    let missing = tools.iter().find(|tool| Command::new(tool).arg("--version").output().is_err());
    if let Some(tool) = missing {
        let why = format!("SKIPPED: the guest in {language}, because {tool} is not installed");
        assert!(std::env::var_os("HOB_TEST_NOTHING_SKIPPED").is_none(), "{why}");
        // Past the capture of a test's output, so that it is seen.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("\n{why}\n").as_bytes());
        return None;
    }
    let folder = PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/languages"));
    let output = folder.join(format!("{language}.wasm"));
    let script = format!("{TESTS}/guests/{language}/build");
    let made = run(Command::new(script).arg(&folder).arg(&output));
    assert!(made.success, "{}", made.stderr);
    let checked = run(hob().arg("check").arg(&output).args(["--cache", compile_cache()]));
    assert!(checked.success, "{checked:?}");
    Some(output)
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
    if let Some(component) = built("javascript", &["node", "npm"]) {
        // Its engine gives no second answer.
        serves("javascript", component, &["fresh"]);
    }
}

#[test]
fn python_answers_echoes_and_sleeps() {
    if let Some(component) = built("python", &["python3", "pip"]) {
        serves("python", component, &["fresh", "reuse"]);
    }
}
