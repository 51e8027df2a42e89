//! A server whose place another process takes, with no request lost: by a path that both are given, or by
//! sockets that systemd holds.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::harness::{
    CERTIFICATE_LINES, Certificate, END_OF_BODY, Hob, Scratch, TOKEN, TOKEN_TABLE, compile_cache,
    component, expect_denied, get, greeter, guest, hob, run, unfinished, view,
};

/// A server that can be started again beside itself.
struct Place {
    scratch: Scratch,
}

impl Place {
    fn new() -> Self {
        let scratch = Scratch::new();
        scratch.file("token", TOKEN);
        Place { scratch }
    }

    fn start(&self, server: &str) -> Hob {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nhandover = \"s\"\n\
             {server}\n{TOKEN_TABLE}{}",
            guest("kitchen").toml()
        );
        self.scratch.file("hob.toml", text);
        let mut command = hob();
        // A Unix socket's path is short, and the folder's is not.
        command.current_dir(self.scratch.path()).args(["serve", "hob.toml"]);
        command.args(["--cache", compile_cache()]);
        Hob::start(command, Vec::new(), None)
    }
}

#[test]
fn the_next_process_takes_the_sockets_and_the_one_before_finishes_what_it_has() {
    let place = Place::new();
    for (before, after) in [("loops = 1", "loops = 2"), ("loops = 2", "loops = 1")] {
        let mut first = place.start(before);
        let mut in_flight: Vec<_> = (0..4).map(|_| first.client()).collect();
        in_flight.iter_mut().for_each(|client| client.send(unfinished("/kitchen/echo")));
        first.wait_for_in_flight("kitchen", 4);
        let mut idle = first.client();
        idle.exchange(get("/kitchen/hello")).expect(200);

        let second = place.start(after);
        assert_eq!((second.address, second.admin), (first.address, first.admin));
        // The connection that was idle brings one more request, and is told that it was the last.
        let last = idle.exchange(get("/kitchen/hello")).expect(200);
        assert_eq!(last.header("connection"), Some("close"));
        idle.expect_closed();
        for client in &mut in_flight {
            client.send(END_OF_BODY);
            assert_eq!(client.response().expect(200).text(), "hello");
        }
        assert!(first.wait().success());
        second.expect_hello("kitchen");
        // It can deploy, now that the one before has ended.
        view(second.deploy("kitchen", &greeter("kitchen", "there")));
        view(second.operate("POST", "/v1/tenants/default/handlers/kitchen/rollback", &[]));
    }
}

#[test]
fn no_request_fails_while_processes_follow_one_another() {
    let place = Place::new();
    let mut current = place.start("");
    let address = current.address;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut answers = 0;
                    let mut client = crate::harness::Client::connect(address);
                    while !done.load(Ordering::Relaxed) {
                        let answer = client.exchange(get("/kitchen/hello")).expect(200);
                        assert_eq!(answer.text(), "hello world\n");
                        if answer.header("connection") == Some("close") {
                            client = crate::harness::Client::connect(address);
                        }
                        answers += 1;
                    }
                    answers
                })
            })
            .collect();
        for _ in 0..3 {
            let next = place.start("");
            assert!(current.wait().success());
            current = next;
        }
        done.store(true, Ordering::Relaxed);
        for client in clients {
            assert!(client.join().expect("no request failed") > 0);
        }
    });
}

