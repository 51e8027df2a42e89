//! Plug-ins before handlers: components of the world `wasi:http/middleware`.

use rustix::process::Signal;

use crate::failures::{expect_failure, failure_line};
use crate::harness::{
    Guest, Hob, Place, Response, Scratch, Serve, chunked, compile_cache, component, every_mode,
    get, greeter, guest, hob, plugin, post, run, view,
};

/// Handlers of every lane.
const KITCHENS: [&str; 4] = ["kitchen", "kitchen-standard", "kitchen-0-2", "kitchen-0-3"];

/// Asks with the field `x-deed`, which tells a plug-in what to do.
pub(crate) fn ask(hob: &Hob, target: &str, deed: &str) -> Response {
    hob.exchange(asking(target, deed))
}

fn asking(target: &str, deed: &str) -> String {
    get(target).replacen("\r\n\r\n", &format!("\r\nx-deed: {deed}\r\n\r\n"), 1)
}

/// Each of the handlers behind these plug-ins.
fn behind(handlers: Vec<Guest>, plugins: &[&str]) -> Vec<Guest> {
    let handlers = handlers.into_iter().map(|handler| handler.behind(plugins));
    handlers.chain(plugins.iter().map(|name| plugin(name))).collect()
}

/// Both plug-ins in a mode, before every kitchen in a mode.
fn pairs() -> impl Iterator<Item = Hob> {
    ["fresh", "reuse", "shared"].into_iter().map(|mode| {
        let mut guests: Vec<_> =
            every_mode(&KITCHENS).into_iter().map(|one| one.behind(&["a", "b"])).collect();
        guests.extend(["a", "b"].map(|name| plugin(name).isolation(mode)));
        Serve::new(guests).start()
    })
}

#[test]
fn the_first_plugin_is_the_outermost() {
    for hob in pairs() {
        for name in hob.names() {
            let answer = hob.get(&format!("/{name}/hello")).expect(200);
            assert_eq!(answer.text(), "hello world\n", "{name}");
            let way: Vec<_> = answer
                .headers
                .iter()
                .filter(|(key, _)| key == "x-way")
                .map(|(_, value)| value.as_str())
                .collect();
            assert_eq!(way, ["b", "a"], "{name}: the inner one is the first on the way back");
        }
        let seen = hob.get("/kitchen-0-3.fresh/fields").expect(200);
        let way: Vec<_> = seen.text().lines().filter(|line| line.starts_with("x-way")).collect();
        assert_eq!(way, ["x-way: a", "x-way: b"]);
    }
}

#[test]
fn a_plugin_answers_by_itself_and_the_handler_is_not_called() {
    let kitchens = ["kitchen", "kitchen-0-3"].map(|name| guest(name).isolation("shared"));
    let hob = Serve::new(behind(kitchens.to_vec(), &["gate"])).start();
    let open = |target: &str| {
        get(target).replacen("\r\n\r\n", "\r\nauthorization: Bearer open\r\n\r\n", 1)
    };
    for name in hob.names() {
        for _ in 0..3 {
            assert_eq!(hob.get(&format!("/{name}/count")).expect(401).header("x-gate"), None);
        }
        let counted = hob.exchange(open(&format!("/{name}/count"))).expect(200);
        assert_eq!(counted.text(), "1\n", "{name}");
        // It rewrites the path, and marks the answer.
        let greeting = hob.exchange(open(&format!("/{name}/greet"))).expect(200);
        assert_eq!(greeting.text(), "hello world\n", "{name}");
        assert_eq!(greeting.header("x-gate"), Some("passed"), "{name}");
        let line = hob.wait_for_access(&format!("/{name}/greet"));
        assert_eq!(line["handler"], name, "{line}");
    }
    let metrics = hob.metrics();
    assert_eq!(metrics.answered("gate", 401), 6.0);
    assert_eq!(metrics.answered("gate", 200), 4.0);
    assert_eq!(metrics.answered("kitchen", 401), 3.0);
    assert_eq!(metrics.of("gate", "hob_requests_in_flight"), 0.0);
}

#[test]
fn a_plugin_may_limit_what_goes_through_it() {
    let kitchen = guest("kitchen").isolation("shared");
    let hob = Serve::new(behind(vec![kitchen], &["a"])).start();
    for status in [200, 200, 429, 429] {
        ask(&hob, "/kitchen/hello", "a=limit").expect(status);
    }
}

