//! Those who change what is served: who they must be, what they can ask for, and `hob.toml` read again.

use std::fs;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{
    END_OF_BODY, Guest, Hob, Place, Scratch, TOKEN, TOKEN_TABLE, compile_cache, expect_denied,
    greeter, guest, hob, module, run, unfinished, view,
};

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
    // The server has made it.
    let data = scratch.join("data");
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
fn the_description_of_the_api_names_every_path_that_there_is() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let hob = place.start();
    let description = hob.ask_admin("/v1/openapi.json").expect(200);
    let description: serde_json::Value = serde_json::from_str(description.text()).expect("JSON");
    let paths = description["paths"].as_object().expect("paths");
    for (path, methods) in paths.iter().filter(|(path, _)| *path != "/v1/openapi.json") {
        let target = path.replace("{tenant}", "default").replace("{handler}", "fast-0-2");
        for method in ["get", "post", "put", "patch", "delete"] {
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

#[test]
fn a_reload_reads_again_the_values_that_are_in_files() {
    let told = guest("capabilities").grants("").set("config.word = { file = \"word\" }");
    let told = told.set("environment.WORD = { file = \"word\" }");
    let module = module("job-0-3").tenant("t").set("environment.WORD = { file = \"other\" }");
    let place = Place::new("", &[told, guest("kitchen"), module]);
    place.scratch.file("word", "first\n");
    place.scratch.file("other", "one");
    let hob = place.start();
    let words = || {
        let word = hob.get("/capabilities/config.get?what=word").expect(200);
        let environment = hob.get("/capabilities/config.environment").expect(200);
        format!("{} {}", word.text(), environment.text().trim_end())
    };
    assert_eq!(words(), "first WORD=first");
    place.scratch.file("word", "second");
    // Until then it is what it was.
    assert_eq!(words(), "first WORD=first");
    let reloaded = view(hob.operate("POST", "/v1/reload", &[]));
    assert_eq!(reloaded["changed"], json!(["t/capabilities"]));
    assert_eq!(words(), "second WORD=second");
    let reloaded = view(hob.operate("POST", "/v1/reload", &[]));
    assert_eq!(reloaded["changed"], json!([]));
    fs::remove_file(place.scratch.join("word")).expect("a file");
    let refused = hob.operate("POST", "/v1/reload", &[]);
    expect_denied(refused, 422, "refused", &["hob.toml:", "`config.word`", "`environment.WORD`"]);
    assert_eq!(words(), "second WORD=second");
}

/// A request that is under way keeps what it had when it came.
#[test]
fn how_long_a_request_may_take_is_changed_for_those_that_come() {
    let limits = "limits = { wall_ms = 3600000, cpu_ms = 3600000 }";
    for mode in ["fresh", "reuse", "shared"] {
        let place = Place::new("", &[guest("kitchen").tenant("t").isolation(mode).set(limits)]);
        let hob = place.start();
        let change = |body: &str| view(hob.operate("PATCH", "/v1/tenants/t", body.as_bytes()));
        hob.expect_hello("kitchen");
        let mut before = hob.client();
        before.send(unfinished("/kitchen/echo"));
        hob.wait_for_in_flight("kitchen", 1);
        let changed = change(r#"{"cpu_ms": 100, "wall_ms": 300}"#);
        assert_eq!(changed["limits"]["cpu_ms"], 100, "{changed}");
        assert_eq!(changed["limits"]["wall_ms"], 300, "{changed}");
        let late = hob.get("/kitchen/sleep?ms=3600000").expect(504);
        assert!(late.text().starts_with("wall-limit\n"), "{late:?}");
        // It has been there for longer than those that come now may take.
        before.send(END_OF_BODY);
        assert_eq!(before.response().expect(200).text(), "hello");
        let spun = hob.get("/kitchen/spin").expect(503);
        assert!(spun.text().starts_with("cpu-limit\n"), "{spun:?}");
        let changed = change(r#"{"cpu_ms": null, "wall_ms": null}"#);
        assert_eq!(changed["limits"]["cpu_ms"], json!(null), "{changed}");
        hob.get("/kitchen/spin?ms=200").expect(200);
        hob.get("/kitchen/sleep?ms=400").expect(200);
    }
}

#[test]
fn a_tenant_s_limits_are_changed_while_it_is_served() {
    let place = Place::new("", &[guest("fast-0-2").tenant("t")]);
    let hob = place.start();
    let change = |body: &str| hob.operate("PATCH", "/v1/tenants/t", body.as_bytes());
    let changed = view(change(r#"{"requests_per_second": 1, "burst": 1, "weight": 5}"#));
    assert_eq!(changed["limits"]["requests_per_second"], 1, "{changed}");
    hob.get("/fast-0-2/hello").expect(200);
    let refused = hob.get("/fast-0-2/hello").expect(429);
    assert!(refused.text().starts_with("tenant-rate\n"), "{refused:?}");
    assert!(refused.header("retry-after").is_some());
    // A reload of the same file does not undo it.
    view(hob.operate("POST", "/v1/reload", &[]));
    let tenants = view(hob.operate("GET", "/v1/tenants", &[]));
    assert_eq!(tenants["tenants"][0]["limits"]["weight"], 5, "{tenants}");
    view(change(r#"{"requests_per_second": null}"#));
    for _ in 0..5 {
        hob.get("/fast-0-2/hello").expect(200);
    }
    for (body, status, code, word) in [
        (r#"{"colour": 1}"#, 422, "refused", "requests_in_flight"),
        (r#"{"weight": 0}"#, 422, "refused", "from 1 to 1000"),
        (r#"{"queue": 5, "weight": 2, "queue": 6}"#, 400, "body", "`queue` comes twice"),
        (r#"{"weight": 2, "colour": 1}"#, 422, "refused", "colour"),
        ("[]", 400, "body", "map"),
        ("{", 400, "body", "EOF"),
    ] {
        expect_denied(change(body), status, code, &[word]);
    }
    let nobody = hob.operate("PATCH", "/v1/tenants/nobody", b"{}");
    expect_denied(nobody, 404, "not-found", &["nobody"]);
    let tenants = view(hob.operate("GET", "/v1/tenants", &[]));
    assert_eq!(tenants["tenants"][0]["limits"]["weight"], 5, "{tenants}");
    let verb = |arguments: &[&str]| {
        let admin = format!("http://{}", hob.admin);
        run(crate::harness::hob().args(arguments).args(["--admin", &admin]).env("HOB_TOKEN", TOKEN))
    };
    // What always has a value goes back to its default.
    let changed =
        view(change(r#"{"queue": 5, "queue_ms": 6, "connections_out": 7, "host_jobs": 8}"#));
    assert_eq!(changed["limits"]["queue"], 5, "{changed}");
    let none = verb(&["limit", "t", "queue=none", "queue_ms=none", "connections_out=none"]);
    for line in ["queue = 1024", "queue_ms = 1000", "connections_out = 256", "host_jobs = 8"] {
        assert!(none.stdout.contains(line), "no {line} in {none:?}");
    }
    let none = view(change(r#"{"host_jobs": null, "weight": null}"#));
    assert_eq!(
        (&none["limits"]["host_jobs"], &none["limits"]["weight"]),
        (&json!(1024), &json!(1))
    );
    let limited = verb(&["limit", "t", "memory_mib=64", "weight=7"]);
    assert!(limited.stdout.contains("memory_mib = 64"), "{limited:?}");
    assert!(verb(&["tenants"]).stdout.contains("weight = 7"));
    assert!(verb(&["limit", "t", "memory_mib"]).stderr.contains("KEY=NUMBER"));
}

#[test]
fn a_query_that_is_of_something_else_changes_nothing() {
    let place = Place::new("", &[guest("fast-0-2").named("one")]);
    let hob = place.start();
    let component = greeter("fast-0-2", "there");
    let versions = "/v1/tenants/default/handlers/one/versions";
    view(hob.deploy("one", &component));
    for (method, path) in [
        ("DELETE", "/v1/tenants/default/handlers/one?check=true"),
        ("POST", "/v1/tenants/default/handlers/one/rollback?check=true"),
        ("POST", "/v1/tenants/default/handlers/one/rollback?to=a&to=b"),
        ("POST", "/v1/reload?check=true"),
        ("POST", "/v1/drain?check=true"),
        ("GET", "/v1/handlers?tenant=a&tenant=b"),
        ("GET", &format!("{versions}?check=true")),
        ("POST", &format!("{versions}?path=/a&path=/b")),
        ("POST", &format!("{versions}?check=true&preview=true")),
        ("POST", &format!("{versions}?check=true&check=false")),
    ] {
        expect_denied(hob.operate(method, path, &component), 400, "query", &[]);
    }
    assert_eq!(hob.greeting("one"), "there");
}
