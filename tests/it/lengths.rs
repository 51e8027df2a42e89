//! A guest that says another length than its answer has. On a connection that is kept, what is too
//! much would be read as the next answer.

use crate::harness::{Hob, Serve, every_mode, get, guest};

/// Asks for an answer that is miscounted, and then for another: the connection is still in step, or
/// it has been cut. What the standard interfaces know of lengths makes it a failure at times.
fn expect_in_step_or_cut(hob: &Hob, name: &str, target: &str) {
    let mut client = hob.client();
    client.send(get(target));
    // None when the body broke off before the head was out.
    let Some(answer) = client.next_response() else { return hob.expect_hello(name) };
    assert!(matches!(answer.status, 200 | 500), "{target}: {answer:?}");
    if client.try_send(get(&format!("/{name}/hello"))).is_ok()
        && let Some(hello) = client.next_response()
    {
        assert!(answer.complete, "{target}: {answer:?}");
        assert_eq!(hello.expect(200).text(), "hello world\n", "{target}");
    }
    hob.expect_hello(name);
}

#[test]
fn a_whole_answer_that_is_miscounted_leaves_the_connection_in_step() {
    let guests = ["kitchen", "kitchen-standard", "kitchen-0-2", "kitchen-0-3"];
    let hob = Serve::new(every_mode(&guests)).start();
    for name in hob.names() {
        for (said, size) in [(5, 20), (500, 20), (5, 0), (0, 20), (20, 20)] {
            let target = format!("/{name}/miscount?bytes={said}&size={size}");
            expect_in_step_or_cut(&hob, name, &target);
        }
    }
    // In the fast lanes the length is the host's own affair.
    for name in hob.names().filter(|name| name.starts_with("kitchen.")) {
        let mut client = hob.client();
        for said in [5, 500] {
            let target = format!("/{name}/miscount?bytes={said}&size=20");
            let answer = client.exchange(get(&target)).expect(200);
            assert_eq!(answer.body.len(), 20, "{name}: {answer:?}");
        }
    }
}

#[test]
fn a_streamed_answer_that_is_miscounted_leaves_the_connection_in_step_or_cuts_it() {
    let hob = Serve::new(every_mode(&["kitchen", "kitchen-standard", "kitchen-0-3"])).start();
    for name in hob.names() {
        let behaviour = match name {
            "kitchen-0-3.fresh" | "kitchen-0-3.reuse" | "kitchen-0-3.shared" => "miscount",
            _ => "miscount-stream",
        };
        for said in [5, 15, 20, 500] {
            let target = format!("/{name}/{behaviour}?bytes={said}&size=20&pause_ms=20");
            expect_in_step_or_cut(&hob, name, &target);
        }
    }
}

#[test]
fn pieces_of_a_0_2_guest_that_are_miscounted_leave_the_connection_in_step_or_cut_it() {
    let hob = Serve::new(every_mode(&["fast-0-2"])).start();
    for name in hob.names() {
        for said in ["5", "500", "5000000", "5&empty", "500&empty"] {
            expect_in_step_or_cut(&hob, name, &format!("/{name}/miscount?{said}"));
        }
        // None of it is there, so none of it is announced.
        let empty = hob.get(&format!("/{name}/miscount?5&empty")).expect(200);
        assert_eq!(empty.header("content-length"), Some("0"), "{name}");
    }
}

#[test]
fn head_has_the_length_that_the_guest_gives() {
    let guests = ["kitchen", "kitchen-standard", "kitchen-0-2", "kitchen-0-3"];
    let hob = Serve::new(every_mode(&guests)).start();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(format!("HEAD /{name}/miscount?bytes=5&size=0 HTTP/1.1\r\nhost: hob\r\n\r\n"));
        let head = client.head().expect(200);
        assert_eq!(head.header("content-length"), Some("5"), "{name}: {head:?}");
        let hello = client.exchange(get(&format!("/{name}/hello"))).expect(200);
        assert_eq!(hello.text(), "hello world\n", "{name}");
    }
}

#[test]
fn a_streamed_answer_that_is_shorter_than_it_says_is_in_the_log_as_cut() {
    let hob = Serve::new(every_mode(&["kitchen", "kitchen-0-3"])).start();
    for name in hob.names() {
        let behaviour =
            if name.starts_with("kitchen-0-3") { "miscount" } else { "miscount-stream" };
        let path = format!("/{name}/{behaviour}");
        let mut client = hob.client();
        client.send(get(&format!("{path}?bytes=500&size=20&pause_ms=20")));
        if let Some(answer) = client.next_response() {
            assert!(!answer.complete || answer.status == 500, "{answer:?}");
        }
        let access = hob.wait_for_access(&path);
        let is_told = access["ended"] == "cut" || access["status"] == 500;
        assert!(is_told, "{name}: {access}");
        hob.wait_for_line(|line| {
            line["id"] == access["id"]
                && (line["event"] == "body-broken" || line["event"] == "handler-failed")
        });
    }
}

#[test]
fn a_length_that_is_no_number_is_not_sent() {
    let hob = Serve::new(["kitchen", "kitchen-standard"].map(guest)).start();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(format!(
            "HEAD /{name}/header-named?to=content-length HTTP/1.1\r\nhost: hob\r\n\r\n"
        ));
        let length = client.head().header("content-length").map(str::to_owned);
        assert!(length.is_none_or(|length| length.parse::<u64>().is_ok()), "{name}");
    }
}
