//! From nothing to a handler that answers: `hob new`, then `hob serve --build`.

use crate::harness::{Hob, Scratch, compile_cache, hob, run};

#[test]
fn a_new_handler_builds_and_answers() {
    let scratch = Scratch::new();
    // Cargo calls its file `my_greeter`; the author does not.
    let folder = scratch.join("my-greeter");
    let made = run(hob().arg("new").arg(&folder));
    assert!(made.success, "{made:?}");
    assert!(made.stdout.contains("hob serve --build"), "{made:?}");

    // Compiled first, for as long as that takes: a server that is started is waited for with a bound.
    let built = run(hob().arg("build").arg(&folder));
    assert!(built.success, "{built:?}");
    let mut command = hob();
    command.arg("serve").arg("--build").arg(&folder).args(["--cache", compile_cache()]);
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.arg("--data").arg(scratch.join("kept"));
    let hob = Hob::start(command, Vec::new(), None);
    assert_eq!(hob.get("/my-greeter").expect(200).text(), "hello world\n");
    assert_eq!(hob.get("/my-greeter?name=you").expect(200).text(), "hello you\n");
    assert_eq!(hob.wait_for_access("/my-greeter")["handler"], "my-greeter");
    assert!(hob.get("/").expect(200).text().contains("href=\"/my-greeter\""));
}

#[test]
fn a_folder_that_is_there_is_left_alone() {
    let scratch = Scratch::new();
    let file = scratch.file("Cargo.toml", "mine");
    let made = run(hob().arg("new").arg(scratch.path()));
    assert!(!made.success, "{made:?}");
    assert_eq!(std::fs::read(file).unwrap(), b"mine");

    std::fs::create_dir(scratch.join("mine")).unwrap();
    let made = run(hob().arg("new").arg(scratch.join("mine")));
    assert!(!made.success, "{made:?}");
    assert!(made.stderr.contains("exists already"), "{made:?}");
}

#[test]
fn a_name_that_no_handler_can_have_is_refused() {
    let scratch = Scratch::new();
    for name in ["Greeter", "1st", "two words", "gr\u{fc}n", "a.b", "..", "hob-sdk", "fn"] {
        let made = run(hob().arg("new").arg(scratch.join(name)));
        assert!(!made.success, "{name}: {made:?}");
        assert_eq!(made.stderr.lines().count(), 1, "{name}: {made:?}");
    }
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
}
