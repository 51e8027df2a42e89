//! Versions that are deployed while a server runs: served from the acknowledgement on, with no request
//! lost; refused without a trace; gone back from; and there again after a start.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::harness::{
    Client, END_OF_BODY, Hob, Place, TOKEN, component, expect_denied, get, greeter, guest, hob,
    unfinished, view,
};

pub(crate) const SPINS_AT_START: &str = r#"(component
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
    let place = Place::new("", &[guest("fast-0-2").limits("cpu_ms = 500")]);
    let hob = place.start();
    let spins = wat::parse_str(SPINS_AT_START).expect("a component");
    let core = wat::parse_str("(module)").expect("a module");
    let no_handler = wat::parse_str("(component)").expect("a component");
    let wants_grants = fs::read(component("capabilities-0-2")).expect("a component");
    let whole = fs::read(component("fast-0-2")).expect("a component");
    let cases: [(&[u8], &[&str]); 7] = [
        (b"", &["not a WebAssembly component"]),
        (b"<html>", &["not a WebAssembly component", "the component of `fast-0-2`"]),
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
    // It goes by what was served, the last one first.
    for word in ["third", "secon", "first", "world"] {
        view(back(""));
        assert_eq!(hob.greeting("fast-0-2"), word);
    }
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
    assert_eq!((&line["handler"], &line["failed"]), (&json!("kitchen-0-2"), &deployed["version"]));
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
fn each_version_answers_at_a_host_name_of_its_own() {
    let place = Place::new("", &[guest("fast-0-2")]);
    place.add_to_deploy("preview_host = \"preview.example\"");
    let hob = place.start();
    let path = "/v1/tenants/default/handlers/fast-0-2/versions?preview=true";
    let kept = view(hob.operate("POST", path, &greeter("fast-0-2", "there")));
    assert_eq!(kept["outcome"], "previewed", "{kept}");
    assert_eq!(hob.greeting("fast-0-2"), "world");
    let at = |host: &str| {
        hob.exchange(format!("GET /hello HTTP/1.1\r\nhost: {host}\r\n\r\n")).text().to_owned()
    };
    let there = kept["preview"].as_str().expect("a host name").to_owned();
    assert!(there.ends_with(".fast-0-2.default.preview.example"), "{there}");
    assert_eq!(at(&there), "hello there\n");
    assert_eq!(at(&format!("{}:8080", there.to_uppercase())), "hello there\n");
    // It is served like any other once it is deployed, and has its name yet.
    view(hob.deploy("fast-0-2", &greeter("fast-0-2", "there")));
    let again = view(hob.deploy("fast-0-2", &greeter("fast-0-2", "again")));
    assert_eq!(hob.greeting("fast-0-2"), "again");
    assert_eq!(at(&there), "hello there\n");
    assert_eq!(at(again["preview"].as_str().expect("a host name")), "hello again\n");
    drop(hob);
    let hob = place.start();
    let served = hob.exchange(format!("GET /hello HTTP/1.1\r\nhost: {there}\r\n\r\n"));
    assert_eq!(served.expect(200).text(), "hello there\n");
    assert_eq!(hob.greeting("fast-0-2"), "again");
}

#[test]
fn without_a_host_for_previews_a_version_cannot_be_kept_beside_the_one_that_is_served() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let hob = place.start();
    let path = "/v1/tenants/default/handlers/fast-0-2/versions?preview=true";
    let refused = hob.operate("POST", path, &greeter("fast-0-2", "there"));
    expect_denied(refused, 422, "refused", &["preview_host"]);
}

#[test]
fn a_handler_of_hob_toml_without_a_component_waits_for_its_first_deployment() {
    let place = Place::new("", &[guest("fast-0-2")]);
    place.add(
        "[[handler]]\nname = \"later\"\ntenant = \"t\"\nlimits = { cpu_ms = 500 }\n\
         [[route]]\ntenant = \"t\"\nprefix = \"/soon\"\nhandler = \"later\"\n\
         [[route]]\ntenant = \"t\"\npath = \"/slim/hello\"\nhandler = \"later\"\nlimits = { memory_mib = 8 }\n\
         [[route]]\nprefix = \"/now\"\nhandler = \"fast-0-2\"\n",
    );
    let hob = place.start();
    hob.get("/soon/hello").expect(404);
    hob.get("/now/hello").expect(200);
    let path = "/v1/tenants/t/handlers/later/versions";
    view(hob.operate("POST", path, &greeter("fast-0-2", "there")));
    assert_eq!(hob.get("/soon/hello").expect(200).text(), "hello there\n");
    hob.get("/slim/hello").expect(200);
    hob.get("/now/hello").expect(200);
    // There is nothing behind its first version.
    let back = hob.operate("POST", "/v1/tenants/t/handlers/later/rollback", &[]);
    expect_denied(back, 404, "not-found", &["no earlier version"]);
    assert_eq!(hob.get("/soon/hello").expect(200).text(), "hello there\n");
    // What hob.toml says of it holds.
    hob.get("/soon/spin").expect(503);
    view(hob.operate("DELETE", "/v1/tenants/t/handlers/later", &[]));
    hob.get("/soon/hello").expect(404);
    hob.get("/now/hello").expect(200);
}

#[test]
fn a_version_that_fails_goes_back_to_the_one_that_was_served_and_to_no_other() {
    let place = Place::new("", &[guest("kitchen-0-2")]);
    place.add_to_deploy("preview_host = \"preview.example\"");
    let hob = place.start();
    view(hob.deploy("kitchen-0-2", &greeter("kitchen-0-2", "first")));
    view(hob.deploy("kitchen-0-2", &greeter("kitchen-0-2", "secon")));
    view(hob.operate("POST", "/v1/tenants/default/handlers/kitchen-0-2/rollback", &[]));
    let path = "/v1/tenants/default/handlers/kitchen-0-2/versions?preview=true";
    view(hob.operate("POST", path, &greeter("kitchen-0-2", "never")));
    view(hob.deploy("kitchen-0-2", &greeter("kitchen-0-2", "there")));
    assert_eq!(hob.greeting("kitchen-0-2"), "there");
    for _ in 0..20 {
        hob.get("/kitchen-0-2/trap").expect(500);
    }
    hob.wait_for_line(|line| line["event"] == "taken-back");
    assert_eq!(hob.greeting("kitchen-0-2"), "first");
}

#[test]
fn components_are_compiled_on_threads_that_give_way_to_the_loops() {
    let place = Place::new("loops = 1", &[guest("kitchen")]);
    let mut command = hob();
    command.arg("serve").arg(place.scratch.join("hob.toml"));
    // A cache in which there is nothing yet.
    command.arg("--cache").arg(place.scratch.join("cache"));
    let hob = Hob::start(command, Vec::new(), None);
    let cores = std::thread::available_parallelism().expect("a number").get();
    // A thread has its name and its niceness by its own doing, a while after it was started.
    let give_way = || {
        hob.wait_for_metrics(|_| {
            let of_threads = hob.niceness("compile-");
            of_threads.len() == cores && of_threads.iter().all(|nice| *nice > 0)
        });
    };
    give_way();
    view(hob.deploy("kitchen", &greeter("kitchen", "there")));
    // The threads of the start are the ones that compile later.
    give_way();
    // A pool of the process has threads without a name, which are called as the one that made them.
    assert_eq!((hob.niceness("hob").len(), hob.niceness("control").len()), (1, 1));
}
