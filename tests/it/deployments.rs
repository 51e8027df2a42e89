//! Versions that are deployed while a server runs: served from the acknowledgement on, with no request
//! lost; refused without a trace; gone back from; and there again after a start.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{
    Client, END_OF_BODY, Guest, Hob, Scratch, TOKEN, TOKEN_TABLE, compile_cache, component,
    expect_denied, get, greeter, guest, hob, run, unfinished, view,
};

/// A folder with a `hob.toml`, for a server that is started more than once.
struct Place {
    scratch: Scratch,
}

impl Place {
    fn new(server: &str, guests: &[Guest]) -> Self {
        let scratch = Scratch::new();
        scratch.file("token", TOKEN);
        let mut text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n{server}\n{TOKEN_TABLE}"
        );
        guests.iter().for_each(|guest| text.push_str(&guest.toml()));
        scratch.file("hob.toml", &text);
        Place { scratch }
    }

    fn start(&self) -> Hob {
        self.start_through("")
    }

    /// Starts it from a shell that has done this first.
    fn start_through(&self, first: &str) -> Hob {
        let mut command = std::process::Command::new("sh");
        let file = self.scratch.join("hob.toml");
        command.args(["-c", &format!("{first}\nexec \"$0\" \"$@\"")]);
        command.arg(env!("CARGO_BIN_EXE_hob")).arg("serve").arg(file);
        command.args(["--cache", compile_cache()]);
        Hob::start(command, Vec::new(), None)
    }

    fn components(&self) -> Vec<String> {
        let folder = self.scratch.join("data/.hob/components");
        let entries = fs::read_dir(folder).map(|found| found.flatten().collect::<Vec<_>>());
        let names = entries.unwrap_or_default().into_iter().map(|entry| entry.file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    }
}

const SPINS_AT_START: &str = r#"(component
    (core module $m (func $spin (loop br 0)) (func (export "handle")) (start $spin))
    (core instance $i (instantiate $m))
    (func $handle (canon lift (core func $i "handle")))
    (instance $exports (export "handle" (func $handle)))
    (export "wasi:http/incoming-handler@0.2.0" (instance $exports)))"#;

#[test]
fn a_new_version_answers_from_the_acknowledgement_on_and_the_old_one_what_is_in_flight() {
    for (name, mode) in [
        ("kitchen", "shared"),
        ("kitchen", "reuse"),
        ("kitchen-0-2", "fresh"),
        ("fast-0-2", "reuse"),
    ] {
        let place = Place::new("loops = 2", &[guest(name).isolation(mode)]);
        let hob = place.start();
        let mut in_flight: Vec<_> = (0..4).map(|_| hob.client()).collect();
        if name != "fast-0-2" {
            in_flight.iter_mut().for_each(|one| one.send(unfinished(&format!("/{name}/echo"))));
            hob.wait_for_in_flight(name, 4);
        }
        assert_eq!(hob.greeting(name), "world");

        let deployed = view(hob.deploy(name, &greeter(name, "there")));
        assert_eq!(deployed["outcome"], "deployed", "{deployed}");
        assert_eq!(deployed["path"], format!("/{name}"));
        assert_ne!(deployed["version"], deployed["before"]);
        assert_eq!(deployed["new_imports"], json!([]));
        // Several connections, so that both loops are asked.
        for _ in 0..20 {
            assert_eq!(hob.greeting(name), "there", "{name} {mode}");
        }
        if name != "fast-0-2" {
            for client in &mut in_flight {
                client.send(END_OF_BODY);
                assert_eq!(client.response().expect(200).text(), "hello", "{name} {mode}");
            }
            hob.wait_for_in_flight(name, 0);
        }
    }
}

#[test]
fn no_request_fails_while_versions_are_swapped() {
    let place = Place::new("loops = 2", &[guest("kitchen")]);
    let hob = place.start();
    let versions = [greeter("kitchen", "there"), greeter("kitchen", "again")];
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = hob.client();
                    let mut answers = 0;
                    while !done.load(Ordering::Relaxed) {
                        let answer = client.exchange(get("/kitchen/hello")).expect(200);
                        assert!(answer.text().starts_with("hello "), "{answer:?}");
                        answers += 1;
                    }
                    answers
                })
            })
            .collect();
        for round in 0..10 {
            view(hob.deploy("kitchen", &versions[round % 2]));
        }
        done.store(true, Ordering::Relaxed);
        for client in clients {
            assert!(client.join().expect("no request failed") > 0);
        }
    });
}

