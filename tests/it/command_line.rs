//! The verbs of `hob`, as someone at a terminal uses them.

use std::fs;
use std::path::Path;

use crate::harness::{Hob, Scratch, Serve, compile_cache, component, get, guest, guests, hob, run};

/// Serves what is named on the command line alone.
fn serve(target: &Path, arguments: &[&str]) -> Hob {
    let mut command = hob();
    command.arg("serve").arg(target).args(["--cache", compile_cache()]);
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).args(arguments);
    // What is kept by default is kept where it is started.
    let kept = Scratch::new();
    command.arg("--data").arg(kept.path());
    Hob::start(command, Vec::new(), Some(kept))
}

/// A folder with components in it, under names of their own.
fn folder(components: &[(&str, &str)]) -> Scratch {
    let scratch = Scratch::new();
    for (name, guest) in components {
        fs::copy(component(guest), scratch.join(name)).expect("a copy");
    }
    scratch
}

#[test]
fn a_single_component_answers_every_path() {
    let hob = serve(component("kitchen"), &[]);
    for target in ["/hello", "/anything/below/hello", "/hello?query"] {
        assert_eq!(hob.get(target).expect(200).text(), "hello world\n");
    }
    assert_eq!(hob.get("/").expect(404).text(), "no such behaviour\n");
    assert_eq!(hob.wait_for_access("/hello")["handler"], "kitchen");
}

#[test]
fn the_components_of_a_folder_answer_below_their_names() {
    let folder = folder(&[("one.wasm", "kitchen"), ("two.wasm", "kitchen-0-2")]);
    folder.file("notes.txt", "no component");
    let hob = serve(folder.path(), &[]);
    let page = hob.get("/").expect(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    for name in ["one", "two"] {
        hob.get(&format!("/{name}/hello")).expect(200);
        assert!(page.text().contains(&format!("href=\"/{name}\"")), "{}", page.text());
    }
    assert!(!page.text().contains("notes"), "{}", page.text());
    hob.get("/hello").expect(404);
}

#[test]
fn a_file_whose_name_no_path_can_have_answers_below_its_encoded_name() {
    let folder = folder(&[("my caf\u{e9} 100%.wasm", "kitchen")]);
    let hob = serve(folder.path(), &[]);
    let page = hob.get("/").expect(200);
    let path = "/my%20caf%C3%A9%20100%25";
    assert!(page.text().contains(&format!("href=\"{path}\"")), "{}", page.text());
    hob.get(&format!("{path}/hello")).expect(200);
    assert_eq!(hob.wait_for_access("/hello")["handler"], "my caf\u{e9} 100%");
}

#[test]
fn a_folder_with_a_hob_toml_is_served_as_that_says() {
    let folder = folder(&[("one.wasm", "kitchen"), ("two.wasm", "kitchen-0-2")]);
    let text = "[[handler]]\nname = \"a\"\ncomponent = \"one.wasm\"\npath = \"/b\"\n";
    folder.file("hob.toml", text);
    let hob = serve(folder.path(), &[]);
    hob.get("/b/hello").expect(200);
    hob.get("/two/hello").expect(404);
    assert_eq!(hob.wait_for_access("/b/hello")["handler"], "a");
}

#[test]
fn a_flag_outranks_the_file() {
    let folder = folder(&[("one.wasm", "kitchen"), ("two.wasm", "kitchen")]);
    let file = folder.file(
        "hob.toml",
        "[server]\nlisten = \"127.0.0.1:1\"\nadmin = \"off\"\naccess_log = true\n\
         [[handler]]\nname = \"one\"\ncomponent = \"one.wasm\"\n\
         [[handler]]\nname = \"two\"\ncomponent = \"two.wasm\"\nisolation = \"reuse\"\n",
    );
    let hob = serve(&file, &["--isolation", "fresh", "--access-log", "off", "--loops", "2"]);
    let count = |name: &str| -> Vec<String> {
        let mut client = hob.client();
        let request = get(&format!("/{name}/count"));
        (0..3).map(|_| client.exchange(&request).expect(200).text().to_owned()).collect()
    };
    assert_eq!(count("one"), ["1\n", "1\n", "1\n"]);
    // What the file says of a handler is more particular than a flag for all.
    assert_eq!(count("two"), ["1\n", "2\n", "3\n"]);
    assert!(hob.metrics().has("hob_connections{loop=\"1\"}"));
    assert!(hob.lines().is_empty(), "{:?}", hob.lines());
}

#[test]
fn port_0_takes_a_free_port_each_time() {
    let one = Serve::new([guest("kitchen")]).start();
    let other = Serve::new([guest("kitchen")]).start();
    let ports = [one.address, one.admin, other.address, other.admin].map(|a| a.port());
    assert!(ports.iter().all(|port| *port != 0), "{ports:?}");
    let distinct: std::collections::HashSet<_> = ports.iter().collect();
    assert_eq!(distinct.len(), 4, "{ports:?}");
}

#[test]
fn every_verb_explains_itself() {
    for (arguments, wanted) in [
        (&["--help"][..], &["serve", "check", "build", "new"][..]),
        (&["serve", "--help"], &["--listen", "--isolation", "--admin", "--loops", "Examples:"]),
        (&["check", "--help"], &["--cache", "Examples:", "exit code"]),
        (&["build", "--help"], &["wasm32-wasip2", "Example:"]),
        (&["new", "--help"], &["Example:", "hob serve --build"]),
        (&["--version"], &[env!("CARGO_PKG_VERSION")]),
    ] {
        let said = run(hob().args(arguments));
        assert!(said.success, "{arguments:?}: {said:?}");
        assert_eq!(said.stderr, "", "{arguments:?}");
        for word in wanted {
            assert!(said.stdout.contains(word), "{arguments:?} without {word}: {}", said.stdout);
        }
    }
}

#[test]
fn check_says_what_a_component_imports_and_exports() {
    for (name, export, isolation) in [
        ("kitchen", "hob:host/handler@0.3.0", "shared"),
        ("fast-0-2", "hob:host/handler@0.2.0", "fresh"),
        ("kitchen-0-2", "wasi:http/incoming-handler@0.2", "fresh"),
        ("kitchen-0-3", "wasi:http/handler@0.3", "shared"),
        ("kitchen-standard", "served through wasi:http/handler@0.3", "shared"),
    ] {
        let path = component(name);
        let checked = run(hob().arg("check").arg(path).args(["--cache", compile_cache()]));
        assert!(checked.success, "{checked:?}");
        assert_eq!(checked.stderr, "", "{name}");
        for wanted in [path.to_str().unwrap(), export, &format!("isolation {isolation}")] {
            assert!(checked.stdout.contains(wanted), "{name} without {wanted}: {}", checked.stdout);
        }
        assert!(checked.stdout.contains("wasi:"), "{name} imports something: {}", checked.stdout);
    }
}

#[test]
fn check_looks_at_every_handler_and_fails_for_one_that_cannot_be_served() {
    let folder = folder(&[("good.wasm", "kitchen"), ("later.wasm", "kitchen-0-2")]);
    folder.file("bad.wasm", "no component");
    let checked = run(hob().arg("check").arg(folder.path()).args(["--cache", compile_cache()]));
    assert!(!checked.success, "{checked:?}");
    assert!(checked.stderr.contains("bad.wasm"), "{checked:?}");
    assert!(checked.stderr.contains("1 of 3 handlers cannot be served"), "{checked:?}");
    for name in ["good", "later"] {
        assert!(checked.stdout.contains(&format!("{name} (")), "{checked:?}");
    }
}

#[test]
fn check_takes_a_hob_toml_and_reports_its_faults() {
    let scratch = Scratch::new();
    let path = component("kitchen").display();
    let good =
        format!("[[handler]]\nname = \"a\"\ncomponent = \"{path}\"\nisolation = \"reuse\"\n");
    let file = scratch.file("hob.toml", &good);
    let checked = run(hob().arg("check").arg(&file).args(["--cache", compile_cache()]));
    assert!(checked.success, "{checked:?}");
    assert!(checked.stdout.contains("isolation reuse"), "{checked:?}");

    let file = scratch.file("bad.toml", good + "[server]\nloops = 0\n");
    let checked = run(hob().arg("check").arg(&file).args(["--cache", compile_cache()]));
    assert!(!checked.success, "{checked:?}");
    assert!(checked.stderr.contains("bad.toml:6: `server.loops` is 0"), "{checked:?}");
}

#[test]
fn build_prints_the_paths_of_what_it_built() {
    let names: Vec<_> = guests().iter().map(|path| path.file_name().unwrap().to_str()).collect();
    for name in ["kitchen.wasm", "kitchen_0_2.wasm", "kitchen_0_3.wasm", "fast_0_2.wasm"] {
        assert!(names.contains(&Some(name)), "{names:?}");
    }
    for path in guests() {
        assert!(fs::read(path).expect("a component").starts_with(b"\0asm"), "{}", path.display());
    }
}

#[test]
fn build_says_what_a_folder_lacks() {
    let scratch = Scratch::new();
    let built = run(hob().arg("build").arg(scratch.path()));
    assert!(!built.success, "{built:?}");
    assert!(built.stderr.starts_with("hob: there is no Cargo.toml in "), "{built:?}");
    assert!(built.stderr.contains(scratch.path().to_str().unwrap()), "{built:?}");
}

#[test]
fn build_of_code_that_does_not_compile_shows_the_compiler_s_words() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("src")).unwrap();
    scratch.file(
        "Cargo.toml",
        "[package]\nname = \"broken\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n\
         [workspace]\n",
    );
    scratch.file("src/lib.rs", "fn broken() -> u32 { \"no number\" }\n");
    let built = run(hob().arg("build").arg(scratch.path()));
    assert!(!built.success, "{built:?}");
    assert!(built.stderr.contains("mismatched types"), "{built:?}");
    assert!(built.stderr.contains("hob: cargo could not build "), "{built:?}");
    assert_eq!(built.stdout, "", "no path is printed");
}