/// A body larger than what is buffered anywhere, on both ways, whole and in pieces; passed on as it is,
/// and copied by the plug-ins.
#[test]
fn bodies_go_through_as_streams() {
    let body: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    for hob in pairs() {
        for name in hob.names() {
            for deed in ["none", "a=copy", "b=copy", "a=copy\r\nx-deed: b=copy"] {
                let target = format!("/{name}/echo-stream");
                let requests = [post(&target, &body), chunked(&target, body.chunks(70_000))];
                for mut request in requests {
                    let end = request.windows(4).position(|at| at == b"\r\n\r\n").expect("a head");
                    request.splice(end..end, format!("\r\nx-deed: {deed}").into_bytes());
                    let mut client = hob.client();
                    let sending = client.send_beside(request);
                    let answer = client.response().expect(200);
                    sending.join().expect("no panic").expect("all of it is sent");
                    assert!(answer.body == body, "{name} {deed}: {}", answer.body.len());
                }
            }
            let small = post(&format!("/{name}/echo"), "a body");
            assert_eq!(hob.exchange(small).expect(200).text(), "a body", "{name}");
        }
    }
}

#[test]
fn the_answer_to_head_has_its_length_and_trailers_go_through() {
    let kitchens = every_mode(&["kitchen-0-3"]);
    let hob = Serve::new(behind(kitchens, &["a", "b"])).start();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(get(&format!("/{name}/hello")).replacen("GET", "HEAD", 1));
        client.head().expect(200);
        let hello = client.exchange(get(&format!("/{name}/hello"))).expect(200);
        assert_eq!(hello.text(), "hello world\n", "{name}");
        let target = format!("/{name}/trailers");
        let fields = "\r\nte: trailers\r\n\r\n";
        let answer = client.exchange(get(&target).replacen("\r\n\r\n", fields, 1)).expect(200);
        assert_eq!(answer.text(), "hello world\n", "{name}");
        assert_eq!(answer.trailers, [("x-trailer".to_owned(), "late".to_owned())], "{name}");
    }
}

#[test]
fn a_client_that_does_not_read_stops_the_handler_and_one_that_leaves_ends_it() {
    for mode in ["fresh", "shared"] {
        let guests = behind(every_mode(&KITCHENS), &["a", "b"]).into_iter();
        let hob = Serve::new(guests.map(|one| match one.name() {
            "a" | "b" => one.isolation(mode),
            _ => one,
        }))
        .start();
        for name in hob.names() {
            for deed in ["none", "a=copy"] {
                let mut client = hob.client();
                client.send(asking(&format!("/{name}/endless"), deed));
                client.head().expect(200);
                client.up_to(1_000_000);
                assert!(hob.resident_bytes() < 600 << 20, "{name} {deed}: a body is kept");
                client.reset();
                hob.wait_for_in_flight(name, 0);
                hob.wait_for_in_flight("a", 0);
                hob.wait_for_in_flight("b", 0);
            }
        }
    }
}

/// The tenant has instances for one request, so the second is served only if nothing is left of the first.
#[test]
fn a_client_that_leaves_ends_the_call_of_what_is_behind() {
    for mode in ["fresh", "shared"] {
        let kitchens = ["kitchen-0-2", "kitchen"].map(|name| guest(name).isolation("fresh"));
        let guests = behind(kitchens.to_vec(), &["a"]).into_iter();
        let hob = Serve::new(guests.map(|one| match one.name() {
            "a" => one.isolation(mode),
            _ => one,
        }))
        .tenant("default", "instances = 2")
        .start();
        for name in hob.names() {
            let mut client = hob.client();
            client.send(get(&format!("/{name}/sleep?ms=3600000")));
            hob.wait_for_metrics(|m| m.of_tenant("default", "hob_tenant_instances") == 2.0);
            client.reset();
            let line = hob.wait_for_access(&format!("/{name}/sleep"));
            assert_eq!(line["status"], 499, "{line}");
            hob.wait_for_metrics(|m| m.of_tenant("default", "hob_tenant_instances") < 2.0);
            hob.expect_hello(name);
        }
        assert_eq!(hob.metrics().answered("a", 499), 2.0);
    }
}

