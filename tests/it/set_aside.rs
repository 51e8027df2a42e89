//! Versions that were deployed and do not fit `hob.toml` any more when a server starts: nothing is served of
//! their handlers, and everything of the others, until they fit again or give way to another version.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{
    Hob, Place, TOKEN, component, expect_denied, greeter, guest, plugin, run, view,
};

/// As the table of the handler `one` begins.
const TABLE: &str = "name = \"one\"\n";

/// The same with a mode that no component of WASI 0.2 has.
const SHARED: &str = "name = \"one\"\nisolation = \"shared\"\n";

/// A place of the handlers `one` and `other`, and the version of `one` that was deployed there: it greets with
/// `there`, and does not fit `hob.toml` any more.
fn unfit_one() -> (Place, String) {
    let place = Place::new("", &["one", "other"].map(|name| guest("fast-0-2").named(name)));
    let hob = place.start();
    let deployed = view(hob.deploy("one", &greeter("fast-0-2", "there")));
    assert_eq!(hob.greeting("one"), "there");
    hob.kill();
    place.replace(TABLE, SHARED);
    (place, deployed["version"].as_str().expect("a version").to_owned())
}

fn reload(hob: &Hob) -> Value {
    view(hob.operate("POST", "/v1/reload", &[]))
}

/// How the list of handlers shows one of them.
fn shown(hob: &Hob, handler: &str) -> Value {
    let handlers = view(hob.operate("GET", "/v1/handlers", &[]));
    let handlers = handlers["handlers"].as_array().expect("a list").clone();
    handlers.into_iter().find(|one| one["handler"] == handler).expect("the handler")
}

