//! What a server finds of deployments at its start: another process that has them, versions that are not whole
//! any more, or a place where nothing can be kept.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Hob, Place, expect_denied, greeter, guest, view};

/// The versions of a handler of the tenant `default`, as the API lists them.
fn versions(hob: &Hob, handler: &str) -> Value {
    let path = format!("/v1/tenants/default/handlers/{handler}/versions");
    view(hob.operate("GET", &path, &[]))["versions"].clone()
}

/// The component that was deployed, as it lies in the data folder.
fn component_of(place: &Place, deployed: &Value) -> std::path::PathBuf {
    let id = deployed["version"].as_str().expect("a version");
    let names = place.components();
    let name = names.iter().find(|name| name.starts_with(id)).expect("a component");
    place.scratch.join("data/.hob/components").join(name)
}

#[test]
fn a_second_server_in_the_same_folder_takes_nothing_away_and_refuses_deployments() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let first = place.start();
    view(first.deploy("fast-0-2", &greeter("fast-0-2", "first")));
    let second = place.start();
    let line = second.wait_for_line(|line| line["event"] == "no-deployments");
    assert!(line["detail"].as_str().is_some_and(|why| why.contains("another hob")), "{line}");
    assert!(second.errors().contains("another hob deploys into"), "{}", second.errors());
    assert_eq!(second.greeting("fast-0-2"), "first");
    // What the second does not know of is there yet after a change of what that serves.
    view(first.deploy("fast-0-2", &greeter("fast-0-2", "secon")));
    view(second.operate("POST", "/v1/reload", &[]));
    assert_eq!(place.components().len(), 2, "{:?}", place.components());
    let other = greeter("fast-0-2", "other");
    expect_denied(second.deploy("fast-0-2", &other), 500, "failed", &["another hob deploys"]);
    let back = second.operate("POST", "/v1/tenants/default/handlers/fast-0-2/rollback", &[]);
    expect_denied(back, 500, "failed", &["another hob deploys"]);
    assert_eq!(place.components().len(), 2, "{:?}", place.components());
    first.kill();
    // Its ledger is of before the other's last deployment.
    expect_denied(second.deploy("fast-0-2", &other), 500, "failed", &["start this one again"]);
    assert_eq!(second.greeting("fast-0-2"), "first");
    drop(second);
    let third = place.start();
    assert_eq!(third.greeting("fast-0-2"), "secon");
    view(third.deploy("fast-0-2", &other));
    assert_eq!(third.errors().matches("warning").count(), 0, "{}", third.errors());
}

#[test]
fn a_version_that_is_not_whole_at_the_start_is_passed_over_and_all_else_is_served() {
    let place = Place::new("", &[guest("fast-0-2"), guest("kitchen-0-2")]);
    let first = place.start();
    view(first.deploy("fast-0-2", &greeter("fast-0-2", "first")));
    let secon = greeter("fast-0-2", "secon");
    let damaged = view(first.deploy("fast-0-2", &secon));
    let missing = view(first.deploy("other", &greeter("fast-0-2", "other")));
    let of_file = view(first.deploy("kitchen-0-2", &greeter("kitchen-0-2", "there")));
    first.kill();
    let path = component_of(&place, &damaged);
    let mut bytes = fs::read(&path).expect("a component");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).expect("own file");
    for gone in [&missing, &of_file] {
        fs::remove_file(component_of(&place, gone)).expect("own file");
    }

    let second = place.start();
    assert_eq!(second.greeting("fast-0-2"), "first");
    assert_eq!(second.greeting("kitchen-0-2"), "world");
    second.get("/other/hello").expect(404);
    for (handler, deployed, words) in [
        ("fast-0-2", &damaged, ["damaged", "is served", "deploy it again"]),
        ("other", &missing, ["cannot read", "nothing is served", "deploy it again"]),
        ("kitchen-0-2", &of_file, ["cannot read", "component of hob.toml", "deploy it again"]),
    ] {
        let line = second
            .wait_for_line(|line| line["event"] == "passed-over" && line["handler"] == handler);
        assert_eq!((&line["tenant"], &line["failed"]), (&json!("default"), &deployed["version"]));
        let detail = line["detail"].as_str().expect("a text");
        assert!(words.iter().all(|word| detail.contains(word)), "{detail}");
        assert!(second.errors().contains(detail), "{}", second.errors());
    }
    // The next change writes down that they have failed.
    view(second.deploy("another", &greeter("fast-0-2", "again")));
    let failed = |hob: &Hob, handler: &str| -> Vec<bool> {
        let versions = versions(hob, handler);
        versions.as_array().expect("a list").iter().map(|one| one["failed"].is_string()).collect()
    };
    assert_eq!(failed(&second, "fast-0-2"), [false, true]);
    second.kill();
    let third = place.start();
    assert_eq!(failed(&third, "fast-0-2"), [false, true]);
    assert!(!third.errors().contains("warning"), "{}", third.errors());
    // What is deployed again is whole.
    view(third.deploy("fast-0-2", &secon));
    view(third.deploy("other", &greeter("fast-0-2", "other")));
    third.kill();
    let fourth = place.start();
    assert_eq!(fourth.greeting("fast-0-2"), "secon");
    assert_eq!(fourth.greeting("other"), "other");
}

#[test]
fn a_version_that_is_served_is_served_on_when_its_component_is_gone() {
    let place = Place::new("", &[guest("fast-0-2")]);
    let hob = place.start();
    let deployed = view(hob.deploy("fast-0-2", &greeter("fast-0-2", "there")));
    fs::remove_file(component_of(&place, &deployed)).expect("own file");
    view(hob.operate("POST", "/v1/reload", &[]));
    assert_eq!(hob.greeting("fast-0-2"), "there");
}

#[test]
fn where_nothing_can_be_kept_handlers_are_served_all_the_same() {
    let place = Place::new("", &[guest("fast-0-2")]);
    place.scratch.file("data", "no folder");
    let hob = place.start();
    assert_eq!(hob.greeting("fast-0-2"), "world");
    assert!(hob.errors().contains("nothing can be deployed"), "{}", hob.errors());
    let refused = hob.deploy("fast-0-2", &greeter("fast-0-2", "there"));
    expect_denied(refused, 500, "failed", &["data"]);
}
