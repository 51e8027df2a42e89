//! Faults of a `hob.toml`: each with its file, its line and its key, and all at once.

use crate::harness::{Scratch, component, hob, run};

/// The lines that `hob serve` says of a file, without what stands before them.
fn faults(text: &str) -> Vec<String> {
    let scratch = Scratch::new();
    let file = scratch.file("hob.toml", text);
    let served = run(hob().arg("serve").arg(&file));
    assert!(!served.success, "{served:?}");
    assert_eq!(served.stdout, "", "{served:?}");
    let said = served.stderr.strip_prefix("hob: ").unwrap_or_else(|| panic!("{served:?}"));
    let path = format!("{}:", file.display());
    let of_file = |line: &str| {
        let rest = line.strip_prefix(&path).unwrap_or_else(|| panic!("no {path} in {line}"));
        format!("hob.toml:{rest}")
    };
    said.lines().map(of_file).collect()
}

/// A file whose only fault is in these lines, which come first.
#[track_caller]
fn expect_fault(lines: &str, wanted: &[&str]) -> String {
    let component = component("kitchen").display();
    let handler = format!("[[handler]]\nname = \"a\"\ncomponent = \"{component}\"\n");
    let faults = faults(&format!("{lines}\n{handler}"));
    let [fault] = &faults[..] else { panic!("not one fault: {faults:#?}") };
    for part in wanted {
        assert!(fault.contains(part), "no {part:?} in {fault:?}");
    }
    fault.clone()
}

#[test]
fn names_and_variables_that_can_be_none_are_faults() {
    let other = |name: &str, line: &str| {
        format!("[[handler]]\nname = \"{name}\"\ncomponent = \"b.wasm\"\n{line}")
    };
    let long = other(&"b".repeat(129), "");
    expect_fault(&long, &["hob.toml:2: `name` has 129 bytes"]);
    let environment = |value: &str| other("b", &format!("environment = {{ {value} }}"));
    let no_variable = environment("\"a=b\" = \"c\"");
    expect_fault(&no_variable, &["hob.toml:4: `environment.a=b`", "no variable"]);
    expect_fault(&environment("\"\" = \"c\""), &["hob.toml:4:", "no variable"]);
    let zero = environment("x = \"a\\u0000b\"");
    expect_fault(&zero, &["hob.toml:4: `environment.x`", "zero byte"]);
}

#[test]
fn what_a_fault_quotes_does_nothing_to_a_terminal_and_does_not_fill_it() {
    let said =
        expect_fault("[server]\nlisten = \"\\u001b[31m\\r\"", &["hob.toml:2:", "\\u{1b}[31m\\r"]);
    assert!(!said.contains(['\u{1b}', '\r']), "{said:?}");
    let said =
        expect_fault(&format!("[server]\nlisten = \"{}\"", "x".repeat(100_000)), &["hob.toml:2:"]);
    assert!(said.len() < 3000, "{} bytes", said.len());
}