/// Panics unless nothing is served of a handler, and that is said with these words wherever it is said.
#[track_caller]
fn expect_aside(hob: &Hob, (tenant, handler): (&str, &str), version: &str, words: &[&str]) {
    hob.get(&format!("/{handler}/hello")).expect(404);
    let line = hob.wait_for_line(|line| line["event"] == "set-aside" && line["handler"] == handler);
    assert_eq!((&line["tenant"], &line["version"]), (&json!(tenant), &json!(version)), "{line}");
    let detail = line["detail"].as_str().expect("a text");
    let beginning = format!("version {version} of {tenant}/{handler} is set aside");
    assert!(detail.starts_with(&beginning) && detail.contains("hob reload"), "{detail}");
    assert!(hob.errors().contains(&format!("hob: warning: {detail}")), "{}", hob.errors());
    let listed = shown(hob, handler);
    assert_eq!((&listed["source"], &listed["version"]), (&json!("set-aside"), &json!(null)));
    let path = format!("/v1/tenants/{tenant}/handlers/{handler}/versions");
    let versions = view(hob.operate("GET", &path, &[]));
    let of_id = versions["versions"].as_array().expect("a list").iter();
    let of_id = of_id.clone().find(|one| one["id"] == version).expect("the version");
    assert_eq!((&of_id["current"], &of_id["failed"]), (&json!(false), &json!(null)), "{versions}");
    for text in [detail, text(&listed["set_aside"]), text(&of_id["set_aside"])] {
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }
    let verb = |arguments: &[&str]| {
        let admin = format!("http://{}", hob.admin);
        run(crate::harness::hob().args(arguments).args(["--admin", &admin]).env("HOB_TOKEN", TOKEN))
            .stdout
    };
    let listed = verb(&["deployments"]);
    assert!(listed.contains(&format!("{tenant}/{handler}  is set aside")), "{listed}");
    let listed = verb(&["deployments", "--tenant", tenant, "--handler", handler]);
    assert!(listed.contains("bytes  set aside: ") && listed.contains(words[0]), "{listed}");
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[test]
fn a_version_that_does_not_fit_at_the_start_is_set_aside_and_all_else_is_served() {
    let place = Place::new(
        "",
        &[
            guest("fast-0-2").named("one"),
            guest("fast-0-2").named("routed"),
            guest("keyvalue-0-2").named("granted").set("grants = { kv = \"write\" }"),
            guest("keyvalue-0-2").named("listed").set("grants = { kv = \"write\" }"),
            guest("fast-0-2").named("other"),
        ],
    );
    let first = place.start();
    let version = |handler: &str, bytes: &[u8]| {
        text(&view(first.deploy(handler, bytes))["version"]).to_owned()
    };
    let there = greeter("fast-0-2", "there");
    let keyvalue = fs::read(component("keyvalue-0-2")).expect("a component");
    let (one, routed) = (version("one", &there), version("routed", &there));
    let (granted, listed) = (version("granted", &keyvalue), version("listed", &keyvalue));
    version("fits", &greeter("fast-0-2", "still"));
    first.kill();
    let written = place.ledger();

    place.replace(TABLE, SHARED);
    place.add("[[route]]\npath = \"/x\"\nhandler = \"routed\"\nisolation = \"shared\"\n");
    let table = guest("keyvalue-0-2").named("listed").set("grants = { kv = \"write\" }").toml();
    place.replace(&table, "");
    place.replace("grants = { kv = \"write\" }\n", "");
    for _ in 0..2 {
        let hob = place.start();
        assert_eq!((hob.greeting("other"), hob.greeting("fits")), ("world".into(), "still".into()));
        expect_aside(&hob, ("default", "one"), &one, &["`shared` needs WASI 0.3"]);
        hob.get("/x").expect(404);
        expect_aside(&hob, ("default", "routed"), &routed, &["`shared` needs WASI 0.3"]);
        let words = ["[[handler]] table of `granted`", "wasi:keyvalue/"];
        expect_aside(&hob, ("default", "granted"), &granted, &words);
        let words = ["hob.toml has no handler `listed`", "hob undeploy listed"];
        expect_aside(&hob, ("default", "listed"), &listed, &words);
        assert_eq!(hob.errors().matches("is set aside").count(), 4, "{}", hob.errors());
        assert_eq!(place.ledger(), written);
        hob.kill();
    }
}

#[test]
fn a_version_that_is_set_aside_is_served_when_hob_toml_is_mended_and_read_again() {
    let (place, version) = unfit_one();
    let hob = place.start();
    let written = place.ledger();
    let words = ["`shared` needs WASI 0.3"];
    expect_aside(&hob, ("default", "one"), &version, &words);
    // As long as nothing is mended it stays so, and that is said.
    let reloaded = reload(&hob);
    assert!(text(&reloaded["set_aside"][0]).contains(words[0]), "{reloaded}");
    hob.wait_for_line(|line| line["event"] == "reloaded");
    let lines = hob.lines();
    assert_eq!(lines.iter().filter(|line| line["event"] == "set-aside").count(), 2, "{lines:?}");
    expect_aside(&hob, ("default", "one"), &version, &words);
    place.replace(SHARED, TABLE);
    let reloaded = reload(&hob);
    assert_eq!(
        (&reloaded["set_aside"], &reloaded["changed"]),
        (&json!([]), &json!(["default/one"]))
    );
    assert_eq!(hob.greeting("one"), "there");
    assert_eq!(shown(&hob, "one")["source"], "deployed");
    assert_eq!(place.ledger(), written);
    // From now on a change that it does not fit is refused, as of any other.
    place.replace(TABLE, SHARED);
    expect_denied(hob.operate("POST", "/v1/reload", &[]), 422, "refused", &words);
    assert_eq!(hob.greeting("one"), "there");
}

#[test]
fn all_else_can_be_changed_while_a_version_is_set_aside() {
    let (place, version) = unfit_one();
    let hob = place.start();
    view(hob.deploy("other", &greeter("fast-0-2", "again")));
    view(hob.deploy("third", &greeter("fast-0-2", "third")));
    view(hob.operate("PATCH", "/v1/tenants/default", b"{\"weight\": 5}"));
    assert_eq!((hob.greeting("other"), hob.greeting("third")), ("again".into(), "third".into()));
    view(hob.operate("POST", "/v1/tenants/default/handlers/other/rollback", &[]));
    assert_eq!(hob.greeting("other"), "world");
    place.add(&guest("kitchen").toml());
    assert_eq!(reload(&hob)["changed"], json!(["default/kitchen"]));
    view(hob.operate("DELETE", "/v1/tenants/default/handlers/third", &[]));
    hob.get("/third/hello").expect(404);
    // What is wrong with another handler changes nothing.
    place.add(&guest("fast-0-2").named("bad").isolation("shared").toml());
    expect_denied(hob.operate("POST", "/v1/reload", &[]), 422, "refused", &["shared"]);
    hob.expect_hello("kitchen");
    expect_aside(&hob, ("default", "one"), &version, &["`shared` needs WASI 0.3"]);
}

#[test]
fn another_version_takes_the_place_of_one_that_is_set_aside() {
    let (place, version) = unfit_one();
    let hob = place.start();
    // The same one again is not served already, and does not fit yet.
    let same = greeter("fast-0-2", "there");
    expect_denied(hob.deploy("one", &same), 422, "refused", &["`shared` needs WASI 0.3"]);
    expect_aside(&hob, ("default", "one"), &version, &["`shared` needs WASI 0.3"]);
    let checked =
        hob.operate("POST", "/v1/tenants/default/handlers/one/versions?check=true", &same);
    expect_denied(checked, 422, "refused", &["`shared` needs WASI 0.3"]);

    let deployed = view(hob.deploy("one", &greeter("kitchen", "again")));
    assert_eq!((&deployed["outcome"], &deployed["before"]), (&json!("deployed"), &json!(null)));
    assert_eq!(hob.greeting("one"), "again");
    assert_eq!(reload(&hob)["set_aside"], json!([]));
    let back = format!("/v1/tenants/default/handlers/one/rollback?to={version}");
    expect_denied(hob.operate("POST", &back, &[]), 422, "refused", &["`shared` needs WASI 0.3"]);
    assert_eq!(hob.greeting("one"), "again");
    hob.kill();
    let hob = place.start();
    assert_eq!(hob.greeting("one"), "again");
    assert!(!hob.errors().contains("set aside"), "{}", hob.errors());
}

#[test]
fn one_goes_back_from_a_version_that_is_set_aside_or_forgets_it() {
    let place = Place::new("", &["one", "other"].map(|name| guest("fast-0-2").named(name)));
    let hob = place.start();
    for handler in ["one", "gone"] {
        view(hob.deploy(handler, &greeter("kitchen", "first")));
        view(hob.deploy(handler, &fs::read(component("fast-0-2")).expect("a component")));
    }
    hob.kill();
    place.replace(TABLE, SHARED);
    place.add("[[handler]]\nname = \"gone\"\nisolation = \"shared\"\n");
    let hob = place.start();
    hob.get("/one/hello").expect(404);
    view(hob.operate("POST", "/v1/tenants/default/handlers/one/rollback", &[]));
    assert_eq!(hob.greeting("one"), "first");
    let gone = view(hob.operate("DELETE", "/v1/tenants/default/handlers/gone", &[]));
    assert_eq!(gone["version"], json!(null));
    assert_eq!(shown(&hob, "gone")["source"], "waiting");
    assert_eq!(reload(&hob)["set_aside"], json!([]));
}

#[test]
fn a_version_that_is_set_aside_and_could_not_be_started_stays_so() {
    let spins = wat::parse_str(crate::deployments::SPINS_AT_START).expect("a component");
    let place = Place::new("", &[guest("fast-0-2")]);
    place.add("[[handler]]\nname = \"one\"\nlimits = { cpu_ms = 500 }\n");
    let hob = place.start();
    view(hob.deploy("one", &greeter("fast-0-2", "there")));
    hob.kill();
    // As if a version that starts once had been deployed, and starts no more.
    place.become_component_of("one", &spins);
    place.replace(TABLE, SHARED);
    let hob = place.start();
    hob.get("/one/hello").expect(404);
    place.replace(SHARED, TABLE);
    let reloaded = reload(&hob);
    assert!(text(&reloaded["set_aside"][0]).contains("cannot be started"), "{reloaded}");
    hob.get("/one/hello").expect(404);
    assert_eq!(hob.greeting("fast-0-2"), "world");
}

#[test]
fn what_is_no_component_any_more_is_set_aside_too() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let hob = place.start();
    view(hob.deploy("one", &greeter("fast-0-2", "there")));
    hob.kill();
    let version = place.become_component_of("one", b"\0asm\x01\0\0\0");
    let hob = place.start();
    assert_eq!(hob.greeting("fast-0-2"), "world");
    expect_aside(&hob, ("default", "one"), &version, &["is a core WebAssembly module"]);
}

