//! Faults of routes in a `hob.toml`, what `hob check` says of routes, and the schema.

use crate::harness::{Scratch, compile_cache, component, hob, run};

/// What `hob check` says of a file with two handlers, `a` of the tenant `default` and `b` of `t`, and
/// these lines after them, from line 8 on.
fn check(lines: &str) -> (bool, String) {
    let component = component("kitchen").display();
    let handlers = format!(
        "[[handler]]\nname = \"a\"\ncomponent = \"{component}\"\n\
         [[handler]]\nname = \"b\"\ncomponent = \"{component}\"\ntenant = \"t\"\n"
    );
    let scratch = Scratch::new();
    let file = scratch.file("hob.toml", format!("{handlers}{lines}\n"));
    let checked = run(hob().arg("check").arg(&file).args(["--cache", compile_cache()]));
    (checked.success, if checked.success { checked.stdout } else { checked.stderr })
}

#[track_caller]
fn expect_fault(lines: &str, wanted: &[&str]) {
    let (success, said) = check(lines);
    assert!(!success, "no fault: {said}");
    assert_eq!(said.lines().count(), 1, "not one fault: {said}");
    for part in wanted {
        assert!(said.contains(part), "no {part:?} in {said:?}");
    }
}

/// A route with these keys, to the handler `a`.
fn to_a(keys: &str) -> String {
    format!("[[route]]\nhandler = \"a\"\n{keys}")
}

#[test]
fn faults_of_a_route_are_named() {
    expect_fault("[[route]]\nhandler = \"a\"", &["hob.toml:8:", "`path` and `prefix`"]);
    let both = to_a("path = \"/x\"\nprefix = \"/x\"");
    expect_fault(&both, &["hob.toml:8:", "`path` and `prefix`"]);
    expect_fault(
        "[[route]]\npath = \"/x\"",
        &["hob.toml:8:", "`handler`, `static` and `redirect`"],
    );
    let two = to_a("path = \"/x\"\nredirect = { to = \"/\" }");
    expect_fault(&two, &["hob.toml:8:", "`handler`, `static` and `redirect`"]);
    expect_fault(&to_a("paht = \"/x\""), &["hob.toml:10:", "did you mean `path`?"]);

    let path = |path: &str| to_a(&format!("path = \"{path}\""));
    expect_fault(&path("x"), &["hob.toml:10: `path`", "begin with /"]);
    expect_fault(&path("/a//b"), &["hob.toml:10: `path`"]);
    expect_fault(&path("/a b/{id}"), &["hob.toml:10: `path`", "write `/a%20b/{id}`"]);
    expect_fault(&path("/a{id}"), &["hob.toml:10: `path`", "within a segment"]);
    expect_fault(&path("/{Id}"), &["hob.toml:10: `path`", "lower-case"]);
    expect_fault(&path("/{}"), &["hob.toml:10: `path`", "lower-case"]);
    expect_fault(&path("/{id}/{id}"), &["hob.toml:10: `path`", "`id` twice"]);
    expect_fault(&path("/{a_b}/{a-b}"), &["hob.toml:10: `path`", "`a-b` twice"]);
    expect_fault(&path("/{rest...}/x"), &["hob.toml:10: `path`", "must be last"]);
    expect_fault(&path(&"/{a}".repeat(65)), &["hob.toml:10: `path`", "more than 64 segments"]);
    expect_fault(&to_a("prefix = \"/{rest...}\""), &["hob.toml:10: `prefix`", "all below it"]);

    let host = |host: &str| to_a(&format!("path = \"/x\"\nhost = \"{host}\""));
    for wrong in ["", "https://a", "a:80", "a.*.com", "*", "a..b"] {
        expect_fault(&host(wrong), &["hob.toml:11: `host`", "\"*.example.com\""]);
    }
    let methods = |methods: &str| to_a(&format!("path = \"/x\"\nmethods = {methods}"));
    expect_fault(&methods("[\"get\"]"), &["hob.toml:11: `methods` has `get`", "capitals"]);
    expect_fault(&methods("[\"GET\", \"GET\"]"), &["hob.toml:11: `methods` has `GET` twice"]);
    expect_fault(&methods("[]"), &["hob.toml:11: `methods` is empty"]);
}

