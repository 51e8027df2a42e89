//! `config` and `secrets` of a handler: who gets them, and who does not.

use crate::harness::{Guest, Hob, Outcome, Scratch, Serve, component, every_mode, guest, hob, run};

const GUESTS: [&str; 2] = ["capabilities", "capabilities-0-2"];
const SECRET: &str = "hush-1f4b9c";
const OTHER: &str = "hush-77ad0e";

/// Handlers that are told things, and where their secret is.
fn told(guests: impl IntoIterator<Item = Guest>) -> (Vec<Guest>, Scratch) {
    let folder = Scratch::new();
    let file = folder.file("api-key", format!("{SECRET}\n"));
    let guests = guests.into_iter().map(|guest| {
        guest
            .grants("")
            .set("config = { currency = \"EUR\", region = \"north\" }")
            .set(&format!("secrets = {{ API_KEY = {{ file = {file:?} }}, TOKEN = {{ env = \"HOB_TEST_TOKEN\" }} }}"))
            .set("environment = { PLAIN = \"seen\" }")
    });
    (guests.collect(), folder)
}

fn serve(guests: Vec<Guest>) -> Hob {
    Serve::new(guests).through(&["env", &format!("HOB_TEST_TOKEN={OTHER}")]).start()
}

fn ask(hob: &Hob, name: &str, operation: &str) -> String {
    hob.get(&format!("/{name}/config.{operation}")).text().to_owned()
}

#[test]
fn a_handler_is_told_its_values_and_its_secrets() {
    let (guests, _folder) = told(every_mode(&GUESTS));
    let hob = serve(guests);
    for name in hob.names() {
        assert_eq!(ask(&hob, name, "get?what=currency"), "EUR");
        assert_eq!(ask(&hob, name, "get?what=nothing"), "none");
        assert_eq!(ask(&hob, name, "get?what=API_KEY"), SECRET);
        assert_eq!(ask(&hob, name, "secret?what=API_KEY"), SECRET);
        assert_eq!(ask(&hob, name, "secret?what=TOKEN"), OTHER);
        assert_eq!(ask(&hob, name, "secret?what=NOTHING"), "Missing NOTHING");
        // Whoever lists everything does not list the secrets.
        assert_eq!(ask(&hob, name, "all"), "currency=EUR\nregion=north\n");
        assert_eq!(ask(&hob, name, "environment"), "PLAIN=seen\n");
    }
}

#[test]
fn a_handler_is_told_nothing_that_is_another_ones() {
    let (mut guests, _folder) = told([guest("capabilities").named("told")]);
    guests.push(guest("capabilities").named("not-told").grants(""));
    let hob = serve(guests);
    assert_eq!(ask(&hob, "told", "get?what=TOKEN"), OTHER);
    assert_eq!(ask(&hob, "not-told", "get?what=TOKEN"), "none");
    assert_eq!(ask(&hob, "not-told", "get?what=currency"), "none");
    assert_eq!(ask(&hob, "not-told", "all"), "");
}

#[test]
fn no_log_and_no_metric_has_a_secret() {
    let (guests, _folder) = told(every_mode(&GUESTS));
    let mut hob = serve(guests);
    let names: Vec<_> = hob.names().map(str::to_owned).collect();
    for name in &names {
        assert_eq!(ask(&hob, name, "secret?what=TOKEN"), OTHER);
        assert_eq!(ask(&hob, name, "debug?what=API_KEY"), "Secret");
        let trapped = hob.get(&format!("/{name}/config.trap?what=API_KEY")).expect(500);
        assert!(!trapped.text().contains("hush"));
        hob.wait_for_line(|line| line["code"] == "trap" && line["handler"] == **name);
    }
    let metrics = hob.ask_admin("/metrics").expect(200);
    assert!(!metrics.text().contains("hush"));
    hob.signal(rustix::process::Signal::TERM);
    assert!(hob.wait().success());
    let lines = hob.lines();
    assert!(lines.len() > names.len());
    for line in lines {
        assert!(!line.to_string().contains("hush"), "{line}");
    }
    assert!(!hob.errors().contains("hush"));
}

/// What is said about a configuration whose handler has these lines.
fn checked(scratch: &Scratch, lines: &str) -> Outcome {
    let text = format!(
        "[[handler]]\nname = \"app\"\ncomponent = {:?}\ngrants = {{ files = \"write\" }}\n{lines}\n",
        component("kitchen")
    );
    let file = scratch.file("hob.toml", text);
    let checked =
        run(hob().arg("check").arg(file).env("HOB_TEST_TOKEN", OTHER).env("HOB_TEST_EMPTY", ""));
    assert!(!checked.stdout.contains("hush") && !checked.stderr.contains("hush"), "{checked:?}");
    checked
}