#[test]
fn no_request_goes_past_a_plugin_whose_version_is_set_aside() {
    let place = Place::new("", &[guest("kitchen").behind(&["a"]), plugin("a"), guest("fast-0-2")]);
    place.add("[[route]]\nprefix = \"/x\"\nhandler = \"fast-0-2\"\nplugins = [\"a\"]\n");
    place.add("[[route]]\nprefix = \"/y\"\nhandler = \"fast-0-2\"\n");
    place.add_to_deploy("preview_host = \"preview.example\"");
    let hob = place.start();
    let relay = fs::read(component("relay")).expect("a component");
    view(hob.deploy("a", &relay));
    view(hob.deploy("kitchen", &greeter("kitchen", "there")));
    hob.get("/x/hello").expect(200);
    hob.kill();
    place.become_component_of("a", &fs::read(component("kitchen")).expect("a component"));
    let hob = place.start();
    let line = hob.wait_for_line(|line| line["event"] == "set-aside");
    assert!(text(&line["detail"]).contains("wasi:http/middleware"), "{line}");
    hob.get("/kitchen/hello").expect(404);
    hob.get("/x/hello").expect(404);
    hob.get("/y/hello").expect(200);
    view(hob.deploy("a", &relay));
    assert_eq!(hob.greeting("kitchen"), "there");
    hob.get("/x/hello").expect(200);
}

