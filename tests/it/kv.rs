//! `hob:host/kv`, of both generations and in every isolation mode.

use std::fs;
use std::io::IoSliceMut;

use rusqlite::Connection;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use crate::harness::{Guest, Hob, Response, Scratch, Serve, every_mode, guest, post, run};

const GUESTS: [&str; 2] = ["capabilities", "capabilities-0-2"];

/// A server of handlers that are granted the store of the tenant `t`.
struct House {
    hob: Hob,
    data: Scratch,
}

fn granted(guests: impl IntoIterator<Item = Guest>, access: &str) -> House {
    let data = Scratch::new();
    let grant = format!("kv = \"{access}\"");
    let guests = guests.into_iter().map(|guest| guest.grants(&grant));
    let hob = Serve::new(guests).server(&format!("data = {:?}", data.path())).start();
    House { hob, data }
}

impl House {
    fn ask(&self, name: &str, operation: &str, body: impl AsRef<[u8]>) -> Response {
        self.hob.exchange(post(&format!("/{name}/kv.{operation}"), body))
    }

    #[track_caller]
    fn run(&self, name: &str, operation: &str, body: impl AsRef<[u8]>) -> String {
        self.ask(name, operation, body).expect(200).text().to_owned()
    }

    #[track_caller]
    fn expect_error(&self, name: &str, operation: &str, body: impl AsRef<[u8]>, error: &str) {
        let answer = self.ask(name, operation, body);
        assert_eq!((answer.status, answer.text()), (422, error), "{name} {operation}");
    }

    /// The rows of the store's file.
    fn rows(&self) -> i64 {
        let database = Connection::open(self.data.join("t/kv.db")).expect("a database");
        database.query_row("select count(*) from entries", [], |row| row.get(0)).expect("a row")
    }
}

/// Whether the kernel tells, for this file system, what it has in memory.
fn kernel_tells(house: &House) -> bool {
    let store = fs::File::open(house.data.join("t/kv.db")).expect("the store");
    let bytes = &mut [0];
    let peek = preadv2(store, &mut [IoSliceMut::new(bytes)], 0, ReadWriteFlags::NOWAIT);
    peek != Err(Errno::OPNOTSUPP)
}

/// A connection comes to know a statement when a host thread has run it there, and there are a few of them. The
/// kernel may be about something with a page, so that now and then one is for a host thread.
#[test]
fn small_values_are_got_without_a_host_thread() {
    let house = granted(every_mode(&GUESTS), "write");
    let by_loop = || {
        let metrics = house.hob.ask_admin("/metrics").expect(200);
        let count = |operation: &str| {
            let begins = format!("hob_host_jobs_spared_total{{operation=\"kv.{operation}\"}} ");
            let line = metrics.text().lines().find_map(|line| line.strip_prefix(&begins));
            line.map_or(0, |count| count.parse::<u32>().expect("a number"))
        };
        count("get") + count("exists")
    };
    for name in house.hob.names() {
        let before = by_loop();
        for at in 0..20 {
            house.run(name, "set?key=small", at.to_string());
            assert_eq!(house.run(name, "get?key=small", ""), at.to_string());
            assert_eq!(house.run(name, "exists?key=small", ""), "true");
            house.run(name, "delete", "small");
            assert_eq!(house.run(name, "get?key=small", ""), "none");
            assert_eq!(house.run(name, "exists?key=small", ""), "false");
        }
        let of_80 = by_loop() - before;
        assert!(of_80 >= 60 || !kernel_tells(&house), "{name}: {of_80}");
        let large = "x".repeat(20_000);
        house.run(name, "set?key=large", &large);
        let before = by_loop();
        assert_eq!(house.run(name, "get?key=large", ""), large);
        assert_eq!(by_loop(), before, "{name}");
    }
}

#[test]
fn a_value_is_set_got_and_deleted() {
    let house = granted(every_mode(&GUESTS), "write");
    for name in house.hob.names() {
        assert_eq!(house.run(name, "get?key=a", ""), "none", "{name}");
        assert_eq!(house.run(name, "exists?key=a", ""), "false");
        house.run(name, "set?key=a", "one");
        assert_eq!(house.run(name, "get?key=a", ""), "one");
        house.run(name, "set?key=a", [0, 159, 255]);
        assert_eq!(house.ask(name, "get?key=a", "").expect(200).body, [0, 159, 255]);
        assert_eq!(house.run(name, "exists?key=a", ""), "true");
        house.run(name, "set?key=b", "");
        assert_eq!(house.run(name, "get?key=b", ""), "");
        assert_eq!(house.run(name, "delete", "a\nb\nc"), "2");
        assert_eq!(house.run(name, "get-many", "a\nb"), "none\nnone");
    }
}

