//! `wasi:keyvalue`, the second draft, by guests that know nothing of Hob's own store.

use crate::harness::{Hob, Response, Scratch, Serve, every_mode, guest, post};

const GUESTS: [&str; 2] = ["keyvalue", "keyvalue-0-2"];

struct House {
    hob: Hob,
    _data: Scratch,
}

fn granted(access: &str) -> House {
    let data = Scratch::new();
    let grant = format!("grants = {{ kv = \"{access}\" }}");
    let grant = |guest: crate::harness::Guest| guest.set("tenant = \"t\"").set(&grant);
    let own = guest("capabilities").grants("kv = \"write\"");
    let guests = every_mode(&GUESTS).into_iter().map(grant).chain([own]);
    let hob = Serve::new(guests).server(&format!("data = {:?}", data.path())).start();
    House { hob, _data: data }
}

impl House {
    fn ask(&self, name: &str, operation: &str, body: impl AsRef<[u8]>) -> Response {
        self.hob.exchange(post(&format!("/{name}/{operation}"), body))
    }

    #[track_caller]
    fn run(&self, name: &str, operation: &str, body: impl AsRef<[u8]>) -> String {
        self.ask(name, operation, body).expect(200).text().to_owned()
    }

    #[track_caller]
    fn expect_error(&self, name: &str, operation: &str, body: impl AsRef<[u8]>, error: &str) {
        let answer = self.ask(name, operation, body);
        assert_eq!((answer.status, answer.text()), (422, error), "{name} {operation}");
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.hob.names().filter(|name| name.starts_with("keyvalue"))
    }
}

#[test]
fn values_are_set_got_listed_and_deleted() {
    let house = granted("write");
    for name in house.names() {
        assert_eq!(house.run(name, "get?key=a", ""), "none", "{name}");
        house.run(name, "set?key=a", "one");
        house.run(name, "set?key=a&store=", "two");
        assert_eq!(house.run(name, "get?key=a", ""), "two");
        assert_eq!(house.run(name, "exists?key=a", ""), "true");
        // It is the store of Hob's own interface.
        assert_eq!(house.run("capabilities", "kv.get?key=a", ""), "two");
        house.run(name, "set-many", "b\nc");
        assert_eq!(house.run(name, "get-many", "c\nno\na"), "c=c,none,a=two");
        assert_eq!(house.run(name, "list-keys", ""), "a,b,c None");
        house.run(name, "delete-many", "b\nno");
        house.run(name, "delete?key=a", "");
        house.run(name, "delete?key=a", "");
        assert_eq!(house.run(name, "list-keys", ""), "c None");
        house.run(name, "delete?key=c", "");
    }
}

#[test]
fn all_keys_are_listed_in_pages_while_they_are_taken_away() {
    let house = granted("write");
    for name in house.names() {
        for hundred in 0..25 {
            let keys: Vec<_> = (0..100).map(|n| format!("key-{hundred}-{n}")).collect();
            house.run(name, "set-many", keys.join("\n"));
        }
        assert_eq!(house.run(name, "list-all", ""), "2500 3", "{name}");
        assert_eq!(house.run(name, "list-keys", ""), " None");
        let beyond = format!("list-keys?number={}", u64::MAX);
        assert_eq!(house.run(name, &beyond, ""), " None");
    }
}

#[test]
fn numbers_are_counted_up() {
    let house = granted("write");
    for name in house.names() {
        assert_eq!(house.run(name, "increment?key=n&number=5", ""), "5", "{name}");
        assert_eq!(house.run(name, "increment?key=n&number=2", ""), "7");
        assert_eq!(house.run(name, "get?key=n", ""), "7");
        let most = format!("increment?key=n&number={}", u64::MAX);
        house.expect_error(name, &most, "", "the number is too large");
        house.run(name, "set?key=n", "-9");
        house.expect_error(name, "increment?key=n&number=1", "", "the number is below zero");
        assert_eq!(house.run(name, "get?key=n", ""), "-9");
        house.run(name, "set?key=n", "text");
        house.expect_error(name, "increment?key=n&number=1", "", "the value is not a number");
        house.run(name, "delete?key=n", "");
    }
}

#[test]
fn mistakes_are_told_apart() {
    let house = granted("write");
    for name in house.names() {
        house.expect_error(name, "get?store=other&key=a", "", "NoSuchStore");
        house.expect_error(name, "get?key=", "", "an empty key");
        house.expect_error(name, &format!("get?key={}", "k".repeat(513)), "", "too large");
        house.expect_error(name, "set?key=a", vec![0; 1024 * 1024 + 1], "too large");
        let many = vec!["k"; 1001].join("\n");
        house.expect_error(name, "set-many", many, "too large");
    }
}

#[test]
fn a_grant_to_read_is_none_to_write() {
    let house = granted("read");
    house.run("capabilities", "kv.set?key=a", "mine");
    for name in house.names() {
        assert_eq!(house.run(name, "get?key=a", ""), "mine");
        assert_eq!(house.run(name, "list-keys", ""), "a None");
        for operation in ["set?key=a", "delete?key=a", "increment?key=n", "set-many", "delete-many"]
        {
            house.expect_error(name, operation, "a", "AccessDenied");
        }
        assert_eq!(house.run(name, "get?key=a", ""), "mine", "{name}");
    }
}