#[test]
fn the_path_of_a_handler_that_is_set_aside_or_waits_is_kept_for_it() {
    let listed = guest("keyvalue-0-2").named("shop").set("grants = { kv = \"write\" }");
    let place = Place::new("", &[guest("fast-0-2"), listed.clone()]);
    let first = place.start();
    view(first.deploy("shop", &fs::read(component("keyvalue-0-2")).expect("a component")));
    first.kill();
    place.replace(&listed.toml(), "[[handler]]\nname = \"later\"\npath = \"/soon\"\n");
    let hob = place.start();
    hob.get("/shop/").expect(404);
    for (path, holder) in [("/shop", "`shop`"), ("/soon", "`later`")] {
        let target = format!("/v1/tenants/default/handlers/new/versions?path={path}");
        let denied = hob.operate("POST", &target, &greeter("fast-0-2", "there"));
        expect_denied(denied, 422, "refused", &[holder, path, "name another path"]);
    }
    // Its own path is no one else's.
    view(hob.deploy("shop", &greeter("fast-0-2", "there")));
    assert_eq!(hob.greeting("shop"), "there");
}

#[test]
fn the_host_names_of_other_versions_stay_when_one_is_set_aside() {
    let place = Place::new("", &["one", "other"].map(|name| guest("fast-0-2").named(name)));
    place.add_to_deploy("preview_host = \"preview.example\"");
    let hob = place.start();
    let path = "/v1/tenants/default/handlers/other/versions?preview=true";
    let kept = view(hob.operate("POST", path, &greeter("fast-0-2", "other")));
    let version =
        text(&view(hob.deploy("one", &greeter("fast-0-2", "there")))["version"]).to_owned();
    hob.kill();
    place.replace(TABLE, SHARED);
    let hob = place.start();
    let at =
        |host: &Value| hob.exchange(format!("GET /hello HTTP/1.1\r\nhost: {}\r\n\r\n", text(host)));
    assert_eq!(at(&kept["preview"]).expect(200).text(), "hello other\n");
    assert!(!hob.errors().contains("host name"), "{}", hob.errors());
    expect_aside(&hob, ("default", "one"), &version, &["`shared` needs WASI 0.3"]);
    // A version beside it is looked at before it is served in its place.
    let path = "/v1/tenants/default/handlers/one/versions?preview=true";
    let kept = view(hob.operate("POST", path, &greeter("kitchen", "again")));
    assert_eq!(at(&kept["preview"]).expect(200).text(), "hello again\n");
    expect_aside(&hob, ("default", "one"), &version, &["`shared` needs WASI 0.3"]);
}