#[test]
fn a_route_to_a_handler_that_is_not_there_is_named() {
    let to = |name: &str| format!("[[route]]\npath = \"/x\"\nhandler = \"{name}\"");
    expect_fault(&to("aa"), &["hob.toml:10: `handler` is `aa`", "`default`", "did you mean `a`?"]);
    expect_fault(&to("something"), &["add a [[handler]] with `name = \"something\"`"]);
    // It is another tenant's.
    let of_t = "[[route]]\npath = \"/x\"\nhandler = \"a\"\ntenant = \"t\"";
    expect_fault(of_t, &["hob.toml:10:", "the tenant `t` has no such handler", "`b`?"]);
    expect_fault(&to_a("path = \"/x\"\nisolation = \"no\""), &["hob.toml:11: `isolation`"]);
    let limits = to_a("path = \"/x\"\nlimits = { cpu_ms = 0 }");
    expect_fault(&limits, &["hob.toml:11: `route.limits.cpu_ms` is 0"]);
}

#[test]
fn routes_for_the_same_requests_are_named_both() {
    let conflict = |one: &str, other: &str, wanted: &[&str]| {
        let of_line = "of line 8;";
        let wanted: Vec<_> = wanted.iter().copied().chain([of_line]).collect();
        expect_fault(&format!("{}\n{}", to_a(one), to_a(other)), &wanted);
    };
    conflict("path = \"/a/{x}\"", "path = \"/a/{y}\"", &["hob.toml:11:", "`/a/{y}`", "`/a/{x}`"]);
    conflict("prefix = \"/a\"", "prefix = \"/a/\"", &["hob.toml:11:", "`/a/*`"]);
    let (get, both) = ("methods = [\"GET\"]", "methods = [\"POST\", \"GET\"]");
    conflict(
        &format!("path = \"/a\"\n{get}"),
        &format!("path = \"/a\"\n{both}"),
        &["hob.toml:12:"],
    );
    let (one, other) = ("host = \"A.b\"", "host = \"a.B\"");
    let same = format!("path = \"/a\"\n{other}");
    conflict(&format!("path = \"/a\"\n{one}"), &same, &["hob.toml:12:", "`a.b/a`"]);
    // With the path that a handler has of its own.
    let own = "[[route]]\nprefix = \"/b\"\nhandler = \"a\"";
    expect_fault(own, &["hob.toml:8:", "`/b/*`", "of line 4;"]);
    // These differ.
    for (one, other) in [
        ("path = \"/a\"", "prefix = \"/a\""),
        ("path = \"/a\"", "path = \"/a/\""),
        ("path = \"/a\"", "path = \"/a\"\nmethods = [\"GET\"]"),
        ("path = \"/a\"\nmethods = [\"HEAD\"]", "path = \"/a\"\nmethods = [\"GET\"]"),
        ("path = \"/{a}\"", "path = \"/{a...}\""),
        ("path = \"/a\"\nhost = \"a.b\"", "path = \"/a\"\nhost = \"*.a.b\""),
    ] {
        let (success, said) = check(&format!("{}\n{}", to_a(one), to_a(other)));
        assert!(success, "{one} and {other}: {said}");
    }
}

