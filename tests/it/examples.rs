//! The examples, built as a user builds them, and doing what their pages say.

use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::Value;

use crate::harness::{Guest, Scratch, Serve, TESTS, Upstream, answer, hob, post, run};

/// All components of the examples, built when a test first asks for one.
pub(crate) fn built() -> &'static [PathBuf] {
    static BUILT: OnceLock<Vec<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = format!("{TESTS}/../examples");
        let built = run(hob().args(["build", &folder]));
        assert!(built.success, "`hob build {folder}` failed:\n{}", built.stderr);
        built.stdout.lines().map(PathBuf::from).collect()
    })
}

pub(crate) fn example(name: &str) -> Guest {
    let file = format!("{}.wasm", name.replace('-', "_"));
    let found = built().iter().find(|path| path.ends_with(&file));
    Guest::of(name, found.unwrap_or_else(|| panic!("there is no example {name}")))
}

fn put(target: &str, body: &[u8]) -> Vec<u8> {
    let request = String::from_utf8(post(target, "")).expect("a head");
    let request = request.replacen("POST", "PUT", 1);
    let length = format!("content-length: {}", body.len());
    [request.replace("content-length: 0", &length).as_bytes(), body].concat()
}

#[test]
fn the_file_of_the_examples_serves_every_one_of_them() {
    let components = built();
    let file = format!("{TESTS}/../examples/hob.toml");
    let checked = run(hob().arg("check").arg(&file));
    assert!(checked.success, "{}", checked.stderr);
    for component in components {
        let name = component.file_name().expect("a file").to_str().expect("UTF-8");
        assert!(checked.stdout.contains(name), "hob.toml does not have {name}");
    }
}

#[test]
fn uploads_are_stored_listed_fetched_and_removed() {
    let data = Scratch::new();
    let handler = example("uploads").set("grants.files = \"write\"");
    let hob = Serve::new([handler]).server(&format!("data = {:?}", data.path())).start();
    assert_eq!(hob.get("/uploads").expect(200).text(), "[]");
    let picture: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 253) as u8).collect();
    hob.exchange(put("/uploads/picture.png", &picture)).expect(201);
    assert_eq!(hob.get("/uploads").expect(200).text(), r#"[{"name":"picture.png"}]"#);
    let fetched = hob.get("/uploads/picture.png").expect(200);
    assert_eq!(fetched.header("content-length"), Some("1000000"));
    assert!(fetched.body == picture);
    let delete = "DELETE /uploads/picture.png HTTP/1.1\r\nhost: hob\r\n\r\n";
    hob.exchange(delete).expect(204);
    hob.get("/uploads/picture.png").expect(404);
    hob.exchange(delete).expect(404);
    hob.exchange(put("/uploads/..%2Fout", b"x")).expect(400);
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let data = Scratch::new();
    let handler = example("uploads").set("grants.files = \"write\"");
    let hob = Serve::new([handler]).server(&format!("data = {:?}", data.path())).start();
    let mut client = hob.client();
    let request = put("/uploads/half", &[0; 200_000]);
    client.send(&request[..100_000]);
    hob.wait_for_in_flight("uploads", 1);
    client.reset();
    hob.wait_for_in_flight("uploads", 0);
    assert_eq!(hob.get("/uploads").expect(200).text(), "[]");
}

#[test]
fn the_aggregate_has_every_part_also_of_a_service_that_fails() {
    let service = Upstream::start(|_| answer("a service"));
    let here = format!("http://{}", service.address);
    let handler = example("aggregate")
        .set(&format!("grants.fetch = [\"{here}\"]"))
        .set(&format!("environment.UPSTREAMS = \"{here}/a {here}/b http://127.0.0.1:1/\""));
    let hob = Serve::new([handler]).start();
    let summary: Value =
        serde_json::from_str(hob.get("/aggregate").expect(200).text()).expect("JSON");
    let parts = summary["parts"].as_array().expect("a list");
    assert_eq!(parts.len(), 3);
    assert_eq!(parts[0]["answer"], "a service");
    assert_eq!(parts[1]["answer"], "a service");
    assert_eq!(parts[2]["error"], "requests may not go there");
}

#[test]
fn the_gate_lets_through_who_has_the_key() {
    let gate = example("gate").into_plugin().set("config.key = \"open sesame\"");
    let hob = Serve::new([example("hello").behind(&["gate"]), gate]).start();
    hob.get("/hello").expect(401);
    let request = "GET /hello HTTP/1.1\r\nhost: hob\r\nx-key: open sesame\r\n\r\n";
    let answer = hob.exchange(request).expect(200);
    assert_eq!((answer.text(), answer.header("x-gate")), ("hello world\n", Some("passed")));
}