#[test]
fn a_start_says_that_versions_are_without_their_host_names() {
    let place = Place::new("", &["one", "other"].map(|name| guest("fast-0-2").named(name)));
    place.add_to_deploy("preview_host = \"preview.example\"");
    let hob = place.start();
    view(hob.deploy("one", &greeter("fast-0-2", "there")));
    view(hob.deploy("one", &greeter("kitchen", "again")));
    hob.kill();
    place.replace(TABLE, SHARED);
    let hob = place.start();
    assert_eq!(hob.greeting("one"), "again");
    let line = hob.wait_for_line(|line| line["event"] == "previews-left-out");
    assert!(text(&line["detail"]).contains("`shared` needs WASI 0.3"), "{line}");
    assert!(hob.errors().contains("hob: warning: no version answers"), "{}", hob.errors());
    // While the server runs it is said again, of what is changed.
    view(hob.deploy("other", &greeter("fast-0-2", "later")));
    assert_eq!(hob.greeting("other"), "later");
    let line = hob
        .wait_for_line(|next| next["event"] == "previews-left-out" && next["time"] != line["time"]);
    assert!(text(&line["detail"]).contains("`shared` needs WASI 0.3"), "{line}");
}

/// `hob.toml` said what was before it, and that is not known any more.
#[test]
fn a_handler_that_hob_toml_has_no_more_is_not_served_at_a_path_of_its_own() {
    let place = Place::new("", &["one", "other"].map(|name| guest("fast-0-2").named(name)));
    let hob = place.start();
    let deployed = view(hob.deploy("one", &greeter("fast-0-2", "there")));
    let version = text(&deployed["version"]);
    assert_eq!(hob.greeting("one"), "there");
    place.replace(TABLE, "name = \"uno\"\n");
    reload(&hob);
    hob.get("/one/hello").expect(404);
    hob.wait_for_line(|line| line["event"] == "set-aside" && line["handler"] == "one");
    hob.expect_hello("uno");
    hob.kill();
    let hob = place.start();
    let words = ["hob.toml has no handler `one`", "hob undeploy one"];
    expect_aside(&hob, ("default", "one"), version, &words);
    let back = hob.operate("POST", "/v1/tenants/default/handlers/one/rollback", &[]);
    expect_denied(back, 422, "refused", &words);
    hob.get("/one/hello").expect(404);
    // Who deploys it now wants it there.
    view(hob.deploy("one", &greeter("fast-0-2", "again")));
    assert_eq!(hob.greeting("one"), "again");
    reload(&hob);
    assert_eq!(hob.greeting("one"), "again");
}

#[test]
fn a_handler_whose_path_hob_toml_gives_to_another_is_set_aside() {
    let place = Place::new("", &[guest("fast-0-2").named("other")]);
    let hob = place.start();
    let component_of = component("fast-0-2");
    for (name, table) in [
        (
            "a",
            format!("[[handler]]\nname = \"late\"\npath = \"/a\"\ncomponent = {component_of:?}\n"),
        ),
        ("b", "[[route]]\nprefix = \"/b\"\nredirect = { to = \"/other\" }\n".to_owned()),
    ] {
        view(hob.deploy(name, &greeter("fast-0-2", "there")));
        assert_eq!(hob.greeting(name), "there");
        place.add(&table);
        reload(&hob);
        let line = hob.wait_for_line(|one| one["event"] == "set-aside" && one["handler"] == name);
        let detail = text(&line["detail"]);
        assert!(detail.contains("of hob.toml") && detail.contains("--path"), "{detail}");
        assert_eq!(shown(&hob, name)["source"], "set-aside");
    }
    hob.expect_hello("a");
    hob.get("/b/hello").expect(308);
    // At another path it is served.
    let path = "/v1/tenants/default/handlers/b/versions?path=/elsewhere";
    view(hob.operate("POST", path, &greeter("fast-0-2", "after")));
    let answer = hob.get("/elsewhere/hello").expect(200);
    assert!(answer.text().contains("after"), "{answer:?}");
}
