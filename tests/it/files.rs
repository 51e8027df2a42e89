//! `hob:host/files`, of both generations and in every isolation mode, and `wasi:filesystem` on the
//! same folder.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::harness::{
    Guest, Hob, Response, Scratch, Serve, every_mode, get, guest, hob, post, run,
};

const GUESTS: [&str; 2] = ["capabilities", "capabilities-0-2"];

/// A server of handlers that are granted the files of the tenant `t`, and where those are.
pub(crate) struct House {
    pub(crate) hob: Hob,
    pub(crate) files: PathBuf,
    _data: Scratch,
}

pub(crate) fn granted(guests: impl IntoIterator<Item = Guest>, grant: &str) -> House {
    let data = Scratch::new();
    let files = data.join("t/files");
    let grant = format!("files = \"{grant}\"");
    let guests = guests.into_iter().map(|guest| guest.grants(&grant));
    let hob = Serve::new(guests).server(&format!("data = {:?}", data.path())).start();
    House { hob, files, _data: data }
}

impl House {
    pub(crate) fn ask(&self, name: &str, operation: &str) -> Response {
        self.hob.get(&format!("/{name}/files.{operation}"))
    }

    pub(crate) fn give(&self, name: &str, operation: &str, body: impl AsRef<[u8]>) -> Response {
        self.hob.exchange(post(&format!("/{name}/files.{operation}"), body))
    }

    #[track_caller]
    pub(crate) fn expect_error(&self, name: &str, operation: &str, error: &str) {
        assert_eq!(self.give(name, operation, "x").expect(422).text(), error, "{name} {operation}");
    }
}

#[test]
fn what_is_written_is_read_whole_in_ranges_and_in_pieces() {
    let house = granted(every_mode(&GUESTS), "write");
    for name in house.hob.names() {
        house.give(name, "write?path=a.txt", "0123456789").expect(200);
        assert_eq!(house.ask(name, "read?path=a.txt").expect(200).text(), "0123456789");
        assert_eq!(house.ask(name, "read?path=/a.txt").expect(200).text(), "0123456789");
        let range = house.ask(name, "read-range?path=a.txt&offset=3&length=4").expect(200);
        assert_eq!(range.text(), "3456");
        let range = house.ask(name, "read-range?path=a.txt&offset=8&length=100").expect(200);
        assert_eq!(range.text(), "89");
        let range = house.ask(name, "read-range?path=a.txt&offset=99&length=1").expect(200);
        assert_eq!(range.text(), "");
        let pieces = house.ask(name, "read-pieces?path=a.txt&length=3").expect(200);
        assert_eq!(pieces.text(), "0123456789");
        house.give(name, "append?path=a.txt", "ab").expect(200);
        assert_eq!(house.ask(name, "read?path=a.txt").expect(200).text(), "0123456789ab");
        assert_eq!(house.ask(name, "stat?path=a.txt").expect(200).text(), "12");
        house.give(name, "write-pieces?path=a.txt&pieces=3", "xyz").expect(200);
        assert_eq!(fs::read(house.files.join("a.txt")).expect("a file"), b"xyzxyzxyz");
        house.ask(name, "remove?path=a.txt").expect(200);
        assert!(!house.files.join("a.txt").exists(), "{name}");
    }
}

#[test]
fn folders_are_made_listed_in_pages_and_removed() {
    let house = granted(every_mode(&GUESTS), "write");
    for name in house.hob.names() {
        house.ask(name, "create-folder?path=one/two").expect(200);
        house.ask(name, "create-folder?path=one/two").expect(200);
        for file in ["c", "a", "b"] {
            house.give(name, &format!("write?path=one/{file}"), "").expect(200);
        }
        let list = |query: &str| {
            house.ask(name, &format!("list?path=one{query}")).expect(200).text().to_owned()
        };
        assert_eq!(list("&limit=1000"), "a\nb\nc\ntwo/\n");
        assert_eq!(list("&limit=2"), "a\nb\n");
        assert_eq!(list("&limit=2&after=b"), "c\ntwo/\n");
        assert_eq!(list("&limit=2&after=two"), "");
        assert_eq!(house.ask(name, "stat?path=one").expect(200).text(), "0/");
        house.expect_error(name, "remove?path=one", "Invalid");
        house.ask(name, "rename?path=one/a&to=one/two/a").expect(200);
        assert_eq!(list("&limit=9"), "b\nc\ntwo/\n");
        for path in ["one/two/a", "one/two", "one/b", "one/c", "one"] {
            house.ask(name, &format!("remove?path={path}")).expect(200);
        }
        assert_eq!(house.ask(name, "list?path=&limit=9").expect(200).text(), "", "{name}");
    }
}