#[test]
fn faults_of_what_answers_without_a_handler_are_named() {
    let route = |keys: &str| format!("[[route]]\npath = \"/x/{{id}}\"\n{keys}");
    let to = |to: &str| route(&format!("redirect = {{ to = \"{to}\" }}"));
    expect_fault(&to("//a"), &["hob.toml:10: `redirect.to`", "https://"]);
    expect_fault(&to("ftp://a"), &["hob.toml:10: `redirect.to`", "https://"]);
    expect_fault(&to("https://{id}.com/"), &["hob.toml:10: `redirect.to`", "host must be fixed"]);
    expect_fault(&to("/{di}"), &["hob.toml:10: `redirect.to`", "did you mean `id`?"]);
    expect_fault(&to("/{id"), &["hob.toml:10: `redirect.to`", "no `}`"]);
    expect_fault(&to("/a b"), &["hob.toml:10: `redirect.to`", "write `/a%20b`"]);
    let status = route("redirect = { to = \"/\", status = 303 }");
    expect_fault(&status, &["hob.toml:10: `redirect.status` is 303"]);
    let isolation = route("redirect = { to = \"/\" }\ncompress = true");
    expect_fault(
        &isolation,
        &["hob.toml:11: `compress` is for a route to a handler or to a folder"],
    );

    expect_fault(
        &route("static = { folder = \".\" }"),
        &["hob.toml:10: `static` needs a `prefix`"],
    );
    let folder = |keys: &str| format!("[[route]]\nprefix = \"/x\"\nstatic = {{ {keys} }}");
    expect_fault(&folder("folder = \"no-such\""), &["hob.toml:10: `static.folder`", "no folder"]);
    let index = folder("folder = \".\", index = \"../a\"");
    expect_fault(&index, &["hob.toml:10: `static.index`"]);
    let fixed = folder("folder = \".\", cache = \"max-age=5, No-Transform\"") + "\ncompress = true";
    expect_fault(&fixed, &["hob.toml:11: `compress`", "`no-transform`"]);
    let post = folder("folder = \".\"") + "\nmethods = [\"POST\"]";
    expect_fault(&post, &["hob.toml:10: `static` answers GET and HEAD"]);

    let cors = |cors: &str| to_a(&format!("path = \"/x\"\ncors = {{ {cors} }}"));
    expect_fault(&cors("origins = \"all\""), &["hob.toml:11: `cors.origins` is `all`"]);
    expect_fault(&cors("origins = []"), &["hob.toml:11: `cors.origins` is empty"]);
    for wrong in ["https://a.example/", "a.example", "https://A.example", "https://a:443", "null"] {
        expect_fault(&cors(&format!("origins = [\"{wrong}\"]")), &["hob.toml:11:", wrong]);
    }
    let credentials = "origins = \"*\", credentials = true";
    expect_fault(&cors(credentials), &["hob.toml:11: `cors.credentials`", "browsers refuse"]);
    let star = "origins = [\"https://a\"], credentials = true, headers = [\"*\"]";
    expect_fault(&cors(star), &["hob.toml:11: `cors.headers` has `*`"]);
    expect_fault(&cors("origins = \"*\", max_age_s = 90000"), &["`cors.max_age_s` is 90000"]);
}

#[test]
fn hob_check_prints_the_routes() {
    let lines = "[[route]]\nhost = \"*.example.com\"\npath = \"/u/{id}\"\nmethods = [\"GET\"]\n\
                 handler = \"b\"\ntenant = \"t\"\nisolation = \"fresh\"\ncors.origins = \"*\"\n\
                 [[route]]\nprefix = \"/files\"\nstatic.folder = \".\"\n\
                 [[route]]\npath = \"/\"\nredirect.to = \"/files/\"";
    let (success, said) = check(lines);
    assert!(success, "{said}");
    let routes: Vec<&str> = said.lines().skip_while(|line| *line != "routes").collect();
    let wanted = [
        "  /a/* -> a",
        "  GET *.example.com/u/{id} -> b, as the route wants it, with cors",
        "  / -> 308 /files/",
    ];
    for line in wanted {
        assert!(routes.contains(&line), "no {line:?} in {routes:#?}");
    }
    assert!(
        routes.iter().any(|line| line.starts_with("  GET /files/* -> the folder ")),
        "{routes:#?}"
    );
    // A handler that a route names has no path of its own.
    assert!(!routes.iter().any(|line| line.starts_with("  /b/*")), "{routes:#?}");
}

#[test]
fn a_mode_that_the_handler_cannot_have_is_a_fault_of_the_check() {
    let component = component("kitchen-0-2").display();
    let text = format!(
        "[[handler]]\nname = \"a\"\ncomponent = \"{component}\"\n\
         [[route]]\nprefix = \"/x\"\nhandler = \"a\"\nisolation = \"shared\"\n"
    );
    let scratch = Scratch::new();
    let file = scratch.file("hob.toml", text);
    let checked = run(hob().arg("check").arg(&file).args(["--cache", compile_cache()]));
    assert!(!checked.success && checked.stderr.contains("`shared` needs"), "{checked:?}");
}

#[test]
fn the_schema_knows_every_table() {
    let printed = run(hob().arg("schema"));
    assert!(printed.success, "{printed:?}");
    let schema: serde_json::Value = serde_json::from_str(&printed.stdout).expect("JSON");
    assert_eq!(schema["additionalProperties"], false);
    for table in
        ["server", "connections", "limits", "tenant_limits", "tenant", "handler", "route", "module"]
    {
        assert!(schema["properties"].get(table).is_some(), "{table}");
    }
    let route = &schema["$defs"]["Route"]["properties"];
    for key in ["host", "path", "prefix", "methods", "handler", "static", "redirect", "cors"] {
        assert!(route[key]["description"].is_string(), "{key}: {route}");
    }
}
