//! The commands of operators over HTTPS: whom they trust, what they say of a way that does not work, and
//! the faults of a certificate's configuration.

use std::process::Command;

use crate::harness::{
    CERTIFICATE_LINES, Certificate, Hob, Outcome, Place, Scratch, TOKEN, component, greeter, guest,
    hob, run,
};

fn serve(server: &str) -> (Certificate, Place, Hob) {
    let certificate = Certificate::new();
    let place = Place::new(server, &[guest("fast-0-2")]);
    certificate.put(&place.scratch);
    let hob = place.start();
    (certificate, place, hob)
}

/// A command that asks this server.
fn verb(arguments: &[&str], admin: &str) -> Command {
    let mut command = hob();
    command.args(arguments).args(["--admin", admin]).env("HOB_TOKEN", TOKEN).env_remove("HOB_CA");
    command
}

#[track_caller]
fn expect_refused(outcome: &Outcome, words: &[&str]) {
    assert!(!outcome.success, "{outcome:?}");
    for word in words {
        assert!(outcome.stderr.contains(word), "no {word:?} in {}", outcome.stderr);
    }
}

#[test]
fn a_deployment_over_https_trusts_whom_ca_names_and_no_one_else() {
    let (_certificate, place, server) = serve(CERTIFICATE_LINES);
    let version = place.scratch.file("fast-0-2.wasm", greeter("fast-0-2", "there"));
    let version = version.to_str().expect("UTF-8");
    let ca = place.scratch.join("chain.pem");
    let ca = ca.to_str().expect("UTF-8");
    let admin = format!("https://{}", server.admin);

    let stranger = run(&mut verb(&["deploy", version], &admin));
    expect_refused(&stranger, &["UnknownIssuer", "--ca"]);
    let other = place.scratch.file("other.pem", Certificate::new().pem);
    let other = other.to_str().expect("UTF-8");
    let stranger = run(&mut verb(&["deploy", version, "--ca", other], &admin));
    expect_refused(&stranger, &["not trusted", "--ca"]);
    assert_eq!(server.greeting("fast-0-2"), "world");

    let deployed = run(&mut verb(&["deploy", version, "--ca", ca], &admin));
    assert!(deployed.success, "{deployed:?}");
    assert_eq!(deployed.stderr, "");
    assert_eq!(server.greeting("fast-0-2"), "there");
    let named = format!("HTTPS://localhost:{}/", server.admin.port());
    for arguments in [
        &["deployments"][..],
        &["deployments", "--handler", "fast-0-2"],
        &["rollback", "--handler", "fast-0-2"],
        &["tenants"],
        &["limit", "default", "weight=3"],
        &["reload"],
        &["undeploy", "--handler", "fast-0-2"],
    ] {
        let outcome = run(verb(arguments, &named).env("HOB_CA", ca));
        assert!(outcome.success && outcome.stderr.is_empty(), "{arguments:?}: {outcome:?}");
    }
    assert_eq!(server.greeting("fast-0-2"), "world");
}

#[test]
fn a_command_that_cannot_get_through_says_what_to_do() {
    let (_certificate, place, server) = serve(CERTIFICATE_LINES);
    let ca = place.scratch.join("chain.pem");
    let ca = ca.to_str().expect("UTF-8");
    let ask = |admin: &str, ca: &str| run(&mut verb(&["deployments", "--ca", ca], admin));
    let (admin, port) = (server.admin, server.admin.port());

    let in_clear = run(&mut verb(&["deployments"], &format!("http://{admin}")));
    expect_refused(&in_clear, &["speaks HTTPS", "write https://"]);
    let version = component("fast-0-2").to_str().expect("UTF-8");
    let in_clear = run(&mut verb(&["deploy", version], &admin.to_string()));
    expect_refused(&in_clear, &["HTTPS", "https://"]);
    let public = ask(&format!("https://{}", server.address), ca);
    expect_refused(&public, &["HTTP without TLS", "write http://"]);
    let elsewhere = ask(&format!("https://0.0.0.0:{port}"), ca);
    expect_refused(&elsewhere, &["name in --admin that its certificate is for"]);
    let none = ask(&format!("https://{admin}"), "/none.pem");
    expect_refused(&none, &["/none.pem", "--ca names a file of certificates"]);
    let key = place.scratch.join("key.pem");
    let empty = ask(&format!("https://{admin}"), key.to_str().expect("UTF-8"));
    expect_refused(&empty, &["key.pem", "there is none in it", "--ca"]);
}