#[test]
fn what_is_deployed_while_the_next_process_starts_is_served_by_that_too() {
    let place = Place::new();
    let mut first = place.start("");
    // The next process comes to this file when it has read which versions there are.
    let late = place.scratch.join("late.wasm");
    mknodat(CWD, &late, FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    let second = std::thread::scope(|scope| {
        let second = scope
            .spawn(|| place.start("[[handler]]\nname = \"late\"\ncomponent = \"late.wasm\"\n"));
        let mut pipe = std::fs::OpenOptions::new().write(true).open(&late).expect("a reader");
        view(first.deploy("kitchen", &greeter("kitchen", "there")));
        assert_eq!(first.greeting("kitchen"), "there");
        let component = std::fs::read(component("kitchen-0-3")).expect("a component");
        pipe.write_all(&component).expect("a reader");
        drop(pipe);
        second.join().expect("a server")
    });
    assert!(first.wait().success());
    assert_eq!(second.greeting("kitchen"), "there");
    second.expect_hello("late");
    view(second.operate("POST", "/v1/tenants/default/handlers/kitchen/rollback", &[]));
    assert_eq!(second.greeting("kitchen"), "world");
}

#[test]
fn a_next_process_with_other_addresses_opens_those_and_says_that_the_ones_before_are_given_up() {
    let place = Place::new();
    let mut first = place.start("");
    let start = |address: &str| {
        let mut command = hob();
        command.current_dir(place.scratch.path()).args(["serve", "hob.toml"]);
        command.args(["--cache", compile_cache(), "--listen", address, "--admin", address]);
        Hob::start(command, Vec::new(), None)
    };
    let second = start("127.0.0.2:0");
    for address in [first.address, first.admin] {
        let line = second.wait_for_line(|line| {
            line["event"] == "address-given-up" && line["address"] == address.to_string()
        });
        assert!(line["detail"].is_string(), "{line}");
    }
    assert!(first.wait().success());
    second.expect_hello("kitchen");
    assert_eq!(second.ask_admin("/readyz").expect(200).text(), "ready\n");
    assert!(crate::harness::Client::try_connect(first.address).is_err());
}

#[test]
fn a_path_that_no_one_listens_at_any_more_is_no_hindrance() {
    let place = Place::new();
    place.start("").kill();
    assert!(place.scratch.join("s").exists());
    place.start("").expect_hello("kitchen");
}

#[test]
fn a_successor_that_does_not_come_to_serve_changes_nothing() {
    let place = Place::new();
    let first = place.start("");
    let path = place.scratch.join("s");
    // It takes the sockets, and leaves.
    drop(asker(&path));
    let broken = place.scratch.file("broken.toml", "colour = \"red\"");
    let outcome = run(hob()
        .arg("serve")
        .arg(broken)
        .args(["--handover"])
        .arg(&path)
        .args(["--cache", "off"]));
    assert!(!outcome.success, "{outcome:?}");
    first.expect_hello("kitchen");
    assert_eq!(first.ask_admin("/readyz").expect(200).text(), "ready\n");
}

#[test]
fn a_successor_that_could_not_serve_all_that_is_served_changes_nothing() {
    let place = Place::new();
    let first = place.start("");
    view(first.deploy("kitchen", &greeter("kitchen-0-2", "there")));
    let path = place.scratch.join("s");
    let succeed = |target: &Path, arguments: &[&str]| {
        let mut command = hob();
        command.arg("serve").arg(target).args(arguments).arg("--handover").arg(&path);
        command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        run(command.args(["--cache", compile_cache()]))
    };
    // By itself it would set the version aside.
    let file = place.scratch.join("hob.toml");
    let text = std::fs::read_to_string(&file).expect("a file");
    let text = text.replace("name = \"kitchen\"", "name = \"kitchen\"\nisolation = \"shared\"");
    std::fs::write(&file, text).expect("a file");
    let outcome = succeed(&file, &[]);
    assert!(!outcome.success && outcome.stderr.contains("`shared` needs WASI 0.3"), "{outcome:?}");
    // And leave out a file of a watched folder.
    let folder = place.scratch.join("components");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("garbage.wasm"), "no component").expect("a file");
    let kept = place.scratch.join("kept");
    let outcome = succeed(&folder, &["--watch", "--data", kept.to_str().expect("UTF-8")]);
    assert!(!outcome.success && outcome.stderr.contains("garbage.wasm"), "{outcome:?}");
    assert_eq!(first.greeting("kitchen"), "there");
    // Once the first has given up what the next cannot serve, that takes its place.
    view(first.deploy("kitchen", &greeter("kitchen", "again")));
    let second = place.start("");
    assert_eq!(second.greeting("kitchen"), "again");
}

/// A process that has asked for the sockets and got them.
fn asker(path: &Path) -> UnixStream {
    let mut asker = UnixStream::connect(path).expect("a socket");
    asker.write_all(b"Q").expect("a question");
    let mut kind = [0];
    asker.read_exact(&mut kind).expect("an answer");
    assert_eq!(&kind, b"A");
    asker
}