#[test]
fn a_failure_behind_that_is_passed_on_is_answered_as_the_one_it_was() {
    let handlers = every_mode(&KITCHENS).into_iter();
    let handlers = handlers.map(|one| one.limits("cpu_ms = 300, wall_ms = 2500"));
    let hob = Serve::new(behind(handlers.collect(), &["a", "b"])).start();
    for name in hob.names() {
        for (behaviour, status, code) in [
            ("trap", 500, "trap"),
            ("spin", 503, "cpu-limit"),
            ("sleep?ms=3600000", 504, "wall-limit"),
        ] {
            let answer = hob.get(&format!("/{name}/{behaviour}"));
            let id = expect_failure(answer, status, code);
            let line = failure_line(&hob, &id);
            assert_eq!((&line["handler"], &line["code"]), (&name.into(), &code.into()), "{line}");
            let access = hob.wait_for_line(|line| line["kind"] == "access" && line["id"] == *id);
            assert_eq!((&access["handler"], &access["code"]), (&name.into(), &code.into()));
        }
        hob.expect_hello(name);
    }
    let names = hob.names().count() as f64;
    assert_eq!(hob.metrics().answered("a", 504), names);
}

#[test]
fn a_plugin_is_told_of_a_failure_by_a_code_and_may_answer_or_try_again() {
    let kitchen = guest("kitchen").isolation("fresh").limits("wall_ms = 1500");
    let hob = Serve::new(behind(vec![kitchen, guest("kitchen-0-3")], &["a", "b"])).start();
    let told = |target: &str| ask(&hob, target, "a=tell").expect(200).text().to_owned();
    let trap = told("/kitchen/trap");
    assert!(trap.contains("InternalError") && trap.contains("\"trap\""), "{trap}");
    let slow = told("/kitchen/sleep?ms=3600000");
    assert!(slow.contains("HttpResponseTimeout"), "{slow}");
    // What the handler has said in its error is not for others.
    let error = told("/kitchen-0-3/error");
    assert!(error.contains("handler-error") && !error.contains("as the test"), "{error}");
    assert_eq!(ask(&hob, "/kitchen/trap", "b=retry").expect(200).text(), "hello world\n");
    // An error of its own is not that of the handler.
    let id = expect_failure(ask(&hob, "/kitchen/hello", "b=error"), 500, "handler-error");
    assert_eq!(failure_line(&hob, &id)["handler"], "b");
}

#[test]
fn the_failure_of_a_plugin_is_its_own() {
    for mode in ["fresh", "reuse", "shared"] {
        let kitchen = guest("kitchen").isolation("shared").behind(&["a", "b"]);
        let plugins = ["a", "b"]
            .map(|name| plugin(name).isolation(mode).limits("cpu_ms = 300, wall_ms = 2000"));
        let hob = Serve::new([kitchen].into_iter().chain(plugins)).start();
        for name in ["a", "b"] {
            for (deed, status, code) in
                [("trap", 500, "trap"), ("spin", 503, "cpu-limit"), ("sleep", 504, "wall-limit")]
            {
                let answer = ask(&hob, "/kitchen/count", &format!("{name}={deed}"));
                let id = expect_failure(answer, status, code);
                assert_eq!(failure_line(&hob, &id)["handler"], name, "{mode} {deed}");
            }
        }
        // None of these has reached the handler, and its instance is the first.
        assert_eq!(hob.get("/kitchen/count").expect(200).text(), "1\n");
    }
}

#[test]
fn a_body_that_breaks_off_behind_is_not_complete_to_the_client() {
    let hob = Serve::new(behind(every_mode(&["kitchen", "kitchen-0-3"]), &["a"])).start();
    for name in hob.names() {
        for deed in ["none", "a=copy"] {
            let answer = ask(&hob, &format!("/{name}/stream-break?pause_ms=5"), deed);
            assert_eq!(answer.status, 200, "{name}: {answer:?}");
            assert!(!answer.complete, "{name} {deed}: {answer:?}");
        }
        let line = hob.wait_for_line(|line| line["event"] == "body-broken");
        assert_eq!(line["handler"], hob.names().next().expect("a handler"), "{line}");
    }
}

#[test]
fn the_calls_of_a_request_are_bounded_and_end_with_its_answer() {
    for mode in ["fresh", "reuse", "shared"] {
        let kitchen = guest("kitchen").behind(&["a"]);
        let hob = Serve::new([kitchen, plugin("a").isolation(mode)]).start();
        let storm = ask(&hob, "/kitchen/hello", "a=storm").expect(200);
        assert!(storm.text().starts_with("32 "), "{storm:?}");
        assert!(storm.text().contains("ConnectionLimitReached"), "{storm:?}");
        ask(&hob, "/kitchen/hello", "a=late").expect(200);
        let line = hob.wait_for_line(|line| line["kind"] == "guest" && line["handler"] == "a");
        let text = line["line"].as_str().expect("a line");
        assert!(text.contains("DestinationUnavailable"), "{mode}: {line}");
    }
}

