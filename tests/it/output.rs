//! What a guest prints: a line of the log each, with the handler and the request it belongs to.

use serde_json::Value;

use crate::harness::{Client, Hob, Serve, every_mode, get, guest};

fn printed(hob: &Hob, name: &str, stream: &str, line: &str) -> Value {
    hob.wait_for_line(|found| {
        found["kind"] == "guest"
            && found["handler"] == name
            && found["stream"] == stream
            && found["line"] == line
    })
}

#[test]
fn both_outputs_of_a_guest_are_lines_with_handler_and_request() {
    let hob = Serve::new(every_mode(&["kitchen", "kitchen-0-2", "kitchen-0-3"])).start();
    for name in hob.names() {
        hob.get(&format!("/{name}/print?line=one-line")).expect(200);
        let access = hob.wait_for_access(&format!("/{name}/print"));
        assert_eq!(access["handler"], name);
        let out = printed(&hob, name, "stdout", "one-line");
        assert_eq!(out["id"], access["id"], "{out}");
        let error = printed(&hob, name, "stderr", "on standard error: one-line");
        assert_eq!(error["id"], access["id"], "{error}");
    }
}

#[test]
fn lines_of_requests_at_once_in_one_instance_keep_apart() {
    let hob = Serve::new(every_mode(&["kitchen", "kitchen-0-3"])).start();
    for name in hob.names() {
        let mut clients: Vec<Client> = (0..20).map(|_| hob.client()).collect();
        for (index, client) in clients.iter_mut().enumerate() {
            client.send(get(&format!("/{name}/{index}/print?line={name}-{index}")));
        }
        for (index, client) in clients.iter_mut().enumerate() {
            client.response().expect(200);
            let access = hob.wait_for_access(&format!("/{name}/{index}/print"));
            let out = printed(&hob, name, "stdout", &format!("{name}-{index}"));
            assert_eq!(out["id"], access["id"], "{out}");
        }
    }
}

#[test]
fn a_guest_cannot_forge_a_line() {
    let hob = Serve::new([guest("kitchen")]).start();
    let forged = "one%0A%7B%22kind%22%3A%22access%22%7D%0Athree%1B%5B2J%22";
    hob.get(&format!("/kitchen/print?line={forged}")).expect(200);
    // Every line of the log has been parsed as JSON on the way here.
    printed(&hob, "kitchen", "stdout", "one");
    printed(&hob, "kitchen", "stdout", "{\"kind\":\"access\"}");
    printed(&hob, "kitchen", "stdout", "three\u{1b}[2J\"");
}

#[test]
fn an_empty_line_is_a_line() {
    let hob = Serve::new([guest("kitchen")]).start();
    hob.get("/kitchen/print?line=").expect(200);
    printed(&hob, "kitchen", "stdout", "");
}

#[test]
fn text_without_a_line_s_end_is_a_line_when_the_client_leaves() {
    let kitchens = ["kitchen", "kitchen-0-2", "kitchen-0-3"];
    // A guest in a shared instance is not stopped when its client leaves, but at its limit.
    let guests = every_mode(&kitchens).into_iter().map(|guest| guest.limits("wall_ms = 1500"));
    let hob = Serve::new(guests).start();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(get(&format!("/{name}/print-and-sleep?line={name}")));
        printed(&hob, name, "stdout", name);
        drop(client);
        let access = hob.wait_for_access(&format!("/{name}/print-and-sleep"));
        let out = printed(&hob, name, "stdout", &format!("{name} without end"));
        assert_eq!(out["id"], access["id"], "{out}");
    }
}

#[test]
fn a_guest_that_prints_without_end_holds_up_no_one_and_pushes_out_no_access_lines() {
    let kitchens = ["kitchen", "kitchen-0-2", "kitchen-0-3"];
    for name in kitchens {
        let printer = guest(name).isolation("fresh").limits("cpu_ms = 3600000");
        let hob = Serve::new([printer, guest("kitchen").named("other")]).start();
        let mut client = hob.client();
        client.send(get(&format!("/{name}/newlines?bytes=50000000")));
        // An empty line for each byte of it.
        printed(&hob, name, "stdout", "");
        for index in 0..20 {
            hob.get(&format!("/other/{index}/hello")).expect(200);
        }
        assert_eq!(hob.metrics().of(name, "hob_requests_in_flight"), 1.0, "{name} has finished");
        drop(client);
        hob.wait_for_in_flight(name, 0);
        hob.wait_for_access("/other/19/hello");
        let lines = hob.lines();
        let others = lines.iter().filter(|line| line["kind"] == "access");
        assert_eq!(others.filter(|line| line["handler"] == "other").count(), 20, "{name}");
    }
}

#[test]
fn a_guest_that_prints_without_end_is_stopped_at_its_cpu_limit() {
    let guests = every_mode(&["kitchen", "kitchen-0-2", "kitchen-0-3"]);
    // Little, for it mostly waits: too little to be sure of an answer on a machine that is loaded.
    let printers = guests.into_iter().map(|guest| guest.limits("cpu_ms = 50"));
    let hob = Serve::new(printers.chain([guest("kitchen").named("other")])).start();
    for name in hob.names().filter(|name| *name != "other") {
        let answer = hob.get(&format!("/{name}/newlines?bytes=50000000"));
        crate::failures::expect_failure(answer, 503, "cpu-limit");
        hob.expect_hello("other");
    }
}

#[test]
fn no_control_character_reaches_whoever_reads_the_log() {
    let hob = Serve::new([guest("kitchen")]).start();
    hob.get("/kitchen/print?line=%1b%7f%c2%80%c2%9b31m%c2%a0%c3%a4").expect(200);
    let line = printed(&hob, "kitchen", "stdout", "\u{1b}\u{7f}\u{80}\u{9b}31m\u{a0}\u{e4}");
    assert_eq!(line["stream"], "stdout");
    let raw = hob.raw_lines();
    assert!(!raw.iter().any(|line| line.contains(char::is_control)), "{raw:?}");
    assert!(raw.iter().any(|line| line.contains("\\u001b\\u007f\\u0080\\u009b31m\u{a0}\u{e4}")));
}