#[test]
fn versions_are_there_after_a_kill_and_the_one_that_is_served_is_the_last_acknowledged() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let first = place.start();
    view(first.deploy("fast-0-2", &greeter("fast-0-2", "first")));
    view(first.deploy("other", &greeter("fast-0-2", "other")));
    first.kill();

    let second = place.start();
    assert_eq!(second.greeting("fast-0-2"), "first");
    assert_eq!(second.greeting("other"), "other");
    let served = view(second.operate("GET", "/v1/handlers", &[]));
    assert_eq!(served["handlers"][0]["source"], "deployed", "{served}");
    view(second.operate("DELETE", "/v1/tenants/default/handlers/other", &[]));
    second.get("/other/hello").expect(404);
    drop(second);
    assert_eq!(place.start().get("/other/hello").status, 404);
}

#[test]
fn a_kill_at_any_moment_leaves_one_whole_version() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let mut words = vec!["world".to_owned()];
    for round in 0..12_u64 {
        let hob = place.start();
        let found = hob.greeting("fast-0-2");
        assert!(words.contains(&found), "round {round}: {found} is none of {words:?}");
        assert!(place.components().iter().all(|name| name.ends_with(".wasm")));
        let word = format!("wo{round:03}");
        let version = greeter("fast-0-2", &word);
        // The version that is served, or the one that was on its way.
        words = vec![found, word];
        let path = "/v1/tenants/default/handlers/fast-0-2/versions";
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: hob\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {}\r\n\r\n",
            version.len()
        );
        let mut client = Client::connect(hob.admin);
        client.send([head.as_bytes(), &version].concat());
        // A moment that differs from round to round: the upload, the compilation, the swap, or after it.
        let moment = Duration::from_micros(round * round * 700);
        client.hears_within(moment.max(Duration::from_micros(1)));
        hob.kill();
    }
    assert!(words.contains(&place.start().greeting("fast-0-2")));
}

#[test]
fn what_cannot_be_served_is_refused_and_leaves_no_trace() {
    let place = Place::new("", &[guest("fast-0-2").limits("cpu_ms = 100")]);
    let hob = place.start();
    let spins = wat::parse_str(SPINS_AT_START).expect("a component");
    let core = wat::parse_str("(module)").expect("a module");
    let no_handler = wat::parse_str("(component)").expect("a component");
    let wants_grants = fs::read(component("capabilities-0-2")).expect("a component");
    let whole = fs::read(component("fast-0-2")).expect("a component");
    let cases: [(&[u8], &[&str]); 7] = [
        (b"", &["not a WebAssembly component"]),
        (b"<html>", &["not a WebAssembly component", "fast-0-2.wasm"]),
        (&whole[..whole.len() / 2], &["damaged"]),
        (&core, &["core WebAssembly module"]),
        (&no_handler, &["exports no request handler"]),
        (&wants_grants, &["is not granted", "[[handler]]", "kv"]),
        (&spins, &["cannot be started", "cpu_ms"]),
    ];
    for (bytes, words) in cases {
        expect_denied(hob.deploy("fast-0-2", bytes), 422, "refused", words);
        assert_eq!(hob.greeting("fast-0-2"), "world");
    }
    let deploy = |path: &str| hob.operate("POST", path, &greeter("fast-0-2", "there"));
    let other = "/v1/tenants/default/handlers/other/versions";
    expect_denied(
        deploy("/v1/tenants/nobody/handlers/other/versions"),
        404,
        "not-found",
        &["nobody"],
    );
    expect_denied(
        deploy("/v1/tenants/default/handlers/a%20b/versions"),
        422,
        "refused",
        &["letters"],
    );
    expect_denied(deploy(&format!("{other}?path=other")), 422, "refused", &["begin with /"]);
    expect_denied(deploy(&format!("{other}?colour=red")), 400, "query", &["colour"]);
    let path = "/v1/tenants/default/handlers/fast-0-2/versions?path=/x";
    expect_denied(deploy(path), 422, "refused", &["hob.toml says"]);
    // Two handlers cannot answer the same requests.
    expect_denied(deploy(&format!("{other}?path=/fast-0-2")), 422, "refused", &["/fast-0-2"]);
    assert_eq!(hob.greeting("fast-0-2"), "world");
    assert!(place.components().is_empty(), "{:?}", place.components());
    assert!(!place.scratch.join("data/.hob/ledger.json").exists());
}