#[test]
fn two_handlers_of_one_name_are_not_served() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("src")).unwrap();
    // A package's library has the package's name, and so has a program that is not given another.
    scratch.file(
        "Cargo.toml",
        "[package]\nname = \"my-app\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n\
         [workspace]\n",
    );
    scratch.file("src/lib.rs", "");
    scratch.file("src/main.rs", "fn main() {}\n");
    let served = run(hob().args(["serve", "--build"]).arg(scratch.path()));
    assert!(!served.success, "{served:?}");
    for wanted in ["my_app.wasm", "my-app.wasm", "are both called my-app: give one of them"] {
        assert!(served.stderr.contains(wanted), "{served:?}");
    }
}

#[test]
fn whoever_reads_no_more_of_a_command_does_not_make_it_fail_and_a_full_disk_does() {
    let file = component("kitchen");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let done = hob().arg("check").arg(file).stdout(writer).output().expect("it runs");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!((done.status.code(), said.as_str()), (Some(0), ""));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let done = hob().arg("check").arg(file).stdout(full).output().expect("it runs");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("standard output") && !said.contains("panicked"), "{said}");
}

#[test]
fn a_limit_that_is_said_twice_is_refused() {
    let done = run(hob().args(["limit", "t", "weight=3", "weight=5"]));
    assert!(!done.success, "{done:?}");
    assert!(done.stderr.contains("`weight` comes twice"), "{done:?}");
}