#[test]
fn many_are_set_together_or_none() {
    let house = granted(every_mode(&GUESTS), "write");
    for name in house.hob.names() {
        house.run(name, "set-many", "x\ny\nz");
        assert_eq!(house.run(name, "get-many", "z\nno\nx"), "z\nnone\nx", "{name}");
        house.expect_error(name, "set-many", format!("new\n{}", "k".repeat(513)), "TooLarge");
        assert_eq!(house.run(name, "exists?key=new", ""), "false");
        assert_eq!(house.run(name, "delete", "x\ny\nz"), "3");
    }
}

#[test]
fn keys_are_listed_by_prefix_in_pages() {
    let house = granted(every_mode(&GUESTS), "write");
    for name in house.hob.names() {
        house.run(name, "set-many", "b:2\nb:1\nb:3\na:1\nc\nb");
        let list = |query: &str| house.run(name, &format!("list?{query}"), "");
        assert_eq!(list("key=b:&limit=10"), "b:1,b:2,b:3 end", "{name}");
        assert_eq!(list("key=b:&limit=2"), "b:1,b:2 b:2");
        assert_eq!(list("key=b:&limit=2&cursor=b:2"), "b:3 end");
        assert_eq!(list("key=b:&limit=3"), "b:1,b:2,b:3 end");
        assert_eq!(list("key=&limit=1000"), "a:1,b,b:1,b:2,b:3,c end");
        assert_eq!(list("key=x&limit=9"), " end");
        house.run(name, "delete", "b:2\nb:1\nb:3\na:1\nc\nb");
    }
}

#[test]
fn a_number_is_counted_up_by_many_at_once() {
    let house = granted(every_mode(&GUESTS), "write");
    for name in house.hob.names() {
        let mut clients: Vec<_> = (0..16).map(|_| house.hob.client()).collect();
        for client in &mut clients {
            client.send(post(&format!("/{name}/kv.increment?key=n&delta=3"), ""));
        }
        let mut sums: Vec<i64> = Vec::new();
        for client in &mut clients {
            sums.push(client.response().expect(200).text().parse().expect("a number"));
        }
        sums.sort_unstable();
        assert_eq!(sums, (1..=16).map(|n| n * 3).collect::<Vec<_>>(), "{name}");
        assert_eq!(house.run(name, "increment?key=n&delta=-50", ""), "-2");
        assert_eq!(house.run(name, "get?key=n", ""), "-2");
        let most = i64::MAX;
        house.run(name, "set?key=n", most.to_string());
        house.expect_error(name, "increment?key=n&delta=1", "", "Invalid");
        assert_eq!(house.run(name, "get?key=n", ""), most.to_string());
        house.run(name, "set?key=n", "text");
        house.expect_error(name, "increment?key=n&delta=1", "", "Invalid");
        house.run(name, "delete", "n");
    }
}

#[test]
fn a_value_is_replaced_only_where_it_is_the_expected_one() {
    let house = granted(every_mode(&GUESTS), "write");
    for name in house.hob.names() {
        let swap = |query: &str, value: &str| {
            house.run(name, &format!("compare-and-set?key=lock{query}"), value)
        };
        assert_eq!(swap("&expected=x", "me"), "false", "{name}");
        assert_eq!(swap("", "me"), "true");
        assert_eq!(swap("", "you"), "false");
        assert_eq!(swap("&expected=you", "you"), "false");
        assert_eq!(swap("&expected=me", "you"), "true");
        assert_eq!(house.run(name, "get?key=lock", ""), "you");
        house.run(name, "delete", "lock");
    }
}

#[test]
fn what_has_expired_is_never_seen_and_goes_with_later_writes() {
    let house = granted(every_mode(&GUESTS), "write");
    for name in house.hob.names() {
        let many: Vec<_> = (0..100).map(|n| format!("short:{n}")).collect();
        house.run(name, "set-many?ttl=1", many.join("\n"));
        house.run(name, "set?key=long&ttl=3600000", "stays");
        house.run(name, "set?key=number&ttl=1", "7");
        // A millisecond passes while it is asked.
        while house.run(name, "exists?key=number", "") == "true" {}
        assert_eq!(house.run(name, "get?key=number", ""), "none", "{name}");
        assert_eq!(house.run(name, "get-many", "short:1\nlong"), "none\nstays");
        assert_eq!(house.run(name, "list?key=&limit=1000", ""), "long end");
        assert_eq!(house.run(name, "delete", "short:1"), "0");
        assert_eq!(house.run(name, "compare-and-set?key=short:2&ttl=1", "new"), "true");
        assert_eq!(house.run(name, "increment?key=number&delta=1", ""), "1");
        // Each write takes a few of them away.
        for _ in 0..10 {
            house.run(name, "increment?key=number&delta=1", "");
        }
        while house.rows() > 2 {
            house.run(name, "increment?key=number&delta=1", "");
        }
        assert_eq!(house.run(name, "list?key=&limit=9", ""), "long,number end");
        house.run(name, "delete", "long\nnumber");
    }
}

