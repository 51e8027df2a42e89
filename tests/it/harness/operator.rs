//! An operator of a server: versions to deploy, and the API to deploy them with.

use std::fs;

use serde_json::Value;

use super::{Client, Hob, Response, component};

/// The token of every server of the tests that has one.
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// The lines of `hob.toml` that ask for that token, in a file beside it.
pub(crate) const TOKEN_TABLE: &str = "[deploy]\ntoken = { file = \"token\" }\n";

/// The guest of this name that says another word than `world`, of five letters, in its greeting: so two
/// versions can be told apart by what they answer.
pub(crate) fn greeter(name: &str, word: &str) -> Vec<u8> {
    assert_eq!(word.len(), "world".len(), "the component must not change its length");
    let mut bytes = fs::read(component(name)).expect("a component");
    let places: Vec<_> = bytes
        .windows(b"hello world".len())
        .enumerate()
        .filter(|(_, at)| at == b"hello world")
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty(), "{name} greets no one");
    for at in places {
        bytes[at + "hello ".len()..][..word.len()].copy_from_slice(word.as_bytes());
    }
    bytes
}

impl Hob {
    /// Asks the API, with the token.
    pub(crate) fn operate(&self, method: &str, path: &str, body: &[u8]) -> Response {
        self.operate_as(&format!("authorization: Bearer {TOKEN}\r\n"), method, path, body)
    }

    /// Asks the API, with other header fields.
    pub(crate) fn operate_as(
        &self,
        fields: &str,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Response {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: hob\r\n{fields}content-length: {length}\r\n\r\n"
        );
        Client::connect(self.admin).exchange([head.as_bytes(), body].concat())
    }

    /// Deploys a version of a handler of the tenant `default`.
    pub(crate) fn deploy(&self, handler: &str, component: &[u8]) -> Response {
        let path = format!("/v1/tenants/default/handlers/{handler}/versions");
        self.operate("POST", &path, component)
    }

    /// The word that a handler of the tests greets with.
    #[track_caller]
    pub(crate) fn greeting(&self, handler: &str) -> String {
        let hello = self.get(&format!("/{handler}/hello")).expect(200);
        let word = hello.text().strip_prefix("hello ").expect("a greeting");
        word.trim_end().to_owned()
    }
}

/// What the API has answered.
#[track_caller]
pub(crate) fn view(response: Response) -> Value {
    let response = response.expect(200);
    assert_eq!(response.header("content-type"), Some("application/json"));
    serde_json::from_str(response.text()).expect("JSON")
}

/// Panics unless the API has refused, with this code and words in its message.
#[track_caller]
pub(crate) fn expect_denied(response: Response, status: u16, code: &str, words: &[&str]) {
    let response = response.expect(status);
    let said: Value = serde_json::from_str(response.text()).expect("JSON");
    assert_eq!(said["error"], code, "{said}");
    let message = said["message"].as_str().expect("a message");
    for word in words {
        assert!(message.contains(word), "no `{word}` in {message}");
    }
}