#[test]
fn a_check_changes_nothing_and_says_what_is_imported_anew() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let hob = place.start();
    let path = "/v1/tenants/default/handlers/fast-0-2/versions?check=true";
    let kitchen = greeter("kitchen-0-2", "there");
    let checked = view(hob.operate("POST", path, &kitchen));
    assert_eq!(checked["outcome"], "could-be-deployed");
    let imports = checked["new_imports"].as_array().expect("a list");
    assert!(
        imports.iter().any(|name| name == "wasi:http/types@0.2.12"
            || name.as_str().is_some_and(|name| name.starts_with("wasi:http/types@"))),
        "{checked}"
    );
    assert_eq!(hob.greeting("fast-0-2"), "world");
    assert!(place.components().is_empty());
    expect_denied(hob.operate("POST", path, b"nonsense"), 422, "refused", &["not a WebAssembly"]);
}

#[test]
fn who_shows_no_token_or_another_changes_nothing() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let hob = place.start();
    let paths = [
        ("GET", "/v1/handlers"),
        ("POST", "/v1/tenants/default/handlers/fast-0-2/versions"),
        ("POST", "/v1/tenants/default/handlers/fast-0-2/rollback"),
        ("DELETE", "/v1/tenants/default/handlers/fast-0-2"),
        ("POST", "/v1/reload"),
        ("POST", "/v1/drain"),
    ];
    let other = TOKEN.replace('0', "1");
    let fields = [
        String::new(),
        format!("authorization: Bearer {other}\r\n"),
        format!("authorization: Basic {TOKEN}\r\n"),
        format!("authorization: Bearer {TOKEN}0\r\n"),
        "authorization: Bearer\r\n".to_owned(),
    ];
    for (method, path) in paths {
        for fields in &fields {
            let answer = hob.operate_as(fields, method, path, b"body");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            expect_denied(answer, 401, "wrong-token", &["token"]);
        }
    }
    assert_eq!(hob.ask_admin("/readyz").expect(200).text(), "ready\n");
    // The public side has no such paths.
    hob.get("/v1/handlers").expect(404);
}