#[test]
fn a_write_of_many_keys_takes_away_more_of_what_has_expired_than_it_adds() {
    let house = granted([guest("capabilities")], "write");
    house.run("capabilities", "set?key=a", "v");
    let file = Connection::open(house.data.join("t/kv.db")).expect("a database");
    let fill = "insert into entries (key, value, expires) with recursive n (i) as (select 1 union all \
                select i + 1 from n where i < 300) select 'old:' || i, x'', 1 from n";
    file.execute_batch(fill).expect("rows");
    let many: Vec<_> = (0..100).map(|n| format!("new:{n}")).collect();
    house.run("capabilities", "set-many", many.join("\n"));
    assert_eq!(house.rows(), 1 + 100 + 300 - 200);
    house.run("capabilities", "set?key=a", "v");
    assert_eq!(house.rows(), 1 + 100 + 100 - 16);
}

#[test]
fn a_list_ends_with_its_prefix() {
    let house = granted([guest("capabilities")], "write");
    let keys =
        ["a", "ab", "a\u{10ffff}", "a\u{10ffff}z", "b", "\u{d7ff}x", "\u{e000}", "\u{10ffff}"];
    house.run("capabilities", "set-many", keys.join("\n"));
    for (prefix, wanted) in [
        ("a", "a,ab,a\u{10ffff},a\u{10ffff}z end"),
        ("a%F4%8F%BF%BF", "a\u{10ffff},a\u{10ffff}z end"),
        ("%ED%9F%BF", "\u{d7ff}x end"),
        ("%F4%8F%BF%BF", "\u{10ffff} end"),
        ("c", " end"),
    ] {
        let listed = house.run("capabilities", &format!("list?key={prefix}&limit=9"), "");
        assert_eq!(listed, wanted, "{prefix}");
    }
}

#[test]
fn keys_and_values_are_bounded() {
    let house = granted(every_mode(&GUESTS), "write");
    for name in house.hob.names() {
        let long = "k".repeat(512);
        house.run(name, &format!("set?key={long}"), "v");
        assert_eq!(house.run(name, &format!("get?key={long}"), ""), "v");
        house.expect_error(name, &format!("set?key={long}k"), "v", "TooLarge");
        house.expect_error(name, &format!("get?key={long}k"), "", "TooLarge");
        house.expect_error(name, "set?key=", "v", "Invalid");
        let value = vec![7; 1024 * 1024];
        for key in ["1", "2", "3", "4", "5"] {
            house.run(name, &format!("set?key={key}"), &value);
        }
        assert_eq!(house.ask(name, "get?key=1", "").expect(200).body, value);
        house.expect_error(name, "set?key=1", vec![7; 1024 * 1024 + 1], "TooLarge");
        house.expect_error(name, "get-many", "1\n2\n3\n4\n5", "TooLarge");
        let many = vec!["k"; 1001].join("\n");
        for operation in ["get-many", "set-many", "delete"] {
            house.expect_error(name, operation, &many, "TooLarge");
        }
        house.run(name, "delete", format!("1\n2\n3\n4\n5\n{long}"));
    }
}

#[test]
fn a_grant_to_read_is_none_to_write() {
    let reader = guest("capabilities").named("reader").grants("kv = \"read\"");
    let reader_02 = guest("capabilities-0-2").named("reader-0-2").grants("kv = \"read\"");
    let writer = guest("capabilities").named("writer").grants("kv = \"write\"");
    let data = Scratch::new();
    let server = Serve::new([reader, reader_02, writer]);
    let hob = server.server(&format!("data = {:?}", data.path())).start();
    let house = House { hob, data };
    house.run("writer", "set?key=a", "mine");
    for name in ["reader", "reader-0-2"] {
        assert_eq!(house.run(name, "get?key=a", ""), "mine");
        assert_eq!(house.run(name, "list?key=&limit=9", ""), "a end");
        for operation in
            ["set?key=a", "set-many", "delete", "increment?key=n&delta=1", "compare-and-set?key=b"]
        {
            house.expect_error(name, operation, "a", "Denied");
        }
    }
    assert_eq!(house.run("writer", "list?key=&limit=9", ""), "a end");
}

