//! Another server, for what guests send: it does exactly what the test says.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use super::PATIENCE;

/// A request as it came, with the number of its connection.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) connection: usize,
    /// Request line and header fields.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its end.
    pub(crate) complete: bool,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.into_iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|f| f.1)
    }
}

/// What is done about a request.
pub(crate) enum Deed {
    /// Write these bytes, and take the next request.
    Answer(Vec<u8>),
    /// Write these bytes, and close.
    AnswerAndClose(Vec<u8>),
    /// Write these bytes, and wait until the other side leaves.
    Stall(Vec<u8>),
}

/// A response with a length.
pub(crate) fn answer(text: impl AsRef<[u8]>) -> Deed {
    let text = text.as_ref();
    let head = format!("HTTP/1.1 200 OK\r\nx-answer: a\r\ncontent-length: {}\r\n\r\n", text.len());
    Deed::Answer([head.as_bytes(), text].concat())
}

/// The server. It ends with the test's process.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: Mutex<Receiver<Seen>>,
    left: Mutex<Receiver<usize>>,
    open: Arc<Mutex<BTreeSet<usize>>>,
}

impl Upstream {
    /// Starts one that does `deed` about each request.
    pub(crate) fn start(deed: impl Fn(&Seen) -> Deed + Send + Sync + 'static) -> Self {
        Self::start_over(|stream| stream, deed)
    }

    /// The same, over what `secure` makes of a connection.
    pub(crate) fn start_over<S: Read + Write>(
        secure: impl Fn(TcpStream) -> S + Send + Sync + 'static,
        deed: impl Fn(&Seen) -> Deed + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("an address");
        let (tell_seen, seen) = channel();
        let (tell_left, left) = channel();
        let open = Arc::<Mutex<BTreeSet<usize>>>::default();
        let (deed, secure, all) = (Arc::new(deed), Arc::new(secure), open.clone());
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { return };
                all.lock().expect("open connections").insert(connection);
                let (deed, secure, all) = (deed.clone(), secure.clone(), all.clone());
                let (tell_seen, tell_left) = (tell_seen.clone(), tell_left.clone());
                thread::spawn(move || {
                    // A test that has ended listens no more.
                    let _ = serve(&mut secure(stream), connection, &*deed, &tell_seen);
                    all.lock().expect("open connections").remove(&connection);
                    let _ = tell_left.send(connection);
                });
            }
        });
        Upstream { address, seen: Mutex::new(seen), left: Mutex::new(left), open }
    }

    /// The next request that has come.
    #[track_caller]
    pub(crate) fn seen(&self) -> Seen {
        let seen = self.seen.lock().expect("what was seen");
        seen.recv_timeout(PATIENCE).expect("a request comes")
    }

    /// Waits until a connection has ended, and gives its number.
    #[track_caller]
    pub(crate) fn left(&self) -> usize {
        let left = self.left.lock().expect("who left");
        left.recv_timeout(PATIENCE).expect("a connection ends")
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> usize {
        self.open.lock().expect("open connections").len()
    }
}

fn serve(
    stream: &mut (impl Read + Write),
    connection: usize,
    deed: &dyn Fn(&Seen) -> Deed,
    tell: &Sender<Seen>,
) -> std::io::Result<()> {
    let mut received = Vec::new();
    while let Some(seen) = receive(stream, &mut received, connection)? {
        let complete = seen.complete;
        let deed = deed(&seen);
        let _ = tell.send(seen);
        if !complete {
            return Ok(());
        }
        match deed {
            Deed::Answer(bytes) => stream.write_all(&bytes)?,
            Deed::AnswerAndClose(bytes) => return stream.write_all(&bytes),
            Deed::Stall(bytes) => {
                stream.write_all(&bytes)?;
                stream.flush()?;
                while stream.read(&mut [0; 1024])? > 0 {}
                return Ok(());
            }
        }
        stream.flush()?;
    }
    Ok(())
}

/// Reads one request; none when the other side closes between two.
fn receive(
    stream: &mut impl Read,
    received: &mut Vec<u8>,
    connection: usize,
) -> std::io::Result<Option<Seen>> {
    let mut more = |received: &mut Vec<u8>| {
        let mut buffer = [0; 64 * 1024];
        // Whoever leaves without a word of TLS has left all the same.
        let count = stream.read(&mut buffer).unwrap_or(0);
        received.extend(&buffer[..count]);
        count > 0
    };
    let end = loop {
        if let Some(at) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if !more(received) {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    received.drain(..end);
    let mut seen = Seen { connection, head, body: Vec::new(), complete: true };
    let length = seen.header("content-length").map(|length| length.parse().expect("a length"));
    let is_chunked = seen.header("transfer-encoding").is_some();
    loop {
        let ended = if is_chunked {
            take_chunks(received, &mut seen.body)
        } else {
            received.len() >= length.unwrap_or(0)
        };
        if ended {
            break;
        }
        if !more(received) {
            seen.complete = false;
            return Ok(Some(seen));
        }
    }
    if !is_chunked {
        seen.body = received.drain(..length.unwrap_or(0)).collect();
    }
    Ok(Some(seen))
}

/// Moves whole chunks; true after the last.
fn take_chunks(received: &mut Vec<u8>, body: &mut Vec<u8>) -> bool {
    loop {
        let Some(line) = received.windows(2).position(|window| window == b"\r\n") else {
            return false;
        };
        let size = std::str::from_utf8(&received[..line]).expect("a chunk's size");
        let size = usize::from_str_radix(size, 16).expect("a chunk's size");
        let (from, to) = (line + 2, line + 2 + size);
        if received.len() < to + 2 {
            return false;
        }
        body.extend(&received[from..to]);
        received.drain(..to + 2);
        if size == 0 {
            return true;
        }
    }
}