#[test]
fn mistakes_are_told_apart() {
    let house = granted(every_mode(&GUESTS), "write");
    fs::create_dir(house.files.join("folder")).expect("a folder");
    fs::write(house.files.join("file"), "").expect("a file");
    let large = fs::File::create(house.files.join("large")).expect("a file");
    large.set_len(16 * 1024 * 1024 + 1).expect("a sparse file");
    for name in house.hob.names() {
        for (operation, error) in [
            ("read?path=nothing", "NotFound"),
            ("read?path=folder", "Invalid"),
            ("read?path=file/below", "Invalid"),
            ("read?path=large", "TooLarge"),
            ("write?path=folder", "Invalid"),
            ("write?path=", "Invalid"),
            ("write?path=nowhere/file", "NotFound"),
            ("append?path=folder", "Invalid"),
            ("list?path=file&limit=1", "Invalid"),
            ("list?path=nothing&limit=1", "NotFound"),
            ("stat?path=nothing", "NotFound"),
            ("remove?path=nothing", "NotFound"),
            ("rename?path=nothing&to=x", "NotFound"),
            ("rename?path=/&to=x", "Invalid"),
            ("rename?path=file&to=/", "Invalid"),
            ("remove?path=/", "Invalid"),
            ("create-folder?path=file", "Exists"),
            ("read-pieces?path=nothing&length=1", "NotFound"),
        ] {
            house.expect_error(name, operation, error);
        }
        let tail = house.ask(name, "read-range?path=large&offset=16777215&length=100").expect(200);
        assert_eq!(tail.body, [0, 0]);
    }
}

#[test]
fn no_path_leaves_the_folder() {
    let house = granted(every_mode(&GUESTS), "write");
    let outside = house.files.parent().expect("the tenant's folder").join("secret");
    fs::write(&outside, "secret").expect("a file");
    symlink(&outside, house.files.join("link")).expect("a link");
    symlink("..", house.files.join("up")).expect("a link");
    symlink("/", house.files.join("root")).expect("a link");
    for name in house.hob.names() {
        for path in ["../secret", "a/../../secret", "link", "up/secret", "root/etc/passwd"] {
            for operation in ["read?", "read-pieces?length=9&", "stat?", "append?", "write-pieces?"]
            {
                let answer = house.give(name, &format!("{operation}path={path}"), "x");
                let is_replaced = operation == "write-pieces?" && path == "link";
                assert!(answer.status == 422 || is_replaced, "{name} {operation} {path}");
            }
            let answer = house.ask(name, &format!("std-read?path=/{path}"));
            assert!(answer.status == 422 || path == "link", "{name} {path} {answer:?}");
        }
        house.expect_error(name, "read?path=../secret", "Denied");
        assert_eq!(fs::read(&outside).expect("a file"), b"secret", "{name}");
        // A file that is written takes the place of the link, and not of what it points to.
        fs::remove_file(house.files.join("link")).expect("what is there");
        symlink(&outside, house.files.join("link")).expect("a link");
        house.expect_error(name, "read?path=link", "Denied");
    }
}

#[test]
fn a_grant_to_read_is_none_to_write() {
    let house = granted(every_mode(&GUESTS), "read");
    fs::write(house.files.join("file"), "as it was").expect("a file");
    for name in house.hob.names() {
        assert_eq!(house.ask(name, "read?path=file").expect(200).text(), "as it was");
        for operation in [
            "write?path=file",
            "append?path=file",
            "remove?path=file",
            "rename?path=file&to=other",
            "create-folder?path=folder",
            "write-pieces?path=file&pieces=1",
        ] {
            house.expect_error(name, operation, "Denied");
        }
        let answer = house.give(name, "std-write?path=/file", "x");
        assert_eq!(answer.status, 422, "{name}");
        assert_eq!(fs::read(house.files.join("file")).expect("a file"), b"as it was");
    }
}

#[test]
fn std_fs_sees_the_same_folder() {
    let house = granted(every_mode(&GUESTS), "write");
    for name in house.hob.names() {
        house.give(name, "std-write?path=/std.txt", "by std").expect(200);
        assert_eq!(house.ask(name, "read?path=std.txt").expect(200).text(), "by std");
        assert_eq!(house.ask(name, "std-read?path=/std.txt").expect(200).text(), "by std");
        house.ask(name, "remove?path=std.txt").expect(200);
        assert_eq!(house.ask(name, "std-read?path=/std.txt").status, 422);
    }
}