#[test]
fn a_grant_that_is_none_says_what_it_may_be() {
    let lines = |grant: &str| {
        let component = component("kitchen").display();
        format!("[[handler]]\nname = \"b\"\ncomponent = \"{component}\"\n{grant}\n")
    };
    expect_fault(&lines("grants.files = \"yes\""), &["hob.toml:4:", "grants.files", "\"read\""]);
    expect_fault(&lines("grants.flies = \"read\""), &["hob.toml:4:", "did you mean `files`?"]);
    expect_fault(&lines("grants.fetch = [\"example.com\"]"), &["hob.toml:4:", "https://"]);
    expect_fault(&lines("grants.fetch = [\"ftp://example.com\"]"), &["hob.toml:4:", "`ftp`"]);
    expect_fault(&lines("grants.fetch = [\"http://a*.com\"]"), &["hob.toml:4:", "*.domain"]);
    expect_fault(&lines("grants.fetch = [\"http://a:b\"]"), &["hob.toml:4:", "port"]);
    expect_fault(&lines("tenant = \"../x\""), &["hob.toml:4:", "tenant", "letters"]);
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_one() {
    let lines = "# A comment\n[limits]\nmemroy_mib = 5";
    expect_fault(lines, &["hob.toml:3:", "`memroy_mib`", "did you mean `memory_mib`?"]);
    expect_fault("[server]\nlisten_on = \"127.0.0.1:0\"", &["hob.toml:2:", "`listen_on`"]);
    expect_fault("[conections]\nmax = 5", &["hob.toml:1:", "did you mean `connections`?"]);
    expect_fault("[connections]\nhead_sm = 5", &["hob.toml:2:", "did you mean `head_ms`?"]);
}

#[test]
fn a_value_of_the_wrong_kind_is_named() {
    expect_fault("[server]\nloops = \"two\"", &["hob.toml:2: `loops`:", "two"]);
    expect_fault("[server]\nlisten = 8080", &["hob.toml:2: `listen`:", "8080"]);
    expect_fault("[server]\naccess_log=\"on\"", &["hob.toml:2: `access_log`:", "on"]);
    expect_fault("[limits]\ncpu_ms = -1", &["hob.toml:2: `cpu_ms`:", "-1"]);
    expect_fault("server = { loops = 1, host_threads = true }", &["hob.toml:1: `host_threads`:"]);
}

#[test]
fn a_fault_of_a_tenant_s_table_is_named() {
    let tenant = |lines: &str| format!("[[tenant]]\nname = \"t\"\n{lines}\n");
    let weight = tenant("weight = 0");
    expect_fault(&weight, &["hob.toml:3:", "`tenant.weight` is 0", "from 1 to 1000"]);
    let instances = tenant("limits = { instances = 0 }");
    expect_fault(&instances, &["hob.toml:3:", "`tenant.limits.instances` is 0"]);
    let storage = tenant("limits = { storage_mib = 0 }");
    expect_fault(&storage, &["hob.toml:3:", "`tenant.limits.storage_mib` is 0"]);
    let wall = tenant("limits = { wall_ms = 0 }");
    expect_fault(&wall, &["hob.toml:3:", "`tenant.limits.wall_ms` is 0"]);
    let queue = tenant("limits = { queue_m = 1 }");
    expect_fault(&queue, &["hob.toml:3:", "did you mean `queue_ms`?"]);
    expect_fault(&(tenant("") + &tenant("")), &["second tenant", "`t`"]);
    let burst = "[tenant_limits]\nburst = 0";
    expect_fault(burst, &["hob.toml:2:", "`tenant_limits.burst` is 0"]);
}

#[test]
fn a_value_out_of_its_range_is_named_with_the_range() {
    expect_fault("[server]\nloops = 0", &["hob.toml:2:", "`server.loops` is 0", "from 1 to 128"]);
    expect_fault("[server]\nhost_threads = 0", &["hob.toml:2:", "`server.host_threads`"]);
    expect_fault("[server]\nrequests_in_flight = 0", &["`server.requests_in_flight` is 0"]);
    expect_fault("[connections]\nmax = 0", &["hob.toml:2:", "`connections.max` is 0"]);
    expect_fault("[connections]\nhead_ms = 0", &["hob.toml:2:", "`connections.head_ms` is 0"]);
    expect_fault("[limits]\nmemory_mib = 4097", &["`limits.memory_mib` is 4097", "to 4096"]);
    expect_fault("[limits]\nwall_ms = 0", &["hob.toml:2:", "`limits.wall_ms` is 0"]);
    let address = "[server]\nlisten = \"localhost\"";
    expect_fault(address, &["hob.toml:2:", "`server.listen` is `localhost`", "127.0.0.1:8080"]);
}

#[test]
fn a_text_that_is_no_toml_is_named_with_its_line() {
    expect_fault("[server]\n\nloops = = 2", &["hob.toml:3:"]);
    expect_fault("[server\nloops = 2", &["hob.toml:1:"]);
    expect_fault("[server]\nloops = 2\nloops = 3", &["hob.toml:3:", "`loops` comes twice"]);
}

#[test]
fn faults_of_a_handler_are_named() {
    let component = component("kitchen").display().to_string();
    let handler = |name: &str, more: &str| {
        format!("[[handler]]\nname = \"{name}\"\ncomponent = \"{component}\"\n{more}\n")
    };
    let expect = |text: String, wanted: &[&str]| {
        let faults = faults(&text);
        for part in wanted {
            assert!(faults.iter().any(|fault| fault.contains(part)), "no {part:?} in {faults:#?}");
        }
    };
    expect(String::new(), &["hob.toml:1: there is no [[handler]]"]);
    expect("[[handler]]\ncomponent = \"a\"\n".into(), &["hob.toml:1:", "`name`"]);
    expect(handler("a b", ""), &["hob.toml:2: `name` is `a b`"]);
    expect(handler("", ""), &["hob.toml:2: `name` is ``"]);
    expect(handler("a", "path = \"b\""), &["hob.toml:4: `path` is `b`"]);
    expect(handler("a", "path = \"/b/*\""), &["hob.toml:4: `path` is `/b/*`"]);
    for (path, requested) in [
        ("/a b", "/a%20b"),
        ("/caf\u{e9}/c", "/caf%C3%A9/c"),
        ("/100%", "/100%25"),
        ("/%4", "/%254"),
        ("/a|b", "/a%7Cb"),
    ] {
        let fault = format!("hob.toml:4: `path` is `{path}`");
        let advice = format!("write `{requested}`");
        expect(handler("a", &format!("path = \"{path}\"")), &[&fault, &advice]);
    }
    expect(handler("a", "isolation = \"none\""), &["hob.toml:4: `isolation`", "`none`", "`reuse`"]);
    expect(handler("a", "limits = { cpu_ms = 0 }"), &["hob.toml:4: `handler.limits.cpu_ms` is 0"]);
    expect(handler("a", "limits = { cpu = 1 }"), &["hob.toml:4:", "did you mean `cpu_ms`?"]);
    expect(
        handler("a", "") + &handler("a", "path = \"/b\""),
        &["a second handler of `default`", "`a`"],
    );
    expect(handler("a", "") + &handler("b", "path = \"/a\""), &["the path `/a/*`", "of line 1;"]);
}

#[test]
fn all_faults_are_told_at_once() {
    let component = component("kitchen").display();
    let text = format!(
        "[server]\nloops = 0\nhost_threads = 0\nlisten = \"here\"\n[connections]\nmax = 0\n\
         [limits]\ncpu_ms = 0\n[[handler]]\nname = \"?\"\ncomponent = \"{component}\"\n"
    );
    let faults = faults(&text);
    for line in [2, 3, 4, 6, 8, 10] {
        let place = format!("hob.toml:{line}: ");
        assert!(faults.iter().any(|fault| fault.starts_with(&place)), "{place} in {faults:#?}");
    }
    assert_eq!(faults.len(), 6, "{faults:#?}");
}

#[test]
fn a_component_s_path_is_relative_to_the_file() {
    let scratch = Scratch::new();
    std::fs::copy(component("kitchen"), scratch.join("a.wasm")).unwrap();
    let file = scratch.file("hob.toml", "[[handler]]\nname = \"a\"\ncomponent = \"a.wasm\"\n");
    let mut command = hob();
    command.arg("check").arg(file).args(["--cache", crate::harness::compile_cache()]);
    let checked = run(command.current_dir("/"));
    assert!(checked.success, "{checked:?}");
}