#[test]
fn a_plugin_has_nothing_of_the_handler_behind_it_nor_that_of_it() {
    let kitchen = guest("kitchen-0-3")
        .behind(&["a", "b"])
        .set("grants.fetch = [\"http://127.0.0.1:*\"]")
        .set("config.secret = \"of the handler\"")
        .set("environment.TOLD = \"to the handler\"");
    let a = plugin("a").set("config.secret = \"of a\"");
    let hob = Serve::new([kitchen, a, plugin("b")]).start();
    let secret = |deed: &str| ask(&hob, "/kitchen-0-3/hello", deed).expect(200).text().to_owned();
    assert!(secret("a=secret").contains("of a"));
    assert_eq!(secret("b=secret"), "Ok(None)\n");
    let denied = secret("a=fetch 127.0.0.1:1");
    assert!(denied.contains("HttpRequestDenied"), "{denied}");
    assert_eq!(hob.get("/kitchen-0-3/env").expect(200).text(), "TOLD=to the handler\n");
}

#[test]
fn a_route_has_its_own_chain() {
    let kitchen = guest("kitchen").behind(&["gate"]).set("path = \"/closed\"");
    let hob = Serve::new([kitchen, plugin("gate"), plugin("a")])
        .route("prefix = \"/default\"\nhandler = \"kitchen\"")
        .route("prefix = \"/open\"\nhandler = \"kitchen\"\nplugins = []")
        .route(
            "prefix = \"/other\"\nhandler = \"kitchen\"\nplugins = [\"a\"]\nisolation = \"fresh\"",
        )
        .start();
    hob.get("/closed/hello").expect(401);
    hob.get("/default/hello").expect(401);
    assert_eq!(hob.get("/open/hello").expect(200).header("x-way"), None);
    for _ in 0..2 {
        let answer = hob.get("/other/count").expect(200);
        assert_eq!((answer.header("x-way"), answer.text()), (Some("a"), "1\n"));
    }
}

#[test]
fn a_plugin_that_is_deployed_anew_is_used_by_the_next_request() {
    let waiting =
        "[[plugin]]\nname = \"later\"\n[[handler]]\nname = \"late\"\nplugins = [\"later\"]\n";
    let late = format!("{waiting}component = {:?}\n", component("kitchen"));
    let place = Place::new("loops = 2", &[guest("kitchen").behind(&["a"]), plugin("a")]);
    place.add(&late);
    let hob = place.start();
    assert_eq!(hob.get("/kitchen/hello").expect(200).header("x-way"), Some("a"));
    let gate = std::fs::read(component("gate")).expect("a component");
    assert_eq!(view(hob.deploy("a", &gate))["outcome"], "deployed");
    for _ in 0..10 {
        hob.get("/kitchen/hello").expect(401);
    }
    // A handler is no plug-in, whoever deploys it.
    let denied = hob.deploy("a", &greeter("kitchen", "there")).expect(422);
    assert!(denied.text().contains("wasi:http/middleware"), "{denied:?}");
    let denied = hob.deploy("kitchen", &gate).expect(422);
    assert!(denied.text().contains("[[plugin]]"), "{denied:?}");
    view(hob.operate("POST", "/v1/tenants/default/handlers/a/rollback", b""));
    hob.get("/kitchen/hello").expect(200);
    // No request goes past a plug-in that is not there yet.
    hob.get("/late/hello").expect(404);
    view(hob.deploy("later", &gate));
    hob.get("/late/hello").expect(401);
}

/// The component of a plug-in of these tests, and nothing but another version of it.
fn another_version(name: &str) -> Vec<u8> {
    let mut bytes = std::fs::read(component(name)).expect("a component");
    // A custom section, of the name `x` and without content.
    bytes.extend([0, 2, 1, b'x']);
    bytes
}

#[test]
fn a_version_of_a_plugin_is_taken_back_for_its_own_failures_and_no_others() {
    let place = Place::new("", &[guest("kitchen").behind(&["a"]), plugin("a")]);
    let hob = place.start();
    let deployed = view(hob.deploy("a", &another_version("relay")));
    assert_eq!(deployed["outcome"], "deployed", "{deployed}");
    let path = "/v1/tenants/default/handlers/a/versions";
    let is_served = || view(hob.operate("GET", path, b""))["versions"][0]["current"].clone();
    for _ in 0..20 {
        ask(&hob, "/kitchen/trap", "").expect(500);
    }
    assert_eq!(is_served(), true);
    for _ in 0..100 {
        ask(&hob, "/kitchen/hello", "a=trap").expect(500);
    }
    let line = hob.wait_for_line(|line| line["event"] == "taken-back");
    assert_eq!((&line["handler"], &line["failed"]), (&"a".into(), &deployed["version"]), "{line}");
    assert_eq!(is_served(), false);
    ask(&hob, "/kitchen/hello", "").expect(200);
}