#[test]
fn changes_are_refused_only_while_one_that_asked_has_the_sockets() {
    let place = Place::new();
    let first = place.start("");
    let asker = asker(&place.scratch.join("s"));
    let deploy = || first.deploy("kitchen", &greeter("kitchen", "there"));
    expect_denied(deploy(), 503, "stopping", &[]);
    assert_eq!(first.greeting("kitchen"), "world");
    // It goes, and has not come to serve.
    drop(asker);
    let mut answer = deploy();
    while answer.status == 503 {
        answer = deploy();
    }
    view(answer);
    assert_eq!(first.greeting("kitchen"), "there");
}

#[test]
fn one_that_connects_and_does_not_ask_is_no_hindrance() {
    let place = Place::new();
    let mut first = place.start("");
    let path = place.scratch.join("s");
    let mut silent = UnixStream::connect(&path).expect("a socket");
    let mut wrong = UnixStream::connect(&path).expect("a socket");
    wrong.write_all(b"R").expect("a word");
    view(first.deploy("kitchen", &greeter("kitchen", "there")));
    let second = place.start("");
    assert!(first.wait().success());
    assert_eq!(second.greeting("kitchen"), "there");
    // Neither has been given anything.
    for stream in [&mut silent, &mut wrong] {
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    }
}

#[test]
fn the_time_to_drain_begins_when_the_last_requests_have_had_theirs() {
    let place = Place::new();
    let mut first = place.start("drain_ms = 1");
    let mut in_flight = first.client();
    in_flight.send(unfinished("/kitchen/echo"));
    first.wait_for_in_flight("kitchen", 1);
    let mut idle = first.client();
    idle.exchange(get("/kitchen/hello")).expect(200);
    let _second = place.start("");
    first.wait_for_line(|line| line["event"] == "draining");
    let last = idle.exchange(get("/kitchen/hello")).expect(200);
    assert_eq!(last.header("connection"), Some("close"));
    in_flight.send(END_OF_BODY);
    assert_eq!(in_flight.response().expect(200).text(), "hello");
    assert!(first.wait().success());
}

#[test]
fn sockets_that_systemd_holds_are_taken() {
    let public = TcpListener::bind("127.0.0.1:0").expect("a port");
    let admin = TcpListener::bind("127.0.0.1:0").expect("a port");
    let scratch = Scratch::new();
    let certificate = Certificate::new();
    certificate.put(&scratch);
    let text = format!("[server]\n{CERTIFICATE_LINES}\n{}", guest("kitchen").toml());
    let file = scratch.file("hob.toml", text);
    let serve = || {
        // As systemd does it: descriptors 3 and 4, and the process's own id.
        let mut command = Command::new("python3");
        command.args(["-c", SYSTEMD]).args([fd(&public), fd(&admin)]);
        command.arg(env!("CARGO_BIN_EXE_hob")).arg("serve").arg(&file);
        command.args(["--cache", compile_cache(), "--loops", "2"]);
        Hob::start(command, Vec::new(), None)
    };
    keep_over_exec(&public);
    keep_over_exec(&admin);
    let mut first = serve();
    assert_eq!(first.address, public.local_addr().expect("an address"));
    assert_eq!(first.admin, admin.local_addr().expect("an address"));
    first.expect_hello("kitchen");
    certificate.ask(&first, "/readyz").expect(200);
    first.signal(rustix::process::Signal::TERM);
    assert!(first.wait().success());
    // Who connects between two processes waits, and is served by the next.
    let mut waiting = crate::harness::Client::connect(first.address);
    waiting.send(get("/kitchen/hello"));
    let _second = serve();
    assert_eq!(waiting.response().expect(200).text(), "hello world\n");
}

const SYSTEMD: &str = "
import os, sys
for place, number in enumerate(sys.argv[1:3]):
    os.dup2(int(number), 100 + place)
for place in range(2):
    os.dup2(100 + place, 3 + place)
os.environ['LISTEN_FDS'] = '2'
os.environ['LISTEN_PID'] = str(os.getpid())
os.execv(sys.argv[3], sys.argv[3:])
";

fn fd(listener: &TcpListener) -> String {
    use std::os::fd::AsRawFd;
    listener.as_raw_fd().to_string()
}

fn keep_over_exec(listener: &TcpListener) {
    rustix::io::fcntl_setfd(listener, rustix::io::FdFlags::empty()).expect("a descriptor");
}
