//! A client that says exactly what it is told to, and reads answers without forgiving anything.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};

use super::PATIENCE;

/// A GET of this target.
pub(crate) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: hob\r\n\r\n")
}

/// A POST with a length.
pub(crate) fn post(target: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let head = format!("POST {target} HTTP/1.1\r\nhost: hob\r\ncontent-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// A POST in chunks.
pub(crate) fn chunked<'a>(target: &str, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let head = format!("POST {target} HTTP/1.1\r\nhost: hob\r\ntransfer-encoding: chunked\r\n\r\n");
    let mut bytes = head.into_bytes();
    for chunk in chunks {
        bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

/// A POST whose body has begun and not ended: the guest has it, and waits until `END_OF_BODY` is
/// sent. So a test says itself how long the request is under way.
pub(crate) fn unfinished(target: &str) -> String {
    format!(
        "POST {target} HTTP/1.1\r\nhost: hob\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"
    )
}

/// The end of a body in chunks.
pub(crate) const END_OF_BODY: &str = "0\r\n\r\n";

/// A connection.
pub(crate) struct Client {
    stream: TcpStream,
    /// The session on it, of one that speaks TLS.
    tls: Option<Box<ClientConnection>>,
    /// What has been received and not been read.
    received: Vec<u8>,
}

/// A response, or as much of it as came.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) version: String,
    /// Names as they were sent, values without the white space around them.
    pub(crate) headers: Vec<(String, String)>,
    /// Decoded.
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Whether it came to the end that it announced.
    pub(crate) complete: bool,
}

impl Response {
    /// The body without the coding that its header names.
    pub(crate) fn decoded(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let body = &self.body[..];
        match self.header("content-encoding") {
            Some("gzip") => flate2::read::GzDecoder::new(body).read_to_end(&mut text),
            Some("br") => brotli::Decompressor::new(body, 4096).read_to_end(&mut text),
            Some("zstd") => zstd::Decoder::new(body).expect("a decoder").read_to_end(&mut text),
            _ => return self.body.clone(),
        }
        .expect("what the header says");
        text
    }

    /// The value of a header that comes once, or not at all.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "several {name} in {self:?}");
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of UTF-8")
    }

    /// Panics unless the status is this one and the response is complete.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.complete, "cut: {self:?}");
        self
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).expect("a connection")
    }

    pub(crate) fn try_connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client { stream, tls: None, received: Vec::new() })
    }

    /// One that speaks TLS, and trusts this certificate only. Whether it is shown that, the first answer
    /// tells.
    pub(crate) fn secure(address: SocketAddr, trusted: &CertificateDer<'static>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).expect("a certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("both versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::from(address.ip());
        let session = ClientConnection::new(Arc::new(config), name).expect("a session");
        Client { tls: Some(Box::new(session)), ..Client::connect(address) }
    }

    /// Shakes hands now; whether that has come to its end.
    pub(crate) fn shakes_hands(&mut self) -> bool {
        let session = self.tls.as_mut().expect("a client that speaks TLS");
        session.complete_io(&mut self.stream).is_ok()
    }

    /// Says that nothing more will be sent, and goes on reading.
    pub(crate) fn finish(&mut self) {
        if let Some(session) = &mut self.tls {
            session.send_close_notify();
            session.complete_io(&mut self.stream).expect("the server takes what is sent");
        }
        // It fails when the server was faster.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the server takes what is sent");
    }

    /// Sends to a server that may have closed already.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        match &mut self.tls {
            None => self.stream.write_all(bytes.as_ref()),
            Some(session) => {
                Stream::new(&mut **session, &mut self.stream).write_all(bytes.as_ref())
            }
        }
    }

    /// Sends from a thread, for a server that answers while it reads.
    pub(crate) fn send_beside(&self, bytes: Vec<u8>) -> JoinHandle<std::io::Result<()>> {
        let mut stream = self.stream.try_clone().expect("a second handle");
        thread::spawn(move || stream.write_all(&bytes))
    }

    /// Sends zeros until none has been taken for a second; how many were.
    pub(crate) fn send_until_full(&mut self) -> u64 {
        self.stream.set_write_timeout(Some(Duration::from_secs(1))).expect("a time");
        let mut sent = 0;
        loop {
            match self.stream.write(&[0; 64 * 1024]) {
                Ok(count) => sent += count as u64,
                Err(error) if is_timeout(&error) => return sent,
                Err(error) => panic!("{error} after {sent} bytes"),
            }
        }
    }

    /// Sends bytes; whether they were taken within a second.
    pub(crate) fn sends_within_a_second(&mut self, bytes: &[u8]) -> bool {
        self.stream.set_write_timeout(Some(Duration::from_secs(1))).expect("a time");
        match self.stream.write_all(bytes) {
            Ok(()) => true,
            Err(error) if is_timeout(&error) => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// Has the kernel keep little for it that it has not read.
    pub(crate) fn takes_little_at_once(&self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_recv_buffer_size(64 * 1024).expect("a socket");
    }

    /// Leaves with a reset, as a process does that is killed.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("a socket");
    }

    /// Sends a request that is not a HEAD, and reads the answer.
    pub(crate) fn exchange(&mut self, request: impl AsRef<[u8]>) -> Response {
        self.send(request);
        self.response()
    }

    /// The answer to a request that is not a HEAD.
    pub(crate) fn response(&mut self) -> Response {
        let mut response = self.head();
        if matches!(response.status, 100..200 | 204 | 304) {
            return response;
        }
        let coding = response.header("transfer-encoding").map(str::to_owned);
        let length = response.header("content-length").map(|text| text.parse().expect("a length"));
        response.complete = match (coding.as_deref(), length) {
            (Some("chunked"), None) => self.chunks(&mut response),
            (None, Some(length)) => {
                response.body = self.up_to(length);
                response.body.len() == length
            }
            (None, None) => {
                response.body = self.rest();
                true
            }
            other => panic!("a body framed by {other:?}: {response:?}"),
        };
        response
    }

    /// The next answer, or none when the server has closed the connection instead.
    pub(crate) fn next_response(&mut self) -> Option<Response> {
        if self.received.is_empty() && self.receive() == 0 {
            return None;
        }
        Some(self.response())
    }

    /// A response's head. It is the whole answer to a HEAD.
    pub(crate) fn head(&mut self) -> Response {
        let line = self.line().expect("a status line, but the connection was closed");
        let mut parts = line.splitn(3, ' ');
        let version = parts.next().unwrap_or_default().to_owned();
        let status = parts.next().and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {line:?}"));
        let headers = self.fields().expect("a whole head");
        Response {
            status,
            version,
            headers,
            body: Vec::new(),
            trailers: Vec::new(),
            complete: true,
        }
    }

    /// Everything up to the end of the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.receive() > 0 {}
        std::mem::take(&mut self.received)
    }

    /// Panics unless the server closes the connection without a further byte.
    #[track_caller]
    pub(crate) fn expect_closed(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "more came: {:?}", String::from_utf8_lossy(&rest));
    }

    /// Exactly so many bytes, or fewer at the end of the connection.
    pub(crate) fn up_to(&mut self, length: usize) -> Vec<u8> {
        while self.received.len() < length && self.receive() > 0 {}
        let rest = self.received.split_off(length.min(self.received.len()));
        std::mem::replace(&mut self.received, rest)
    }

    /// Reads so many bytes, or up to the end of the connection, and keeps none of them but the last
    /// few. How many there were, and those.
    pub(crate) fn discard(&mut self, length: u64) -> (u64, Vec<u8>) {
        let mut read = self.received.len() as u64;
        loop {
            let kept = self.received.len().saturating_sub(8);
            self.received.drain(..kept);
            let count = if read < length { self.receive() } else { 0 };
            if count == 0 {
                return (read, std::mem::take(&mut self.received));
            }
            read += count as u64;
        }
    }

    /// What one read gives.
    pub(crate) fn one_read(&mut self) -> Vec<u8> {
        assert!(self.received.is_empty(), "bytes of an earlier read");
        self.receive();
        std::mem::take(&mut self.received)
    }

    /// Waits for the server to say something, at most this long; whether it did, or closed.
    pub(crate) fn hears_within(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).expect("a time");
        let heard = match self.stream.peek(&mut [0]) {
            Err(error) if is_timeout(&error) => false,
            // What it is, the next read will tell.
            _ => true,
        };
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        heard || !self.received.is_empty()
    }

    fn chunks(&mut self, response: &mut Response) -> bool {
        loop {
            let Some(line) = self.line() else { return false };
            let size = usize::from_str_radix(&line, 16).expect("a chunk's size");
            if size == 0 {
                break;
            }
            let chunk = self.up_to(size);
            let whole = chunk.len() == size;
            response.body.extend(chunk);
            if !whole || self.line().is_none_or(|end| !end.is_empty()) {
                return false;
            }
        }
        match self.fields() {
            Some(trailers) => response.trailers = trailers,
            None => return false,
        }
        true
    }

    /// Fields up to the empty line after them.
    fn fields(&mut self) -> Option<Vec<(String, String)>> {
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some(fields);
            }
            let (name, value) = line.split_once(':').expect("a name and a value");
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.received.windows(2).position(|pair| pair == b"\r\n") {
                let rest = self.received.split_off(end + 2);
                let line = std::mem::replace(&mut self.received, rest);
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if self.receive() == 0 {
                return None;
            }
        }
    }

    /// How many bytes came; none at the end, be it a reset.
    fn receive(&mut self) -> usize {
        let mut buffer = [0; 64 * 1024];
        loop {
            let read = match &mut self.tls {
                None => self.stream.read(&mut buffer),
                Some(session) => Stream::new(&mut **session, &mut self.stream).read(&mut buffer),
            };
            match read {
                Ok(count) => {
                    self.received.extend_from_slice(&buffer[..count]);
                    return count;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return 0,
                Err(error) if is_timeout(&error) => panic!(
                    "the server says nothing more; so far: {:?}",
                    String::from_utf8_lossy(&self.received)
                ),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
