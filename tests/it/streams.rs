//! Responses that a guest makes piece by piece, and how they end.

use crate::failures::{expect_failure, failure_line};
use crate::harness::{Serve, every_mode, get, guest};

const KITCHENS: [&str; 4] = ["kitchen", "kitchen-standard", "kitchen-0-2", "kitchen-0-3"];

#[test]
fn a_stream_arrives_whole_and_in_order() {
    let hob = Serve::new(every_mode(&KITCHENS)).start();
    let expected = |size: usize, chunks: u8| -> Vec<u8> {
        (b'a'..b'a' + chunks).flat_map(|letter| vec![letter; size]).collect()
    };
    for name in hob.names() {
        let mut client = hob.client();
        // Small enough to be sent whole, too large for that, and much too large.
        for size in [10, 10_000, 500_000] {
            let target = format!("/{name}/stream?chunks=20&size={size}");
            let answer = client.exchange(get(&target)).expect(200);
            assert!(answer.body == expected(size, 20), "{name}: {size} bytes a piece differ");
        }
        let answer = client.exchange(get(&format!("/{name}/stream?chunks=5&size=3&pause_ms=5")));
        assert_eq!(answer.expect(200).body, expected(3, 5), "{name}");
    }
}

#[test]
fn a_piece_is_sent_before_the_next_is_made() {
    let hob = Serve::new(every_mode(&KITCHENS)).start();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(get(&format!("/{name}/stream?chunks=2&size=5&pause_ms=100000")));
        let head = client.head().expect(200);
        assert_eq!(head.header("transfer-encoding"), Some("chunked"), "{name}");
        assert_eq!(client.up_to(10), b"5\r\naaaaa\r\n", "{name}");
    }
}

#[test]
fn a_body_that_breaks_off_is_not_complete_to_the_client() {
    let hob = Serve::new(every_mode(&["kitchen", "kitchen-standard", "kitchen-0-3"])).start();
    for name in hob.names() {
        let path = format!("/{name}/stream-break");
        let answer = hob.get(&format!("{path}?pause_ms=5"));
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        assert!(answer.body.starts_with(b"a chunk\n"), "{name}: {answer:?}");
        assert!(!answer.complete, "{name}: {answer:?}");
        let access = hob.wait_for_access(&path);
        assert_eq!(access["status"], 200, "{access}");
        assert_eq!(access["ended"], "cut", "{access}");
        hob.expect_hello(name);
    }
}

#[test]
fn a_body_that_breaks_off_at_once_is_answered_with_500() {
    let hob = Serve::new([guest("fast-0-2"), guest("kitchen").isolation("fresh")]).start();
    for target in ["/fast-0-2/pieces-fail", "/kitchen/stream-break"] {
        let answer = hob.get(target);
        let id = expect_failure(answer, 500, "invalid-response");
        failure_line(&hob, &id);
    }
}

#[test]
fn the_reason_why_a_body_broke_off_is_in_the_log() {
    let hob = Serve::new([guest("kitchen-0-3")]).start();
    assert!(!hob.get("/kitchen-0-3/stream-break?pause_ms=5").complete);
    let access = hob.wait_for_access("/stream-break");
    let failure = hob.wait_for_line(|line| line["event"] == "body-broken");
    assert_eq!(failure["id"], access["id"], "{failure}");
    let detail = failure["detail"].as_str().expect("a text");
    assert!(detail.contains("as the test wants it"), "{failure}");
}

#[test]
fn an_endless_stream_is_made_only_as_far_as_it_is_read() {
    let guests = every_mode(&KITCHENS).into_iter().map(|guest| guest.limits("cpu_ms = 20000"));
    let hob = Serve::new(guests).start();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(get(&format!("/{name}/endless")));
        client.head().expect(200);
        assert_eq!(client.up_to(2_000_000).len(), 2_000_000, "{name}");
        drop(client);
        let access = hob.wait_for_access(&format!("/{name}/endless"));
        assert_eq!(access["ended"], "cut", "{access}");
        hob.expect_hello(name);
    }
}

#[test]
fn head_of_a_stream_has_no_body_and_frees_the_guest() {
    let hob = Serve::new(every_mode(&KITCHENS)).start();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(format!("HEAD /{name}/endless HTTP/1.1\r\nhost: hob\r\n\r\n"));
        client.head().expect(200);
        let hello = client.exchange(get(&format!("/{name}/hello"))).expect(200);
        assert_eq!(hello.text(), "hello world\n", "{name}");
        let access = hob.wait_for_access(&format!("/{name}/endless"));
        assert!(access["ended"].is_null(), "{access}");
        assert_eq!(access["bytes"], 0, "{access}");
    }
}
