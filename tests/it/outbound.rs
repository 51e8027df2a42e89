//! What a guest may reach: nothing outside, and it is told so at once.

use std::io::ErrorKind;
use std::net::TcpListener;

use crate::harness::{Serve, every_mode};

#[test]
fn a_request_of_a_guest_is_denied() {
    let hob = Serve::new(every_mode(&["kitchen-0-2", "kitchen-0-3"])).start();
    for name in hob.names() {
        let answer = hob.get(&format!("/{name}/fetch")).expect(200);
        assert_eq!(answer.text(), "ErrorCode::HttpRequestDenied\n", "{name}");
    }
}

#[test]
fn a_guest_cannot_connect() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("an address");
    let hob = Serve::new(every_mode(&["kitchen-0-2"])).start();
    for name in hob.names() {
        let answer = hob.get(&format!("/{name}/connect?to={address}")).expect(200);
        assert_ne!(answer.text(), "connected\n", "{name}");
        hob.expect_hello(name);
    }
    let error = listener.accept().expect_err("no one has come");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}