#[test]
fn without_a_token_in_hob_toml_the_one_in_the_data_folder_counts() {
    let scratch = Scratch::new();
    scratch.file(
        "hob.toml",
        format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n{}",
            guest("fast-0-2").toml()
        ),
    );
    let mut command = hob();
    command.arg("serve").arg(scratch.join("hob.toml")).args(["--cache", compile_cache()]);
    let server = Hob::start(command, Vec::new(), None);
    expect_denied(server.operate("GET", "/v1/handlers", &[]), 401, "no-token", &["[deploy]"]);
    let data = scratch.join("data");
    fs::create_dir_all(&data).expect("a folder");
    let version = scratch.file("fast-0-2.wasm", greeter("fast-0-2", "there"));
    let verb = |arguments: &[&str]| {
        let admin = format!("http://{}", server.admin);
        let data = data.to_str().expect("UTF-8");
        run(hob().args(arguments).args(["--admin", &admin, "--data", data]).env_remove("HOB_TOKEN"))
    };
    let deployed = verb(&["deploy", version.to_str().expect("UTF-8")]);
    assert!(deployed.success, "{}", deployed.stderr);
    assert!(deployed.stdout.contains("default/fast-0-2 serves version"), "{}", deployed.stdout);
    assert_eq!(server.greeting("fast-0-2"), "there");
    let listed = verb(&["deployments"]).stdout;
    assert!(listed.contains("(deployed)  below /fast-0-2"), "{listed}");
    let listed = verb(&["deployments", "--handler", "fast-0-2"]).stdout;
    assert!(listed.contains("bytes  served"), "{listed}");
    let back = verb(&["rollback", "--handler", "fast-0-2"]);
    assert!(back.success, "{}", back.stderr);
    assert_eq!(server.greeting("fast-0-2"), "world");
    let none = verb(&["rollback", "--handler", "fast-0-2"]);
    assert!(!none.success && none.stderr.contains("no earlier version"), "{}", none.stderr);
    let gone = verb(&["undeploy", "--handler", "fast-0-2"]);
    assert!(gone.stdout.contains("that of hob.toml"), "{gone:?}");
    assert!(verb(&["reload"]).stdout.contains("1 handlers are served"));
    // A token that others could read is none.
    use std::os::unix::fs::PermissionsExt;
    let token = data.join(".hob/token");
    let shown = fs::read_to_string(&token).expect("a token");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).expect("own file");
    let fields = format!("authorization: Bearer {shown}\r\n");
    expect_denied(server.operate_as(&fields, "GET", "/v1/handlers", &[]), 401, "no-token", &[]);
}

#[test]
fn a_folder_is_deployed_whole_and_drained_from_the_command_line() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let mut server = place.start();
    let folder = Scratch::new();
    folder.file("one.wasm", greeter("fast-0-2", "first"));
    folder.file("two.wasm", greeter("fast-0-2", "other"));
    let verb = |arguments: &[&str]| {
        let admin = format!("http://{}", server.admin);
        run(hob().args(arguments).args(["--admin", &admin]).env("HOB_TOKEN", TOKEN))
    };
    let deployed = verb(&["deploy", folder.path().to_str().expect("UTF-8")]);
    assert!(deployed.success, "{}", deployed.stderr);
    assert_eq!((server.greeting("one"), server.greeting("two")), ("first".into(), "other".into()));
    let wrong = run(hob()
        .args(["deployments", "--admin", &format!("http://{}", server.admin)])
        .env("HOB_TOKEN", "wrong"));
    assert!(!wrong.success && wrong.stderr.contains("token"), "{}", wrong.stderr);
    assert!(verb(&["drain"]).success);
    assert!(server.wait().success());
}

#[test]
fn a_second_deployment_of_a_handler_is_refused_while_the_first_is_under_way() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let hob = place.start();
    let version = greeter("fast-0-2", "first");
    let path = "/v1/tenants/default/handlers/fast-0-2/versions";
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: hob\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {}\r\n\r\n",
        version.len()
    );
    let mut first = Client::connect(hob.admin);
    first.send([head.as_bytes(), &version[..version.len() / 2]].concat());
    // The first has its turn once the second is told so.
    while hob.deploy("fast-0-2", b"nonsense").status != 409 {}
    let second = hob.deploy("fast-0-2", &greeter("fast-0-2", "other"));
    expect_denied(second, 409, "already-deploying", &["under way"]);
    view(hob.deploy("another", &greeter("fast-0-2", "other")));
    first.send(&version[version.len() / 2..]);
    view(first.response());
    assert_eq!(hob.greeting("fast-0-2"), "first");
    // One that breaks off gives its turn back.
    let mut third = Client::connect(hob.admin);
    third.send([head.as_bytes(), &version[..10]].concat());
    while hob.deploy("fast-0-2", b"nonsense").status != 409 {}
    third.reset();
    while hob.deploy("fast-0-2", &greeter("fast-0-2", "other")).status == 409 {}
    assert_eq!(hob.greeting("fast-0-2"), "other");
}

#[test]
fn a_disk_that_takes_no_more_refuses_a_deployment_and_the_version_stays() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let small = fs::metadata(component("fast-0-2")).expect("a component").len() / 1024;
    // Files may have half of the component's size; what is beyond is an error, not a signal.
    let hob = place.start_through(&format!("trap '' XFSZ; ulimit -f {}", small / 2));
    let refused = hob.deploy("fast-0-2", &greeter("fast-0-2", "there"));
    expect_denied(refused, 500, "failed", &["cannot use", ".hob"]);
    assert_eq!(hob.greeting("fast-0-2"), "world");
    assert!(place.components().is_empty(), "{:?}", place.components());
}