#[test]
fn a_token_is_not_sent_in_clear_without_a_word() {
    let (_certificate, _place, server) = serve("");
    let local = run(&mut verb(&["deployments"], &format!("http://{}", server.admin)));
    assert!(local.success && local.stderr.is_empty(), "{local:?}");
    let port = server.admin.port();
    let local = run(&mut verb(&["deployments"], &format!("localhost:{port}")));
    assert!(!local.stderr.contains("warning"), "{local:?}");
    // On the way to an address that is not loopback, though here no packet leaves the machine.
    let warned = run(&mut verb(&["deployments"], &format!("http://0.0.0.0:{port}")));
    assert!(warned.success, "{warned:?}");
    assert_eq!(warned.stderr.matches("hob: warning: others can read the token").count(), 1);
    assert!(!warned.stderr.contains(TOKEN));
}

#[test]
fn a_listener_in_clear_for_other_machines_is_a_line_of_the_log() {
    let start = |server: &str| {
        let certificate = Certificate::new();
        let place = Place::new("", &[guest("fast-0-2")]);
        certificate.put(&place.scratch);
        let text = std::fs::read_to_string(place.scratch.join("hob.toml")).expect("a file");
        let admin = format!("admin = \"0.0.0.0:0\"\n{server}");
        place.scratch.file("hob.toml", text.replace("admin = \"127.0.0.1:0\"", &admin));
        let hob = place.start();
        (place, hob)
    };
    let (_place, in_clear) = start("");
    let line = in_clear.wait_for_line(|line| line["event"] == "admin-in-clear");
    assert!(line["detail"].as_str().is_some_and(|detail| detail.contains("admin_certificate")));
    let (_other_place, mut secure) = start(CERTIFICATE_LINES);
    let (_local_place, mut local) = {
        let (_, place, hob) = serve("");
        (place, hob)
    };
    for server in [&mut secure, &mut local] {
        server.signal(rustix::process::Signal::TERM);
        assert!(server.wait().success());
        assert!(!server.lines().iter().any(|line| line["event"] == "admin-in-clear"));
    }
}

#[test]
fn a_certificate_without_its_key_is_a_fault_with_its_line() {
    let scratch = Scratch::new();
    let fault = |lines: &str| {
        let text = format!("[server]\n\n{lines}\n{}", guest("fast-0-2").toml());
        let file = scratch.file("hob.toml", text);
        let checked = run(hob().arg("check").arg(file));
        assert!(!checked.success, "{checked:?}");
        checked.stderr
    };
    let said = fault("admin_certificate = \"chain.pem\"");
    assert!(said.contains("hob.toml:3: `server.admin_certificate`"), "{said}");
    assert!(said.contains("add `admin_key`"), "{said}");
    let said = fault("admin_key = \"key.pem\"");
    assert!(said.contains("hob.toml:3: `server.admin_key`"), "{said}");
    let said = fault("admin_certificate = 5\nadmin_key = \"key.pem\"");
    assert!(said.contains("hob.toml:3:"), "{said}");
    let flag = run(hob().args(["serve", "x.wasm", "--admin-certificate", "chain.pem"]));
    assert!(!flag.success && flag.stderr.contains("--admin-key"), "{flag:?}");
}

#[test]
fn check_and_serve_say_which_file_of_a_certificate_is_wrong() {
    let scratch = Scratch::new();
    let text = format!("[server]\n{CERTIFICATE_LINES}\n{}", guest("fast-0-2").toml());
    let file = scratch.file("hob.toml", text);
    let (one, other) = (Certificate::new(), Certificate::new());
    let expect = |words: &[&str]| {
        for verb in ["check", "serve"] {
            expect_refused(&run(hob().arg(verb).arg(&file)), words);
        }
    };
    expect(&["chain.pem", "No such file", "admin_certificate"]);
    scratch.file("chain.pem", &one.key);
    expect(&["chain.pem", "there is no certificate in it", "PEM"]);
    scratch
        .file("chain.pem", "-----BEGIN CERTIFICATE-----\nno base64!\n-----END CERTIFICATE-----\n");
    expect(&["chain.pem", "not PEM"]);
    scratch.file("chain.pem", &one.pem);
    expect(&["key.pem", "No such file", "admin_key"]);
    scratch.file("key.pem", &one.pem);
    expect(&["key.pem", "there is no private key in it", "passphrase"]);
    scratch.file("key.pem", &other.key);
    expect(&["key.pem", "not the key of the first certificate in", "chain.pem"]);
    scratch.file("key.pem", &one.key);
    let checked = run(hob().arg("check").arg(&file));
    assert!(checked.success && checked.stdout.contains("speaks HTTPS"), "{checked:?}");
}

#[test]
fn flags_name_the_files_of_a_certificate_too() {
    let certificate = Certificate::new();
    let scratch = Scratch::new();
    certificate.put(&scratch);
    let mut command = hob();
    command.arg("serve").arg(component("fast-0-2")).current_dir(scratch.path());
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.args(["--admin-certificate", "chain.pem", "--admin-key", "key.pem"]);
    let server = Hob::start(command, Vec::new(), None);
    certificate.ask(&server, "/readyz").expect(200);
}
