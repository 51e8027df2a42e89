//! The commands that change what a server serves, as someone at a terminal uses and misuses them.

use std::fs;

use crate::harness::{
    Hob, Outcome, Place, Scratch, TOKEN, component, greeter, guest, hob, run, view,
};

/// Runs a command against a server, with the token.
fn verb(server: &Hob, arguments: &[&str]) -> Outcome {
    let admin = format!("http://{}", server.admin);
    run(hob().args(arguments).args(["--admin", &admin]).env("HOB_TOKEN", TOKEN))
}

/// Runs a command that must fail with one message in which all of these are.
#[track_caller]
fn expect_error(server: &Hob, arguments: &[&str], words: &[&str]) {
    let outcome = verb(server, arguments);
    assert!(!outcome.success, "{outcome:?}");
    for word in words {
        assert!(outcome.stderr.contains(word), "no `{word}` in {}", outcome.stderr);
    }
}

#[test]
fn names_that_no_handler_can_have_are_refused_before_anything_is_sent() {
    let folder = Scratch::new();
    let file = folder.file("my app.wasm", greeter("fast-0-2", "there"));
    let file = file.to_str().expect("UTF-8");
    // No one listens there: whatever is sent fails otherwise.
    let verb = |arguments: &[&str]| {
        let admin = ["--admin", "http://127.0.0.1:1"];
        run(hob().args(arguments).args(admin).env("HOB_TOKEN", TOKEN))
    };
    for (arguments, words) in [
        (&["deploy", file][..], &["my app.wasm is not deployed", "`my app`", "--handler"][..]),
        (&["deploy", file, "--handler", "\u{fc}"], &["`\u{fc}`", "letters, digits"]),
        (&["deploy", file, "--handler", "../../x"], &["`../../x`", "letters, digits"]),
        (&["deploy", file, "--handler", "a", "--tenant", "t/x"], &["`tenant` is `t/x`"]),
        (&["deploy", file, "--handler", "a", "--path", "x"], &["begin with /"]),
        (&["limit", "default#", "weight=3"], &["`tenant` is `default#`"]),
        (&["deployments", "--tenant", "a?b"], &["`tenant` is `a?b`"]),
        (&["deployments", "--handler", "a#b"], &["`handler` is `a#b`"]),
        (&["rollback", "--handler", "a%b"], &["`handler` is `a%b`"]),
        (&["undeploy", "--handler", "a/b"], &["`handler` is `a/b`"]),
    ] {
        let outcome = verb(arguments);
        assert!(!outcome.success, "{outcome:?}");
        for word in words {
            assert!(outcome.stderr.contains(word), "no `{word}` in {}", outcome.stderr);
        }
    }
    let large = folder.file("large.wasm", b"");
    let file = fs::OpenOptions::new().write(true).open(&large).expect("own file");
    file.set_len(128 * 1024 * 1024 + 1).expect("a sparse file");
    let outcome = verb(&["deploy", large.to_str().expect("UTF-8")]);
    assert!(outcome.stderr.contains("129 MiB") && outcome.stderr.contains("128"), "{outcome:?}");
}

#[test]
fn a_folder_is_deployed_but_for_what_cannot_be_and_that_is_said_at_the_end() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let server = place.start();
    let folder = Scratch::new();
    folder.file("a.wasm", "nonsense");
    folder.file("b.wasm", greeter("fast-0-2", "there"));
    folder.file("c d.wasm", greeter("fast-0-2", "there"));
    folder.file("e.wasm", greeter("fast-0-2", "again"));
    let folder = folder.path().to_str().expect("UTF-8").to_owned();
    let words = ["a.wasm is not deployed: ", "c d.wasm is not deployed", "2 of 4 components"];
    expect_error(&server, &["deploy", &folder], &words);
    assert_eq!((server.greeting("b"), server.greeting("e")), ("there".into(), "again".into()));
}

#[test]
fn a_tenant_that_only_its_table_names_is_deployed_to_and_limited() {
    let place = Place::new("", &[guest("fast-0-2")]);
    place.add("[[tenant]]\nname = \"acme\"\nlimits = { instances = 9 }\n");
    let server = place.start();
    let listed = verb(&server, &["tenants"]).stdout;
    assert!(listed.contains("acme  0 KiB") && listed.contains("instances = 9"), "{listed}");
    let limited = verb(&server, &["limit", "acme", "weight=3"]);
    assert!(limited.stdout.contains("weight = 3"), "{limited:?}");
    assert!(limited.stdout.contains("instances = 9"), "{limited:?}");
    let file = component("fast-0-2").to_str().expect("UTF-8");
    let deployed = verb(&server, &["deploy", file, "--tenant", "acme", "--handler", "shop"]);
    assert!(deployed.success, "{}", deployed.stderr);
    assert_eq!(server.greeting("shop"), "world");
    // What was changed holds.
    assert!(verb(&server, &["tenants"]).stdout.contains("weight = 3"));
    expect_error(&server, &["limit", "nobody", "weight=3"], &["no tenant `nobody`"]);
}

#[test]
fn a_tenant_that_leaves_hob_toml_leaves_behind_what_was_changed_of_its_limits() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let table = "[[tenant]]\nname = \"acme\"\nlimits = { instances = 9 }\n";
    place.add(table);
    let server = place.start();
    assert!(verb(&server, &["limit", "acme", "weight=3"]).stdout.contains("weight = 3"));
    place.replace(table, "");
    assert!(verb(&server, &["reload"]).success);
    place.add(table);
    assert!(verb(&server, &["reload"]).success);
    let listed = verb(&server, &["tenants"]).stdout;
    assert!(listed.contains("instances = 9") && !listed.contains("weight = 3"), "{listed}");
}