#[test]
fn tenants_do_not_see_each_others_keys() {
    let of = |tenant: &str| guest("capabilities").named(tenant).tenant(tenant).grants("");
    let data = Scratch::new();
    let server = Serve::new([of("one"), of("two")]);
    let hob = server.server(&format!("data = {:?}", data.path())).start();
    let house = House { hob, data };
    house.run("one", "set?key=mine", "one's");
    assert_eq!(house.run("one", "get?key=mine", ""), "one's");
    assert_eq!(house.run("two", "get?key=mine", ""), "none");
    assert_eq!(house.run("two", "list?key=&limit=9", ""), " end");
}

#[test]
fn a_damaged_store_fails_by_itself() {
    let house = granted([guest("capabilities")], "write");
    let file = house.data.join("t/kv.db");
    fs::write(&file, "no database ".repeat(1000)).expect("a file");
    let damaged = "Failed(\"the database is damaged\")";
    house.expect_error("capabilities", "get?key=a", "", damaged);
    house.expect_error("capabilities", "set?key=a", "", damaged);
    house.hob.expect_hello("capabilities");
    fs::remove_file(&file).expect("a file");
    house.run("capabilities", "set?key=a", "b");
}

#[test]
fn an_import_that_is_not_granted_is_refused_with_the_line_that_grants_it() {
    let scratch = Scratch::new();
    for (name, import) in [
        ("capabilities", "hob:host/kv@0.3.0"),
        ("capabilities-0-2", "hob:host/kv@0.2.0"),
        ("keyvalue", "wasi:keyvalue/store@0.2.0-draft"),
        ("keyvalue", "wasi:keyvalue/atomics@0.2.0-draft"),
        ("keyvalue-0-2", "wasi:keyvalue/batch@0.2.0-draft"),
    ] {
        let component = crate::harness::component(name);
        let text = format!("[[handler]]\nname = \"app\"\ncomponent = {component:?}\n");
        let refused = run(crate::harness::hob().arg("check").arg(scratch.file("hob.toml", &text)));
        assert!(!refused.success);
        for wanted in ["grants.kv = \"write\"", import] {
            assert!(refused.stderr.contains(wanted), "{wanted}: {}", refused.stderr);
        }
    }
}

/// What was acknowledged before the process is killed is there afterwards.
#[test]
fn kill_9_loses_no_acknowledged_write() {
    let data = Scratch::new();
    let mut acknowledged: Vec<String> = Vec::new();
    let mut counted = 0;
    for round in 0..5 {
        let guest = guest("capabilities").grants("kv = \"write\"");
        let hob = Serve::new([guest]).server(&format!("data = {:?}", data.path())).start();
        let ask =
            |operation: &str, body: &str| post(&format!("/capabilities/kv.{operation}"), body);
        for key in &acknowledged {
            let there = hob.exchange(ask(&format!("get?key={key}"), "")).expect(200);
            assert_eq!(there.text(), key);
        }
        let count = hob.exchange(ask("increment?key=count&delta=0", "")).expect(200);
        let count: i64 = count.text().parse().expect("a number");
        assert!(count >= counted, "{count} of {counted}");
        let mut writers: Vec<_> = (0..8).map(|_| hob.client()).collect();
        for batch in 0..3 {
            let keys: Vec<_> = (0..8).map(|n| format!("r{round}b{batch}n{n}")).collect();
            for (writer, key) in writers.iter_mut().zip(&keys) {
                writer.send(ask(&format!("set?key={key}"), key));
                writer.send(ask("increment?key=count&delta=1", ""));
            }
            // The last batch is cut off in the middle of its writes.
            let answered = if batch < 2 { 8 } else { round };
            for (writer, key) in writers.iter_mut().zip(&keys).take(answered) {
                writer.response().expect(200);
                acknowledged.push(key.clone());
                let count = writer.response().expect(200).text().parse().expect("a number");
                counted = counted.max(count);
            }
        }
        hob.kill();
    }
    let after = Connection::open(data.join("t/kv.db")).expect("a database");
    let check: String =
        after.query_row("pragma integrity_check", [], |row| row.get(0)).expect("a row");
    assert_eq!(check, "ok");
}