#[test]
fn a_secret_that_is_not_there_is_a_fault_that_names_the_key() {
    let scratch = Scratch::new();
    scratch.file("empty", "\n");
    scratch.file("large", "x".repeat(65_537));
    scratch.file("binary", [b'h', b'u', b's', b'h', 0xff]);
    for (source, wanted) in [
        ("{ file = \"nowhere\" }", "nowhere"),
        ("{ file = \"empty\" }", "empty"),
        ("{ file = \"large\" }", "65536"),
        ("{ file = \"binary\" }", "UTF-8"),
        ("{ file = \".\" }", "cannot read"),
        ("{ env = \"HOB_TEST_UNSET\" }", "`HOB_TEST_UNSET` is not set"),
        ("{ env = \"HOB_TEST_EMPTY\" }", "empty"),
        ("\"hush-literal\"", "{ file = \"path\" }"),
        ("{ value = \"hush-literal\" }", "{ file = \"path\" }"),
        ("{ file = \"hush-a\", env = \"hush-b\" }", "{ env = \"VARIABLE\" }"),
        ("{ file = \"\" }", "{ file = \"path\" }"),
        ("{ env = 7 }", "{ file = \"path\" }"),
        ("[\"hush-literal\"]", "{ file = \"path\" }"),
    ] {
        let outcome = checked(&scratch, &format!("secrets = {{ API_KEY = {source} }}"));
        assert!(!outcome.success, "{source}");
        for wanted in ["hob.toml:5: ", "`secrets.API_KEY`", wanted] {
            assert!(outcome.stderr.contains(wanted), "{source}: {wanted}: {}", outcome.stderr);
        }
    }
    // As are those that are no table at all, in whose place.
    for whole in ["\"hush-literal\"", "[\"hush-literal\"]", "7", "true"] {
        let outcome = checked(&scratch, &format!("secrets = {whole}"));
        assert!(!outcome.success, "{whole}");
        for wanted in ["hob.toml:5: ", "`secrets` is not a table"] {
            assert!(outcome.stderr.contains(wanted), "{whole}: {}", outcome.stderr);
        }
        assert!(!outcome.stderr.contains("hush"), "{}", outcome.stderr);
    }
    let twice = "config = { A = \"x\" }\nsecrets = { A = { env = \"HOB_TEST_TOKEN\" } }";
    let outcome = checked(&scratch, twice);
    assert!(!outcome.success && outcome.stderr.contains("hob.toml:6: `A` is in `config` and"));
}

#[test]
fn a_file_is_relative_to_hob_toml_and_loses_its_last_line_end_only() {
    let scratch = Scratch::new();
    for (content, kept) in
        [("a\n", "a"), ("a\r\n", "a"), ("a", "a"), ("a\nb\n\n", "a\nb\n"), (" a ", " a ")]
    {
        scratch.file("key", content);
        let outcome = checked(&scratch, "secrets = { KEY = { file = \"key\" } }");
        assert!(outcome.success, "{}", outcome.stderr);
        let guest = guest("capabilities").grants("");
        let file = scratch.join("key");
        let guest = guest.set(&format!("secrets = {{ KEY = {{ file = {file:?} }} }}"));
        assert_eq!(ask(&Serve::new([guest]).start(), "capabilities", "secret?what=KEY"), kept);
    }
}

/// In each of the tables that has them.
#[test]
fn a_value_is_read_from_a_file_or_a_variable_of_hob_s_own_environment() {
    let scratch = Scratch::new();
    let file = scratch.file("region", "north\r\n");
    let values =
        format!("{{ region = {{ file = {file:?} }}, token = {{ env = \"HOB_TEST_TOKEN\" }} }}");
    let guests = every_mode(&GUESTS).into_iter().map(|guest| {
        let guest = guest.grants("").set(&format!("config = {values}"));
        guest.set(&format!("environment = {values}"))
    });
    let hob = serve(guests.collect());
    for name in hob.names() {
        let all = format!("region=north\ntoken={OTHER}\n");
        assert_eq!(ask(&hob, name, "all"), all);
        assert_eq!(ask(&hob, name, "get?what=region"), "north");
        assert_eq!(ask(&hob, name, "environment"), all);
    }
    // An empty one is a value too, as one that is written is.
    let empty = scratch.file("empty", "\n");
    let guest = guest("capabilities").grants("");
    let guest = guest.set(&format!("config.nothing = {{ file = {empty:?} }}"));
    assert_eq!(ask(&Serve::new([guest]).start(), "capabilities", "get?what=nothing"), "");
}

#[test]
fn a_value_that_is_not_there_is_a_fault_that_names_the_key() {
    let scratch = Scratch::new();
    scratch.file("large", "x".repeat(65_537));
    scratch.file("binary", [0xff]);
    for (source, wanted) in [
        ("{ file = \"nowhere\" }", "nowhere: "),
        ("{ file = \"large\" }", "65536"),
        ("{ file = \"binary\" }", "UTF-8"),
        ("{ file = \".\" }", "cannot read"),
        ("{ env = \"HOB_TEST_UNSET\" }", "`HOB_TEST_UNSET` is not set"),
        ("{ value = \"a\" }", "{ file = \"path\" }"),
        ("{ file = \"a\", env = \"b\" }", "{ env = \"VARIABLE\" }"),
        ("7", "write \"text\""),
        ("[\"a\"]", "write \"text\""),
    ] {
        for table in ["config", "environment"] {
            let outcome = checked(&scratch, &format!("{table} = {{ KEY = {source} }}"));
            assert!(!outcome.success, "{source}");
            for wanted in ["hob.toml:5: ", &format!("`{table}.KEY`"), wanted] {
                assert!(outcome.stderr.contains(wanted), "{source}: {wanted}: {}", outcome.stderr);
            }
        }
    }
    for table in ["plugin", "module"] {
        let (file, component) = match table {
            "plugin" => ("component", component("relay")),
            _ => ("file", component("job-0-3")),
        };
        let lines = format!(
            "[[{table}]]\nname = \"more\"\n{file} = {component:?}\nconfig.KEY = {{ env = \"HOB_TEST_UNSET\" }}"
        );
        let outcome = checked(&scratch, &lines);
        assert!(
            !outcome.success && outcome.stderr.contains("hob.toml:8: `config.KEY`"),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_secret_is_not_printed_by_those_who_print_a_configuration() {
    let (key, secret) = ("KEY".to_owned(), hob::capabilities::Secret::new(SECRET.to_owned()));
    let settings = hob::capabilities::Settings {
        values: [("currency".to_owned(), "EUR".to_owned())].into(),
        secrets: [(key, secret)].into(),
    };
    let printed = format!("{settings:?} {settings:#?}");
    assert!(printed.contains("EUR") && printed.contains("KEY") && !printed.contains("hush"));
}
