//! Bodies on their way in and out: small and large, with a length and in chunks, with trailers.

use crate::harness::{Hob, Response, Serve, chunked, every_mode, guest, post};

const KITCHENS: [&str; 4] = ["kitchen", "kitchen-standard", "kitchen-0-2", "kitchen-0-3"];

/// Bytes of which none is where another should be.
fn patterned(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8 ^ (at >> 16) as u8).collect()
}

/// Sends from a thread: a guest that answers while it reads waits for a client that reads.
fn exchange(hob: &Hob, request: Vec<u8>) -> Response {
    let mut client = hob.client();
    let sender = client.send_beside(request);
    let response = client.response();
    sender.join().expect("the sender").expect("the whole request is taken");
    response
}

#[test]
fn a_body_comes_back_whatever_its_length() {
    let hob =
        Serve::new(every_mode(&KITCHENS).into_iter().chain(every_mode(&["fast-0-2"]))).start();
    for name in hob.names() {
        // Around the bound up to which the fast lanes hand a body over whole.
        for length in [0, 1, 65_535, 65_536, 65_537, 1_000_000] {
            let body = patterned(length);
            let answer = exchange(&hob, post(&format!("/{name}/echo"), &body)).expect(200);
            assert!(answer.body == body, "{name}: {length} bytes differ");
            let chunks = chunked(&format!("/{name}/echo"), body.chunks(10_000));
            let answer = exchange(&hob, chunks).expect(200);
            assert!(answer.body == body, "{name}: {length} bytes in chunks differ");
        }
    }
}

#[test]
fn a_large_body_streams_through_a_guest() {
    let hob = Serve::new(every_mode(&KITCHENS)).start();
    let body = patterned(6_000_000);
    for name in hob.names() {
        let request = post(&format!("/{name}/echo-stream"), &body);
        let answer = exchange(&hob, request).expect(200);
        assert!(answer.body == body, "{name}: the bytes differ");
        let request = chunked(&format!("/{name}/echo-stream"), body.chunks(100_000));
        let answer = exchange(&hob, request).expect(200);
        assert!(answer.body == body, "{name}: the bytes in chunks differ");
    }
}

#[test]
fn a_guest_may_copy_a_body_piece_by_piece() {
    let body = patterned(2_000_000);
    let mut guests = every_mode(&["kitchen", "kitchen-standard"]);
    guests.extend(every_mode(&["fast-0-2"]));
    let hob = Serve::new(guests).start();
    for name in hob.names() {
        let behaviour = if name.starts_with("fast") { "echo-pieces" } else { "echo-chunks" };
        let answer = exchange(&hob, post(&format!("/{name}/{behaviour}"), &body)).expect(200);
        assert!(answer.body == body, "{name}: the bytes differ");
    }
}

#[test]
fn a_guest_that_reads_slowly_gets_all_of_a_body() {
    let hob = Serve::new(every_mode(&["kitchen", "kitchen-standard"])).start();
    let body = patterned(3_000_000);
    for name in hob.names() {
        let answer = exchange(&hob, post(&format!("/{name}/read-slowly?ms=1"), &body)).expect(200);
        assert_eq!(answer.text(), "3000000\n", "{name}");
    }
}

#[test]
fn a_body_that_the_guest_does_not_read_does_no_harm() {
    let hob = Serve::new(every_mode(&KITCHENS)).start();
    for name in hob.names() {
        let mut client = hob.client();
        // Small ones are read by the host, and the connection goes on.
        let answer = client.exchange(post(&format!("/{name}/hello"), patterned(1000)));
        assert_eq!(answer.expect(200).text(), "hello world\n", "{name}");
        let sender = client.send_beside(post(&format!("/{name}/hello"), patterned(4_000_000)));
        assert_eq!(client.response().expect(200).text(), "hello world\n", "{name}");
        // The server may have closed before all of it was sent.
        let _ = sender.join().expect("the sender");
        hob.expect_hello(name);
    }
}

#[test]
fn a_length_that_is_only_claimed_costs_a_guest_no_memory() {
    let guests = every_mode(&["kitchen", "kitchen-standard"])
        .into_iter()
        .map(|guest| guest.limits("memory_mib = 16"));
    let hob = Serve::new(guests).connections("body_idle_ms = 1000").start();
    for name in hob.names() {
        let mut client = hob.client();
        client.send(format!(
            "POST /{name}/echo HTTP/1.1\r\nhost: hob\r\ncontent-length: 100000000\r\n\r\nhello"
        ));
        // The client's fault, and not the guest's, which would be 503.
        let answer = client.response().expect(408);
        assert!(answer.text().starts_with("request-timeout\n"), "{name}: {answer:?}");
    }
}

#[test]
fn trailers_of_a_request_reach_the_guest() {
    let hob = Serve::new(every_mode(&["kitchen-0-2", "kitchen-0-3"])).start();
    for name in hob.names() {
        let request = format!(
            "POST /{name}/read-trailers HTTP/1.1\r\nhost: hob\r\ntransfer-encoding: chunked\r\n\
             trailer: x-sum\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 15\r\nX-More: yes\r\n\r\n"
        );
        let answer = hob.exchange(request).expect(200);
        let mut lines: Vec<_> = answer.text().lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["x-more: yes", "x-sum: 15"], "{name}");
        let without = chunked(&format!("/{name}/read-trailers"), [b"hello".as_slice()]);
        assert_eq!(hob.exchange(without).expect(200).text(), "none\n", "{name}");
    }
}

#[test]
fn trailers_of_a_guest_reach_a_client_that_takes_them() {
    let hob = Serve::new(every_mode(&["kitchen-0-2", "kitchen-0-3"])).start();
    for name in hob.names() {
        let request = format!("GET /{name}/trailers HTTP/1.1\r\nhost: hob\r\nte: trailers\r\n\r\n");
        let answer = hob.exchange(request).expect(200);
        assert_eq!(answer.text(), "hello world\n", "{name}");
        let expected = [("x-trailer".to_owned(), "late".to_owned())];
        assert_eq!(answer.trailers, expected, "{name}");

        let answer = hob.get(&format!("/{name}/trailers")).expect(200);
        assert_eq!(answer.text(), "hello world\n", "{name}");
        assert_eq!(answer.trailers, [], "{name}");
    }
}

#[test]
fn trailers_pass_through_a_guest_that_hands_the_body_on() {
    let hob = Serve::new(every_mode(&["kitchen-0-3"])).start();
    for name in hob.names() {
        let request = format!(
            "POST /{name}/echo-stream HTTP/1.1\r\nhost: hob\r\nte: trailers\r\n\
             transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-trailer: 15\r\n\r\n"
        );
        let answer = hob.exchange(request).expect(200);
        assert_eq!(answer.text(), "hello", "{name}");
        assert_eq!(answer.trailers, [("x-trailer".to_owned(), "15".to_owned())], "{name}");
    }
}

#[test]
fn pieces_of_the_sync_lane_arrive_in_order() {
    let hob = Serve::new([guest("fast-0-2")]).start();
    assert_eq!(hob.get("/fast-0-2/pieces").expect(200).text(), "one\ntwo\nthree\n");
}