#[test]
fn one_goes_back_version_by_version_or_to_one_by_name() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let hob = place.start();
    let mut ids = Vec::new();
    for word in ["first", "secon", "third"] {
        let deployed = view(hob.deploy("fast-0-2", &greeter("fast-0-2", word)));
        ids.push(deployed["version"].as_str().expect("a version").to_owned());
    }
    let back = |query: &str| {
        let path = format!("/v1/tenants/default/handlers/fast-0-2/rollback{query}");
        hob.operate("POST", &path, &[])
    };
    assert_eq!(view(back(""))["version"], ids[1]);
    assert_eq!(hob.greeting("fast-0-2"), "secon");
    assert_eq!(view(back(&format!("?to={}", ids[2])))["version"], ids[2]);
    assert_eq!(hob.greeting("fast-0-2"), "third");
    assert_eq!(view(back(&format!("?to={}", ids[0])))["version"], ids[0]);
    view(back(""));
    assert_eq!(hob.greeting("fast-0-2"), "world");
    expect_denied(back(""), 404, "not-found", &["no earlier version"]);
    expect_denied(back("?to=000000000000"), 404, "not-found", &["000000000000"]);
    let versions = view(hob.operate("GET", "/v1/tenants/default/handlers/fast-0-2/versions", &[]));
    assert_eq!(versions["versions"].as_array().expect("a list").len(), 3);
    assert!(versions["versions"].as_array().expect("a list").iter().all(|v| v["current"] == false));
    // The same content again is the same version.
    let again = view(hob.deploy("fast-0-2", &greeter("fast-0-2", "first")));
    assert_eq!((&again["version"], &again["outcome"]), (&json!(ids[0]), &json!("deployed")));
    let again = view(hob.deploy("fast-0-2", &greeter("fast-0-2", "first")));
    assert_eq!(again["outcome"], "unchanged");
    assert_eq!(place.components().len(), 3);
}

#[test]
fn a_version_that_fails_its_first_requests_is_taken_back() {
    let place = Place::new("", &[guest("kitchen-0-2")]);
    let hob = place.start();
    let deployed = view(hob.deploy("kitchen-0-2", &greeter("kitchen-0-2", "there")));
    assert_eq!(hob.greeting("kitchen-0-2"), "there");
    for _ in 0..20 {
        hob.get("/kitchen-0-2/trap").expect(500);
    }
    let line = hob.wait_for_line(|line| line["event"] == "taken-back");
    assert_eq!(line["handler"], "kitchen-0-2");
    assert_eq!(hob.greeting("kitchen-0-2"), "world");
    let path = "/v1/tenants/default/handlers/kitchen-0-2/versions";
    let versions = view(hob.operate("GET", path, &[]));
    let failed = &versions["versions"][0];
    assert_eq!(failed["id"], deployed["version"]);
    assert!(failed["failed"].is_string(), "{versions}");
    // The version before is not on trial.
    for _ in 0..20 {
        hob.get("/kitchen-0-2/trap").expect(500);
    }
    assert_eq!(hob.greeting("kitchen-0-2"), "world");
}

#[test]
fn a_version_that_fails_now_and_then_stays() {
    let place = Place::new("", &[guest("kitchen-0-2")]);
    let hob = place.start();
    view(hob.deploy("kitchen-0-2", &greeter("kitchen-0-2", "there")));
    for _ in 0..60 {
        hob.get("/kitchen-0-2/hello").expect(200);
        hob.get("/kitchen-0-2/hello").expect(200);
        hob.get("/kitchen-0-2/trap").expect(500);
    }
    assert_eq!(hob.greeting("kitchen-0-2"), "there");
    assert!(hob.lines().iter().all(|line| line["event"] != "taken-back"));
}