#[test]
fn the_list_shows_previews_what_waits_and_what_of_hob_toml_is_served() {
    let place = Place::new("", &[guest("fast-0-2")]);
    place.add_to_deploy("preview_host = \"preview.example\"");
    place.add("[[handler]]\nname = \"later\"\npath = \"/soon\"\n[[tenant]]\nname = \"acme\"\n");
    let server = place.start();
    let folder = Scratch::new();
    let file = folder.file("fast-0-2.wasm", greeter("fast-0-2", "there"));
    let file = file.to_str().expect("UTF-8");
    let kept = verb(&server, &["deploy", file, "--preview"]).stdout;
    let port = server.address.port();
    let url = format!(".fast-0-2.default.preview.example:{port}/");
    assert!(kept.contains(&url) && kept.contains("http://"), "{kept}");
    assert!(!kept.contains("below"), "{kept}");
    let listed = verb(&server, &["deployments"]).stdout;
    let line = |word: &str| listed.lines().find(|line| line.contains(word)).unwrap_or_default();
    assert!(line("(preview)").contains(&url), "{listed}");
    assert!(line("later").contains("waits for its first deployment  below /soon"), "{listed}");
    assert!(line("(file)").contains("below /fast-0-2"), "{listed}");
    assert_eq!(verb(&server, &["deployments", "--tenant", "acme"]).stdout, "");
    let waiting = view(server.operate("GET", "/v1/handlers?tenant=default", &[]));
    assert_eq!(waiting["handlers"].as_array().expect("a list").len(), 3, "{waiting}");
    expect_error(&server, &["deployments", "--tenant", "nope"], &["no tenant `nope`"]);

    let checked = verb(&server, &["deploy", file, "--check", "--handler", "later"]).stdout;
    assert!(checked.contains("could serve") && checked.contains("below /soon"), "{checked}");
    let checked = verb(&server, &["deploy", file, "--check", "--handler", "other"]).stdout;
    assert!(checked.contains("below /other"), "{checked}");

    assert!(verb(&server, &["deploy", file]).success);
    let versions = verb(&server, &["deployments", "--handler", "fast-0-2"]).stdout;
    assert!(!versions.contains("component of hob.toml"), "{versions}");
    assert!(verb(&server, &["rollback", "--handler", "fast-0-2"]).success);
    let versions = verb(&server, &["deployments", "--handler", "fast-0-2"]).stdout;
    assert!(versions.contains("the component of hob.toml  served"), "{versions}");
    assert!(versions.contains("  kept"), "{versions}");
}

#[test]
fn a_refusal_names_the_file_and_the_version_and_what_to_do() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let server = place.start();
    let wants = component("capabilities-0-2").to_str().expect("UTF-8");
    let plugin = component("gate").to_str().expect("UTF-8");
    let listed = ["deploy", wants, "--handler", "fast-0-2"];
    let unlisted = ["deploy", wants, "--handler", "shop"];
    let of_listed = ["write into the [[handler]] table of `fast-0-2`"];
    let of_unlisted = ["hob.toml has no handler `shop`", "name = \"shop\"", "hob reload"];
    let of_plugin = ["is a plug-in", "[[plugin]] of hob.toml", "`plugins`"];
    for (arguments, words) in [
        (&listed, &of_listed[..]),
        (&unlisted, &of_unlisted),
        (&["deploy", plugin, "--handler", "shop"], &of_plugin),
    ] {
        let outcome = verb(&server, arguments);
        assert!(!outcome.success, "{outcome:?}");
        let said = outcome.stderr;
        assert!(said.contains(&format!("{} is not deployed: version ", arguments[1])), "{said}");
        assert!(!said.contains(".hob/components"), "{said}");
        assert!(!said.contains("plugins = [\"shop\"]"), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
}

#[test]
fn imports_are_new_only_beside_a_version_before() {
    let place = Place::new("", &[guest("fast-0-2")]);
    place.add("[[handler]]\nname = \"later\"\ngrants = { kv = \"write\" }\n");
    let server = place.start();
    let kitchen = component("kitchen-0-2").to_str().expect("UTF-8");
    let first = verb(&server, &["deploy", kitchen, "--handler", "other"]).stdout;
    assert!(!first.contains("import"), "{first}");
    // Of a first version, what it uses of what it is granted.
    let keyvalue = component("keyvalue-0-2").to_str().expect("UTF-8");
    let first = verb(&server, &["deploy", keyvalue, "--handler", "later"]).stdout;
    assert!(first.contains("  uses its grant of wasi:keyvalue/"), "{first}");
    assert!(!first.contains("wasi:io") && !first.contains("new import"), "{first}");
    let next = verb(&server, &["deploy", kitchen, "--handler", "fast-0-2"]).stdout;
    assert!(next.contains("  new import: wasi:"), "{next}");
}

#[test]
fn a_wrong_token_is_told_with_the_ways_to_name_another() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let server = place.start();
    let admin = format!("http://{}", server.admin);
    let outcome = run(hob().args(["deployments", "--admin", &admin]).env("HOB_TOKEN", "wrong"));
    assert!(!outcome.success, "{outcome:?}");
    for word in ["does not take the token of HOB_TOKEN", "--token-file", "HOB_TOKEN", "--data"] {
        assert!(outcome.stderr.contains(word), "no `{word}` in {}", outcome.stderr);
    }
}
