//! Routes that change while the server runs: with `hob.toml`, and beside handlers that are deployed.

use std::fs;

use rustix::process::Signal;

use crate::harness::{
    Hob, Scratch, TOKEN, TOKEN_TABLE, compile_cache, component, expect_denied, greeter, guest, hob,
};

struct Place {
    scratch: Scratch,
}

impl Place {
    fn new(routes: &str) -> Self {
        let place = Place { scratch: Scratch::new() };
        place.scratch.file("token", TOKEN);
        fs::create_dir(place.scratch.join("one")).unwrap();
        fs::create_dir(place.scratch.join("two")).unwrap();
        place.scratch.file("one/a.txt", "one");
        place.scratch.file("two/a.txt", "two");
        place.write(routes);
        place
    }

    fn write(&self, routes: &str) {
        let kitchen = guest("kitchen").isolation("shared").toml();
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n{TOKEN_TABLE}{kitchen}{routes}"
        );
        self.scratch.file("hob.toml", text);
    }

    fn start(&self) -> Hob {
        let mut command = hob();
        command.arg("serve").arg(self.scratch.join("hob.toml")).args(["--cache", compile_cache()]);
        Hob::start(command, Vec::new(), None)
    }

    /// Has this served, by the signal.
    fn reload(&self, hob: &Hob, routes: &str) {
        self.write(routes);
        let count = |hob: &Hob| hob.lines().iter().filter(|l| l["event"] == "reloaded").count();
        let before = count(hob);
        hob.signal(Signal::HUP);
        let until = std::time::Instant::now() + crate::harness::PATIENCE;
        while count(hob) == before {
            assert!(std::time::Instant::now() < until, "it is not read again");
            std::thread::yield_now();
        }
    }
}

const TO_KITCHEN: &str = "[[route]]\nprefix = \"/k\"\nhandler = \"kitchen\"\n";

#[test]
fn a_reload_changes_routes_folders_and_what_a_route_wants() {
    let folder = |name: &str| format!("[[route]]\nprefix = \"/f\"\nstatic.folder = \"{name}\"\n");
    let place = Place::new(&format!("{TO_KITCHEN}{}", folder("one")));
    let hob = place.start();
    assert_eq!(hob.get("/f/a.txt").expect(200).text(), "one");
    assert_eq!(hob.get("/k/count").expect(200).text(), "1\n");

    let fresh =
        "[[route]]\npath = \"/fresh/{rest...}\"\nhandler = \"kitchen\"\nisolation = \"fresh\"\n";
    place.reload(&hob, &format!("{TO_KITCHEN}{}{fresh}", folder("two")));
    assert_eq!(hob.get("/f/a.txt").expect(200).text(), "two");
    for _ in 0..2 {
        assert_eq!(hob.get("/fresh/count").expect(200).text(), "1\n");
    }
    // The handler is the same, and so is its instance.
    assert_eq!(hob.get("/k/count").expect(200).text(), "2\n");

    place.reload(&hob, "[[route]]\npath = \"/f/{rest...}\"\nredirect.to = \"/{rest}\"\n");
    assert_eq!(hob.get("/f/a.txt").expect(308).header("location"), Some("/a.txt"));
    hob.get("/fresh/count").expect(404);
    hob.get("/k/count").expect(404);
    hob.get("/kitchen/count").expect(200);

    // A bad file changes nothing.
    place.reload(&hob, "[[route]]\npath = \"/f\"\nhandler = \"nobody\"\n");
    hob.get("/f/a.txt").expect(308);
}

#[test]
fn a_variant_is_that_of_the_version_that_is_deployed() {
    let fresh = format!("{TO_KITCHEN}isolation = \"fresh\"\n");
    let place = Place::new(&fresh);
    let hob = place.start();
    assert_eq!(hob.greeting("k"), "world");
    hob.deploy("kitchen", &greeter("kitchen", "there")).expect(200);
    assert_eq!(hob.greeting("k"), "there");
    // Another handler, which `hob.toml` does not have, leaves the routes as they are.
    hob.deploy("another", &fs::read(component("kitchen")).unwrap()).expect(200);
    assert_eq!(hob.greeting("k"), "there");
    assert_eq!(hob.greeting("another"), "world");
    for _ in 0..2 {
        assert_eq!(hob.get("/k/count").expect(200).text(), "1\n");
    }
}

#[test]
fn a_handler_cannot_be_deployed_to_the_path_of_a_route() {
    let place = Place::new(TO_KITCHEN);
    let hob = place.start();
    let denied = hob.deploy("k", &fs::read(component("kitchen")).unwrap());
    expect_denied(denied, 422, "refused", &["`/k/*`", "another path"]);
    assert_eq!(hob.greeting("k"), "world");
}