#[test]
fn the_description_of_the_api_names_every_path_that_there_is() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let hob = place.start();
    let description = hob.ask_admin("/v1/openapi.json").expect(200);
    let description: serde_json::Value = serde_json::from_str(description.text()).expect("JSON");
    let paths = description["paths"].as_object().expect("paths");
    for (path, methods) in paths.iter().filter(|(path, _)| *path != "/v1/openapi.json") {
        let target = path.replace("{tenant}", "default").replace("{handler}", "fast-0-2");
        for method in ["get", "post", "put", "delete"] {
            let is_described = methods.get(method).is_some();
            // What needs no answer of the server is told by the method alone.
            let answer = hob.operate_as("", &method.to_uppercase(), &target, &[]);
            expect_denied(answer, 401, "wrong-token", &[]);
            if !is_described {
                let answer = hob.operate(&method.to_uppercase(), &target, &[]);
                assert!(answer.header("allow").is_some(), "{method} {path}: {answer:?}");
                expect_denied(answer, 405, "method", &[]);
            }
        }
    }
    expect_denied(hob.operate("GET", "/v1/nothing", &[]), 404, "no-such-path", &["openapi"]);
    let unknown = hob.operate("GET", "/v1/tenants/default/handlers/none/versions", &[]);
    expect_denied(unknown, 404, "not-found", &["none"]);
}

#[test]
fn a_reload_serves_what_has_changed_and_a_bad_file_changes_nothing() {
    let scratch = Scratch::new();
    scratch.file("token", TOKEN);
    let own = scratch.file("own.wasm", greeter("fast-0-2", "first"));
    let base = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n{TOKEN_TABLE}{}{}",
        Guest::of("own", &own).toml(),
        guest("kitchen").toml()
    );
    let file = scratch.file("hob.toml", &base);
    let mut command = hob();
    command.arg("serve").arg(&file).args(["--cache", compile_cache()]);
    let server = Hob::start(command, Vec::new(), None);
    assert_eq!(server.greeting("own"), "first");
    let mut in_flight = server.client();
    in_flight.send(unfinished("/kitchen/echo"));
    server.wait_for_in_flight("kitchen", 1);

    scratch.file("own.wasm", greeter("fast-0-2", "secon"));
    assert_eq!(server.greeting("own"), "first");
    let reloaded = view(server.operate("POST", "/v1/reload", &[]));
    assert_eq!(reloaded["changed"], json!(["default/own"]));
    assert_eq!(reloaded["needs_restart"], json!([]));
    assert_eq!(server.greeting("own"), "secon");

    scratch.file("hob.toml", format!("{base}\ncolour = \"red\"\n"));
    let refused = server.operate("POST", "/v1/reload", &[]);
    expect_denied(refused, 422, "refused", &["colour", "hob.toml:"]);
    scratch.file("hob.toml", base.replace("own.wasm", "gone.wasm"));
    let refused = server.operate("POST", "/v1/reload", &[]);
    expect_denied(refused, 422, "refused", &["gone.wasm"]);
    assert_eq!(server.greeting("own"), "secon");

    let more = guest("fast-0-2").named("more").toml();
    let changed = base.replace("[server]\n", "[server]\nloops = 2\n") + &more;
    scratch.file("hob.toml", changed);
    server.signal(Signal::HUP);
    server.wait_for_line(|line| {
        line["event"] == "reloaded"
            && line["refused"].is_null()
            && server.get("/more/hello").status == 200
    });
    let reloaded = view(server.operate("POST", "/v1/reload", &[]));
    assert_eq!(reloaded["needs_restart"], json!(["server.loops"]));
    assert_eq!(server.metrics().of("more", "hob_requests_in_flight"), 0.0);

    in_flight.send(END_OF_BODY);
    assert_eq!(in_flight.response().expect(200).text(), "hello");
    scratch.file("hob.toml", base.replace(&guest("kitchen").toml(), ""));
    view(server.operate("POST", "/v1/reload", &[]));
    server.get("/kitchen/hello").expect(404);
    server.get("/more/hello").expect(404);
    assert_eq!(server.greeting("own"), "secon");
}