#[test]
fn a_writer_that_is_not_finished_leaves_nothing() {
    let house = granted(every_mode(&GUESTS), "write");
    let unfinished = house.files.parent().expect("the tenant's folder").join("unfinished");
    for name in house.hob.names() {
        house.give(name, "write-unfinished?path=half&pieces=3", "x".repeat(1000)).expect(200);
        // The next work of this tenant comes after the writer was put away, on one thread or another.
        while fs::read_dir(&unfinished).expect("a folder").next().is_some() {
            house.ask(name, "stat?path=").expect(200);
        }
        house.expect_error(name, "read?path=half", "NotFound");
    }
}

#[test]
fn tenants_do_not_see_each_others_files() {
    let data = Scratch::new();
    let of = |tenant: &str| guest("capabilities").named(tenant).tenant(tenant).grants("");
    let server = Serve::new([of("one"), of("two")]);
    let hob = server.server(&format!("data = {:?}", data.path())).start();
    hob.exchange(post("/one/files.write?path=mine", "one's")).expect(200);
    assert_eq!(hob.get("/one/files.read?path=mine").expect(200).text(), "one's");
    assert_eq!(hob.get("/two/files.read?path=mine").expect(422).text(), "NotFound");
    assert_eq!(hob.get("/two/files.read?path=../../one/files/mine").expect(422).text(), "Denied");
}

#[test]
fn an_import_that_is_not_granted_is_refused_with_the_line_that_grants_it() {
    for name in GUESTS {
        let scratch = Scratch::new();
        let component = crate::harness::component(name);
        let text = format!("[[handler]]\nname = \"app\"\ncomponent = {component:?}\n");
        let file = scratch.file("hob.toml", &text);
        let refused = run(hob().arg("check").arg(&file));
        assert!(!refused.success);
        let version = if name.ends_with("0-2") { "0.2.0" } else { "0.3.0" };
        for wanted in [
            "app",
            "hob.toml",
            "grants.files = \"read\"",
            &format!("hob:host/files@{version}"),
            "grants.dns = true",
            &format!("hob:host/dns@{version}"),
        ] {
            assert!(refused.stderr.contains(wanted), "{wanted}: {}", refused.stderr);
        }
        // The lines, as they are printed, grant it.
        let lines =
            refused.stderr.lines().map(str::trim).filter(|line| line.starts_with("grants."));
        let lines: String = lines.map(|line| format!("{line}\n")).collect();
        let file = scratch.file("hob.toml", format!("{text}{lines}"));
        let checked = run(hob().arg("check").arg(&file));
        assert!(checked.success, "{}", checked.stderr);
        assert!(!scratch.join("data").exists(), "a check makes nothing");
    }
}

/// Writes that were acknowledged before the process is killed are there afterwards, and nothing is
/// half-written.
#[test]
fn kill_9_loses_no_acknowledged_write() {
    let data = Scratch::new();
    let files = data.join("t/files");
    let mut acknowledged = Vec::new();
    for round in 0..5 {
        let guest = guest("capabilities").grants("files = \"write\"");
        let hob = Serve::new([guest]).server(&format!("data = {:?}", data.path())).start();
        let mut writers: Vec<_> = (0..8).map(|_| hob.client()).collect();
        let body = |name: &str| name.repeat(10_000);
        for batch in 0..3 {
            let names: Vec<_> = (0..8).map(|n| format!("r{round}b{batch}n{n}")).collect();
            for (writer, name) in writers.iter_mut().zip(&names) {
                let target = format!("/capabilities/files.write?path={name}");
                writer.send(post(&target, body(name)));
            }
            // The last batch is cut off in the middle of its writes.
            let answered = if batch < 2 { 8 } else { round };
            for (writer, name) in writers.iter_mut().zip(&names).take(answered) {
                writer.response().expect(200);
                acknowledged.push(name.clone());
            }
        }
        hob.kill();
        for name in &acknowledged {
            let there = fs::read(files.join(name)).expect("a file that was acknowledged");
            assert!(there == body(name).as_bytes(), "{name} is not what was written");
        }
        for entry in fs::read_dir(&files).expect("a folder").flatten() {
            let name = entry.file_name().into_string().expect("a name");
            let there = fs::read(entry.path()).expect("a file");
            assert!(there == body(&name).as_bytes(), "{name} is half-written");
        }
    }
}

#[test]
fn a_file_is_downloaded_while_it_is_read() {
    let house = granted([guest("capabilities")], "write");
    let name = house.hob.names().next().expect("a handler").to_owned();
    let body: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    fs::write(house.files.join("large"), &body).expect("a file");
    let target = format!("/{name}/files.read-pieces?path=large&length=100000");
    assert!(house.hob.exchange(get(&target)).expect(200).body == body);
}