#[test]
fn a_reload_puts_a_plugin_before_a_handler() {
    let place = Place::new("", &[guest("kitchen").isolation("shared"), plugin("gate")]);
    let hob = place.start();
    hob.get("/kitchen/hello").expect(200);
    place.add("[[route]]\nprefix = \"/kitchen\"\nhandler = \"kitchen\"\nplugins = [\"gate\"]\n");
    hob.signal(Signal::HUP);
    hob.wait_for_line(|line| line["event"] == "reloaded" && line["refused"].is_null());
    hob.get("/kitchen/hello").expect(401);
}

/// What `hob check` says of these lines, after a handler `k` and a plug-in `p`, from line 7 on.
fn check(lines: &str) -> (bool, String) {
    let (kitchen, gate) = (component("kitchen").display(), component("gate").display());
    let scratch = Scratch::new();
    let text = format!(
        "[[handler]]\nname = \"k\"\ncomponent = \"{kitchen}\"\n\
         [[plugin]]\nname = \"p\"\ncomponent = \"{gate}\"\n{lines}\n"
    );
    let file = scratch.file("hob.toml", text);
    let checked = run(hob().arg("check").arg(&file).args(["--cache", compile_cache()]));
    (checked.success, if checked.success { checked.stdout } else { checked.stderr })
}

#[track_caller]
fn expect_fault(lines: &str, wanted: &[&str]) {
    let (success, said) = check(lines);
    assert!(!success, "no fault: {said}");
    for part in wanted {
        assert!(said.contains(part), "no {part:?} in {said:?}");
    }
}

#[test]
fn faults_of_chains_are_named() {
    let route = |keys: &str| format!("[[route]]\nprefix = \"/x\"\n{keys}");
    let to_k = |plugins: &str| route(&format!("handler = \"k\"\nplugins = {plugins}"));
    let (success, said) = check(&to_k("[\"p\"]"));
    assert!(success && said.contains("/x/* -> p -> k"), "{said}");
    expect_fault(&to_k("[\"pp\"]"), &["hob.toml:10:", "no such plug-in", "did you mean `p`?"]);
    expect_fault(&to_k("[\"somewhat\"]"), &["hob.toml:10:", "add a [[plugin]]"]);
    expect_fault(&to_k("[\"k\"]"), &["hob.toml:10:", "no such plug-in"]);
    expect_fault(&to_k("[\"p\", \"p\"]"), &["hob.toml:10:", "twice"]);
    let other = format!("{}\ntenant = \"t\"", to_k("[\"p\"]"));
    expect_fault(&other, &["the tenant `t` has no such plug-in"]);
    let many: Vec<_> = (0..9).map(|at| format!("p{at}")).collect();
    let tables: String =
        many.iter().map(|name| format!("[[plugin]]\nname = \"{name}\"\n")).collect();
    expect_fault(
        &format!("{tables}{}", to_k(&format!("{many:?}"))),
        &["hob.toml:28:", "more than 8"],
    );
    expect_fault(&route("handler = \"p\""), &["hob.toml:9:", "is a plug-in", "plugins = [\"p\"]"]);
    let folder = route("static.folder = \".\"\nplugins = [\"p\"]");
    expect_fault(&folder, &["hob.toml:10:", "`plugins` is for a route to a handler"]);
    expect_fault("[[plugin]]\nname = \"k\"", &["hob.toml:7:", "a second handler or plug-in"]);
    expect_fault("[[plugin]]\nname = \"q\"\npath = \"/q\"", &["hob.toml:9:", "path"]);
}

#[test]
fn a_component_that_is_not_what_its_table_says_is_a_fault() {
    let table = |kind: &str, name: &str| {
        format!("[[{kind}]]\nname = \"x\"\ncomponent = \"{}\"", component(name).display())
    };
    expect_fault(&table("plugin", "kitchen-0-3"), &["does not import wasi:http/handler", "`x`"]);
    expect_fault(&table("plugin", "kitchen-0-2"), &["does not export wasi:http/handler", "`x`"]);
    expect_fault(&table("handler", "gate"), &["nothing is behind the handler `x`", "[[plugin]]"]);
    let checked = run(hob().arg("check").arg(component("gate")).args(["--cache", compile_cache()]));
    assert!(!checked.success && checked.stderr.contains("[[plugin]]"), "{}", checked.stderr);
}
