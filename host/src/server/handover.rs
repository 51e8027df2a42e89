//! Owns the hand-over of a server's sockets from one process to the next.
//!
//! Both are given the same path of a Unix socket. The process that serves listens there. The next one
//! connects, asks, is sent the listening sockets, and says so when it can take requests; only then does the
//! first take no more. Who connects and does not ask, or asks and does not come to serve, is let go, and
//! the first serves and changes as before. The sockets are the same ones, so a connection that the kernel has taken
//! meanwhile is served by the one or the other.

#![expect(clippy::disallowed_methods, reason = "before the loops turn, or on a thread of its own")]

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::{Leave, StartError, Stop};
use crate::limits;

/// The process whose place this one takes. It serves until it is told.
pub(super) struct Predecessor(UnixStream);

/// Listening sockets on their way.
pub(super) struct Sockets {
    pub(super) public: Vec<TcpListener>,
    pub(super) admin: Option<TcpListener>,
}

/// The new process wants the sockets.
const QUESTION: u8 = b'Q';
/// In front of the sockets: what they are.
const WITH_ADMIN: u8 = b'A';
const WITHOUT_ADMIN: u8 = b'a';
/// The new process can take requests.
const READY: u8 = b'R';
/// The process before it leaves.
const LEAVING: u8 = b'L';

impl Predecessor {
    /// The process that serves at this path, and its sockets; none when there is none, or it does not
    /// answer.
    pub(super) fn find(path: &Path) -> Option<(Self, Sockets)> {
        let mut stream = UnixStream::connect(path).ok()?;
        stream.set_read_timeout(Some(limits::HANDOVER_PATIENCE)).ok()?;
        stream.write_all(&[QUESTION]).ok()?;
        let sockets = receive(&stream).ok()?;
        Some((Predecessor(stream), sockets))
    }

    /// Tells it that this process can take requests, and waits until it leaves.
    ///
    /// # Errors
    /// When it does not say that it does: it may serve on, and no two should.
    pub(super) fn leave(mut self) -> io::Result<()> {
        self.0.write_all(&[READY])?;
        let is_leaving = word(&mut self.0)? == LEAVING;
        if is_leaving { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }
}

fn receive(stream: &UnixStream) -> io::Result<Sockets> {
    let mut space =
        [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(limits::HANDOVER_SOCKETS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut kind = [0];
    let mut parts = [IoSliceMut::new(&mut kind)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    recvmsg(stream, &mut parts, &mut control, flags)?;
    let mut sockets: Vec<TcpListener> = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            sockets.extend(descriptors.map(|one: OwnedFd| TcpListener::from(one)));
        }
    }
    let admin = if kind == [WITH_ADMIN] { sockets.pop() } else { None };
    if sockets.is_empty() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(Sockets { public: sockets, admin })
}

/// Gives the sockets to the process that comes next.
pub(super) struct Successors(UnixListener);

impl Successors {
    /// Listens at the path. Who listened there before is not found there any more.
    ///
    /// # Errors
    /// When that is not possible.
    pub(super) fn listen(path: &Path) -> Result<Self, StartError> {
        let fault = |error| StartError::Handover(path.to_owned(), error);
        // A socket's name is made with it, so it gets another one first and then takes the right one.
        let own = own_name(path);
        let bound = UnixListener::bind(&own).and_then(|listener| {
            std::fs::rename(&own, path)?;
            Ok(listener)
        });
        bound.map(Successors).map_err(fault)
    }

    /// Waits for them on a thread of its own, and has the server leave when one is ready.
    ///
    /// # Errors
    /// When there is no thread.
    pub(super) fn attend(self, stop: Stop) -> io::Result<()> {
        let attend = move || {
            for stream in self.0.incoming().flatten() {
                // One that fails on its way has changed nothing.
                if hand_over(stream, &stop).is_ok_and(|ready| ready) {
                    stop.leave(Leave::HandedOver);
                    return;
                }
            }
        };
        std::thread::Builder::new().name("handover".to_owned()).spawn(attend)?;
        Ok(())
    }
}

/// Whether the other process has said that it is ready.
fn hand_over(mut stream: UnixStream, stop: &Stop) -> io::Result<bool> {
    if socket_peercred(&stream)?.uid != rustix::process::geteuid() {
        return Ok(false);
    }
    // Any program may connect. Nothing waits for one that wants nothing.
    stream.set_read_timeout(Some(limits::HANDOVER_QUESTION))?;
    if word(&mut stream)? != QUESTION {
        return Ok(false);
    }
    stream.set_read_timeout(Some(limits::HANDOVER_PATIENCE))?;
    stream.set_write_timeout(Some(limits::HANDOVER_PATIENCE))?;
    // After a change that is under way: the other process finds all that this one has acknowledged.
    *stop.changing.lock().expect("changes") = false;
    let is_taken = give(&mut stream, stop);
    if !matches!(is_taken, Ok(true)) {
        *stop.changing.lock().expect("changes") = true;
    }
    is_taken
}

fn give(stream: &mut UnixStream, stop: &Stop) -> io::Result<bool> {
    match &*stop.for_successors.lock().expect("sockets") {
        Some(sockets) => send(stream, sockets)?,
        // This process is about to end.
        None => return Ok(false),
    }
    if word(stream)? != READY {
        return Ok(false);
    }
    stream.write_all(&[LEAVING])?;
    Ok(true)
}

/// What the other process says next.
fn word(stream: &mut UnixStream) -> io::Result<u8> {
    let mut word = [0];
    stream.read_exact(&mut word)?;
    Ok(word[0])
}

fn send(stream: &UnixStream, sockets: &Sockets) -> io::Result<()> {
    let Sockets { public, admin } = sockets;
    let descriptors: Vec<BorrowedFd<'_>> = public.iter().chain(admin).map(AsFd::as_fd).collect();
    let kind = [if admin.is_some() { WITH_ADMIN } else { WITHOUT_ADMIN }];
    let mut space =
        [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(limits::HANDOVER_SOCKETS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("there are more sockets than one message can hold"));
    }
    sendmsg(stream, &[IoSlice::new(&kind)], &mut control, SendFlags::empty())?;
    Ok(())
}

fn own_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    name.into()
}
