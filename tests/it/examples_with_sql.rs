//! The examples that keep what they have in a database: notes by REST and by GraphQL, and users who
//! log in.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::examples::example;
use crate::harness::{Guest, Hob, Response, Scratch, Serve, TESTS, get, post};

/// An example with its database, as `examples/hob.toml` grants it.
fn with_database(name: &str, database: &str) -> Guest {
    let migrations = format!("{TESTS}/../examples/{name}/migrations");
    let database = format!("{database} = {{ access = \"write\", migrations = \"{migrations}\" }}");
    example(name).set(&format!("grants.sql = {{ {database} }}"))
}

fn serve(guests: impl IntoIterator<Item = Guest>) -> (Hob, Scratch) {
    let data = Scratch::new();
    let hob = Serve::new(guests).server(&format!("data = {:?}", data.path())).start();
    (hob, data)
}

/// A request with another method than those of the harness, and a cookie.
fn request(method: &str, target: &str, cookie: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {target} HTTP/1.1\r\nhost: hob\r\ncookie: {cookie}\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

fn json_of(response: &Response) -> Value {
    serde_json::from_str(response.text()).unwrap_or_else(|e| panic!("{e}: {response:?}"))
}

#[test]
fn notes_are_created_read_updated_and_deleted() {
    let (hob, _data) = serve([with_database("notes", "notes")]);
    let note = r#"{"title":"Milk","body":"it's \"two\" bottles; drop table notes"}"#;
    let created = hob.exchange(post("/notes", note)).expect(201);
    assert_eq!(created.header("location"), Some("/notes/1"));
    let read = hob.get("/notes/1").expect(200);
    assert_eq!(read.header("content-type"), Some("application/json"));
    assert_eq!(json_of(&read), json_of(&created));
    assert_eq!(json_of(&read)["title"], "Milk");
    assert_eq!(json_of(&read)["body"], "it's \"two\" bottles; drop table notes");

    let put = |target: &str| request("PUT", target, "", r#"{"title":"Milk","body":"three"}"#);
    let updated = hob.exchange(put("/notes/1")).expect(200);
    assert_eq!(json_of(&updated)["body"], "three");
    assert_eq!(json_of(&hob.get("/notes/1").expect(200)), json_of(&updated));
    hob.exchange(put("/notes/2")).expect(404);

    let delete = request("DELETE", "/notes/1", "", "");
    hob.exchange(&delete).expect(204);
    hob.exchange(&delete).expect(404);
    hob.get("/notes/1").expect(404);
    // A number is not given twice.
    let created = hob.exchange(post("/notes", note)).expect(201);
    assert_eq!(created.header("location"), Some("/notes/2"));
}

#[test]
fn notes_are_listed_page_by_page() {
    let (hob, _data) = serve([with_database("notes", "notes")]);
    assert_eq!(hob.get("/notes").expect(200).text(), r#"{"notes":[],"next":null}"#);
    for number in 1..=25 {
        let note = json!({ "title": format!("note {number}") }).to_string();
        hob.exchange(post("/notes", note)).expect(201);
    }
    let mut seen = Vec::new();
    let mut pages = 0;
    let mut after = json!(0);
    while !after.is_null() {
        let page = json_of(&hob.get(&format!("/notes?limit=10&after={after}")).expect(200));
        let notes = page["notes"].as_array().expect("a list").clone();
        seen.extend(notes.iter().map(|note| note["id"].as_i64().expect("a number")));
        after = page["next"].clone();
        pages += 1;
    }
    assert_eq!(seen, (1..=25).collect::<Vec<_>>());
    assert_eq!(pages, 3);
    let whole = json_of(&hob.get("/notes?limit=25").expect(200));
    assert_eq!(whole["next"], Value::Null, "a page that is full, and the last");
    let short = json_of(&hob.get("/notes").expect(200));
    assert_eq!(short["notes"].as_array().map(Vec::len), Some(20));
    hob.get("/notes?limit=x").expect(400);
}

#[test]
fn a_note_that_is_not_valid_names_the_field() {
    let (hob, _data) = serve([with_database("notes", "notes")]);
    hob.exchange(post("/notes", r#"{"title":"one"}"#)).expect(201);
    let long = "x".repeat(10_001);
    for (note, field) in [
        (json!({}), "title"),
        (json!({ "title": "  " }), "title"),
        (json!({ "title": "t".repeat(201) }), "title"),
        (json!({ "title": "t", "body": long }), "body"),
    ] {
        let note = note.to_string();
        let created = hob.exchange(post("/notes", &note)).expect(422);
        assert_eq!(json_of(&created)["field"], field, "{note}");
        let updated = hob.exchange(request("PUT", "/notes/1", "", &note)).expect(422);
        assert_eq!(json_of(&updated)["field"], field, "{note}");
    }
    hob.exchange(post("/notes", json!({ "title": "t".repeat(200) }).to_string())).expect(201);
    for no_note in ["", "{", "7", r#"{"title":7}"#, r#"{"title":"t","stars":1}"#] {
        hob.exchange(post("/notes", no_note)).expect(400);
    }
    hob.get("/notes/x").expect(404);
    let refused = hob.exchange(request("DELETE", "/notes", "", "")).expect(405);
    assert_eq!(refused.header("allow"), Some("GET, POST"));
    let refused = hob.exchange(post("/notes/1", "{}")).expect(405);
    assert_eq!(refused.header("allow"), Some("GET, PUT, DELETE"));
}

/// Asks by GraphQL. Its errors are in the answer, not in the status.
fn ask(hob: &Hob, query: &str) -> Value {
    let body = json!({ "query": query }).to_string();
    json_of(&hob.exchange(post("/graphql", body)).expect(200))
}

#[test]
fn graphql_has_the_same_notes() {
    let graphql = example("graphql").set("grants.sql = { notes = \"write\" }");
    let (hob, _data) = serve([with_database("notes", "notes"), graphql]);
    hob.exchange(post("/notes", r#"{"title":"by REST"}"#)).expect(201);
    let created = ask(&hob, r#"mutation { createNote(title: "by GraphQL") { id body } }"#);
    assert_eq!(created, json!({ "data": { "createNote": { "id": 2, "body": "" } } }));
    assert_eq!(json_of(&hob.get("/notes/2").expect(200))["title"], "by GraphQL");

    let page = ask(&hob, "{ notes(first: 1) { notes { title } next } }");
    let expected = json!({ "notes": [{ "title": "by REST" }], "next": 1 });
    assert_eq!(page, json!({ "data": { "notes": expected } }));
    let page = ask(&hob, "{ notes(after: 1) { notes { title } next } }");
    let expected = json!({ "notes": [{ "title": "by GraphQL" }], "next": null });
    assert_eq!(page, json!({ "data": { "notes": expected } }));

    let update = r#"mutation { updateNote(id: 1, title: "new", body: "b") { title body } }"#;
    let expected = json!({ "updateNote": { "title": "new", "body": "b" } });
    assert_eq!(ask(&hob, update), json!({ "data": expected }));
    let both = "{ one: note(id: 1) { title } none: note(id: 7) { title } }";
    let expected = json!({ "one": { "title": "new" }, "none": null });
    assert_eq!(ask(&hob, both), json!({ "data": expected }));
    let delete = "mutation { deleteNote(id: 1) }";
    assert_eq!(ask(&hob, delete), json!({ "data": { "deleteNote": true } }));
    assert_eq!(ask(&hob, delete), json!({ "data": { "deleteNote": false } }));
    hob.get("/notes/1").expect(404);
}

#[test]
fn graphql_tells_what_is_wrong_in_its_own_way() {
    let graphql = example("graphql").set("grants.sql = { notes = \"write\" }");
    let (hob, _data) = serve([with_database("notes", "notes"), graphql]);
    let long = "x".repeat(10_001);
    let long = format!("mutation {{ createNote(title: \"t\", body: \"{long}\") {{ id }} }}");
    let deep = format!("{{ __schema {} }}", "{ types { ofType ".repeat(20) + &"} }".repeat(20));
    for (query, why) in [
        (r#"mutation { createNote(title: " ") { id } }"#, "title: is empty"),
        (long.as_str(), "body: has more than 10000 characters"),
        (r#"mutation { updateNote(id: 9, title: "t", body: "") { id } }"#, "no such note"),
        ("{ stars }", "stars"),
        ("{ notes(first: \"x\") { next } }", "first"),
        ("{ notes", "expected"),
        (deep.as_str(), ""),
    ] {
        let answer = ask(&hob, query);
        let message = answer["errors"][0]["message"].as_str();
        assert!(message.is_some_and(|message| message.contains(why)), "{query}: {answer}");
    }
    hob.exchange(post("/graphql", "{")).expect(400);
    hob.get("/graphql").expect(405);
}

const ADA: &str = r#"{"name":"ada","password":"correct horse"}"#;

/// The cookie that an answer sets, without its attributes.
fn cookie_of(response: &Response) -> String {
    let cookie = response.header("set-cookie").expect("a cookie");
    cookie.split(';').next().expect("a pair").to_owned()
}

#[test]
fn who_has_registered_logs_in_and_out() {
    let (hob, data) = serve([with_database("login", "users")]);
    hob.exchange(post("/login/register", ADA)).expect(201);
    let entered = hob.exchange(post("/login", ADA)).expect(204);
    let attributes = entered.header("set-cookie").expect("a cookie").to_owned();
    for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Max-Age="] {
        assert!(attributes.contains(attribute), "{attributes}");
    }
    let cookie = cookie_of(&entered);
    let me = |cookie: &str| hob.exchange(request("GET", "/login/me", cookie, ""));
    assert_eq!(me(&cookie).expect(200).text(), r#"{"name":"ada"}"#);
    assert_eq!(me(&format!("other=1; {cookie}")).expect(200).text(), r#"{"name":"ada"}"#);
    hob.get("/login/me").expect(401);
    me("session=0").expect(401);
    me("session=").expect(401);

    // Each session has a token of its own, which is not in the database; nor is the password.
    let other = cookie_of(&hob.exchange(post("/login", ADA)).expect(204));
    assert_ne!(cookie, other);
    let (_, token) = cookie.split_once('=').expect("a value");
    assert_eq!(token.len(), 64);
    assert!(!is_kept(&data, token), "the token is in the database");
    assert!(!is_kept(&data, "correct horse"), "the password is in the database");
    assert!(is_kept(&data, "$argon2id$"), "nothing is found at all");

    let out = hob.exchange(request("POST", "/login/out", &cookie, "")).expect(204);
    assert_eq!(cookie_of(&out), "session=");
    me(&cookie).expect(401);
    me(&other).expect(200);
    hob.exchange(post("/login/out", "")).expect(204);
}

/// Whether a file of the tenant's databases has this text in it.
fn is_kept(data: &Scratch, text: &str) -> bool {
    let folder = data.path().join("default/sql");
    let files = std::fs::read_dir(folder).expect("the databases").flatten();
    let contents = files.map(|file| std::fs::read(file.path()).expect("a file"));
    contents.into_iter().any(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
}

#[test]
fn who_is_not_known_is_told_the_same_as_who_is_wrong_after_the_same_work() {
    let (hob, _data) = serve([with_database("login", "users")]);
    hob.exchange(post("/login/register", ADA)).expect(201);
    let slow_work = || {
        let metrics = hob.metrics();
        let count = |operation| {
            metrics.get(&format!("hob_host_job_run_seconds_count{{operation=\"{operation}\"}}"))
        };
        count("crypto.hash-password") + count("crypto.verify-password")
    };
    let attempt = |name: &str| {
        let before = slow_work();
        let body = json!({ "name": name, "password": "wrong horse" }).to_string();
        let answer = hob.exchange(post("/login", body)).expect(401);
        assert_eq!(answer.header("set-cookie"), None);
        (answer.text().to_owned(), slow_work() - before)
    };
    let wrong = attempt("ada");
    assert_eq!(wrong, ("wrong name or password\n".to_owned(), 1.0));
    assert_eq!(wrong, attempt("eve"));
    assert_eq!(wrong, attempt(""));
}

#[test]
fn a_name_is_given_once_and_bad_ones_are_refused() {
    let (hob, _data) = serve([with_database("login", "users")]);
    // Two at once: the database decides, and one of them is told.
    let mut clients = [hob.client(), hob.client()];
    clients.iter_mut().for_each(|client| client.send(post("/login/register", ADA)));
    let statuses: HashSet<_> = clients.iter_mut().map(|client| client.response().status).collect();
    assert_eq!(statuses, HashSet::from([201, 409]));
    for (name, password) in [
        ("", "long enough"),
        ("Ada", "long enough"),
        ("a b", "long enough"),
        ("bob", "short"),
        ("bob", &"x".repeat(257)),
    ] {
        let body = json!({ "name": name, "password": password }).to_string();
        hob.exchange(post("/login/register", body)).expect(422);
    }
    hob.exchange(post("/login/register", r#"{"name":"bob"}"#)).expect(400);
    hob.exchange(get("/login")).expect(405);
    hob.exchange(get("/login/nothing")).expect(404);
}
