//! `hob:host/sql` when things go badly: statements without end, writers that queue, files that are
//! damaged or locked, disks that are full, and the end of the process.

use std::fs;
use std::time::Duration;

use rusqlite::Connection;

use crate::harness::{Scratch, Serve, guest};
use crate::sql::{granted, on_loops, one, request};

const NAME: &str = "capabilities";

/// Counts as long as it is let.
const ENDLESS: &str =
    "with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) from n";

#[test]
fn a_statement_without_end_is_ended_and_others_go_on() {
    let house = one();
    house.execute(NAME, &["create table t (v)"]);
    let mut stuck: Vec<_> = (0..2).map(|_| house.hob.client()).collect();
    for client in &mut stuck {
        client.send(request(NAME, "query?db=main", ENDLESS));
    }
    house.hob.wait_for_in_flight(NAME, 2);
    house.execute(NAME, &["insert into t values (1)"]);
    assert_eq!(house.query(NAME, "select v from t"), "v\ni1\n");
    for client in &mut stuck {
        assert_eq!(client.response().expect(422).text(), "TimedOut");
    }
    // So is one that sorts, and one that writes, of which nothing remains.
    let fill = "insert into t with recursive n (i) as (select 1 union all select i + 1 from n) \
                select i from n";
    house.expect_error(NAME, "execute?db=main", fill, "TimedOut");
    assert_eq!(house.query(NAME, "select count(*) as c from t"), "c\ni1\n");
}

#[test]
fn a_statement_that_sorts_without_end_does_not_take_all_memory() {
    let house = one();
    let sorts = "with recursive n (i) as (select 1 union all select i + 1 from n) \
                 select i, randomblob(1000) as r from n order by r";
    let answer = house.ask(NAME, "query?db=main", sorts).expect(422);
    let text = answer.text();
    assert!(text == "TimedOut" || text.contains("out of memory"), "{text}");
    assert!(house.hob.resident_bytes() < 1 << 30, "{}", house.hob.resident_bytes());
    house.execute(NAME, &["create table t (v)"]);
}

#[test]
fn a_statement_of_a_client_that_leaves_is_ended() {
    let house = granted([guest(NAME).isolation("reuse")], "main = \"write\"");
    house.execute(NAME, &["create table t (v)"]);
    let fill = "insert into t with recursive n (i) as (select 1 union all select i + 1 from n) \
                select i from n";
    // Each would take its five seconds: that those after it get their turn before is what shows that it
    // was ended, for one waits no longer than five.
    for _ in 0..8 {
        let mut client = house.hob.client();
        client.send(request(NAME, "execute?db=main", fill));
        house.hob.wait_for_in_flight(NAME, 1);
        client.reset();
        house.hob.wait_for_in_flight(NAME, 0);
    }
    house.execute(NAME, &["insert into t values (1)"]);
    assert_eq!(house.query(NAME, "select count(*) as c from t"), "c\ni1\n");
}

#[test]
fn slow_functions_do_not_hold_a_thread() {
    let house = one();
    for sql in [
        "select instr(zeroblob(4000000), cast(zeroblob(2000000) || 'x' as blob)) as v",
        "select length(replace(hex(zeroblob(1000000)), hex(zeroblob(500000)) || 'x', '')) as v",
        "select length(rtrim(hex(zeroblob(1000000)), '0')) as v",
    ] {
        house.query(NAME, sql);
    }
    for sql in [
        "select trim(hex(zeroblob(100000)), hex(zeroblob(100000)))",
        "select zeroblob(5000000)",
        "select replace(hex(zeroblob(100000)), '0', hex(zeroblob(1000)))",
    ] {
        house.expect_error(NAME, "query?db=main", sql, "TooLarge");
    }
    let long = "x".repeat(1000);
    house.expect_error(NAME, "query?db=main", &format!("select 'a' like '%{long}'"), "Invalid");
    let sum = format!("select 1{}", "+1".repeat(2000));
    house.expect_error(NAME, "query?db=main", &sum, "Invalid");
    let wide = format!("select 1{}", ",1".repeat(2000));
    house.expect_error(NAME, "query?db=main", &wide, "Invalid");
    let text = format!("select 1 -- {}", "x".repeat(70_000));
    house.expect_error(NAME, "query?db=main", &text, "TooLarge");
}

#[test]
fn many_slow_functions_without_a_loop_are_ended() {
    let house = one();
    let like = "v like p".to_owned() + &", v like p".repeat(499);
    let pattern = "%0".repeat(200) + "%1%2";
    for like in [like.clone(), like.replace("like", "glob").replace('p', "replace(p, '%', '*')")] {
        let sql = format!(
            "with b (v, p) as materialized (select hex(zeroblob(1900000)), '{pattern}') \
             select {like} from b"
        );
        house.expect_error(NAME, "query?db=main", &sql, "TimedOut");
    }
    house.expect_error(NAME, "query?db=main", "select json_patch('{}', '{}')", "Invalid");
}

#[test]
fn a_row_is_bounded_before_it_is_copied() {
    let house = one();
    let many = "v".to_owned() + &", v".repeat(499);
    let sql =
        format!("with b (v) as materialized (select hex(zeroblob(1900000))) select {many} from b");
    house.expect_error(NAME, "query?db=main", &sql, "TooLarge");
    house.expect_error(NAME, "cursor?db=main&max=1", &sql, "TooLarge");
    // The largest row there may be is given.
    let read = house.run(NAME, "cursor?db=main&max=1", "select zeroblob(4000000) as z");
    assert!(read.starts_with("1 1 z\n"), "{}", &read[..20]);
}

#[test]
fn a_query_that_writes_and_is_too_large_has_written_nothing() {
    let house = one();
    house.execute(NAME, &["create table t (v)"]);
    let fill = "insert into t with recursive n (i) as (select 1 union all select i + 1 from n \
                where i < 20000) select i from n returning v";
    house.expect_error(NAME, "query?db=main", fill, "TooLarge");
    assert_eq!(house.query(NAME, "select count(*) as c from t"), "c\ni0\n");
    assert_eq!(house.query(NAME, "insert into t values (1) returning v"), "v\ni1\n");
    assert_eq!(house.query(NAME, "select count(*) as c from t"), "c\ni1\n");
}

#[test]
fn no_guest_ends_the_transaction_that_the_host_began() {
    let house = one();
    house.execute(NAME, &["create table t (v)"]);
    let insert = "insert into t values (1)";
    // So that the connection has begun and ended some before.
    house.run(NAME, "batch?db=main", insert);
    house.run(NAME, "transaction?db=main&end=rollback", insert);
    for end in ["commit", "rollback", "begin immediate"] {
        let sql = format!("{insert}\n--\n{end}\n--\nselect 1");
        house.expect_error(NAME, "batch?db=main", &sql, "Denied");
        house.expect_error(NAME, "transaction?db=main&end=commit", &sql, "Denied");
    }
    assert_eq!(house.query(NAME, "select count(*) as c from t"), "c\ni1\n");
}

#[test]
fn writers_come_one_after_the_other_and_none_is_lost() {
    queue_of_writers(1);
}

#[test]
fn writers_on_several_loops_come_one_after_the_other_too() {
    queue_of_writers(2);
}

fn queue_of_writers(loops: u32) {
    let house = on_loops([guest(NAME)], "main = \"write\"", loops);
    house.execute(NAME, &["create table t (v integer)", "insert into t values (0)"]);
    let mut clients: Vec<_> = (0..64).map(|_| house.hob.client()).collect();
    let step = "update t set v = v + 1";
    for (index, client) in clients.iter_mut().enumerate() {
        let operation =
            if index % 2 == 0 { "execute?db=main" } else { "transaction?db=main&end=commit" };
        client.send(request(NAME, operation, step));
    }
    // Meanwhile others read.
    assert!(house.query(NAME, "select v >= 0 as is_there from t").ends_with("i1\n"));
    for client in &mut clients {
        client.response().expect(200);
    }
    assert_eq!(house.query(NAME, "select v from t"), "v\ni64\n");
}

#[test]
fn a_transaction_that_is_left_open_ends_by_itself() {
    let house = one();
    house.execute(NAME, &["create table t (v)"]);
    let mut client = house.hob.client();
    client.send(request(NAME, "transaction?db=main&end=sleep", "insert into t values (1)"));
    let other = house.open("main");
    other.busy_timeout(Duration::ZERO).expect("a time");
    while other.execute_batch("begin immediate; rollback").is_ok() {}
    // One waits for the writer for five seconds, and the transaction has ten.
    house.expect_error(NAME, "execute?db=main", "insert into t values (2)", "Busy");
    other.busy_timeout(Duration::from_secs(60)).expect("a time");
    other.execute_batch("begin immediate; rollback").expect("the lock");
    house.execute(NAME, &["insert into t values (3)"]);
    assert_eq!(house.query(NAME, "select v from t"), "v\ni3\n");
}

#[test]
fn a_transaction_ends_although_a_statement_of_it_runs() {
    let guests = ["capabilities", "capabilities-0-2"].map(|name| guest(name).isolation("reuse"));
    let house = granted(guests, "main = \"write\"");
    for name in house.hob.names() {
        // Its first statement is ended after five seconds, its second with it.
        assert_eq!(house.run(name, "stubborn?db=main", ENDLESS), "1", "{name}");
        house.execute(name, &["create table if not exists t (v)"]);
    }
}

#[test]
fn cursors_do_not_keep_statements_waiting_and_are_bounded() {
    let house = one();
    let count = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 99999) \
                 select i from n";
    assert_eq!(house.run(NAME, "held?db=main&times=8", count), "8");
    // A ninth waits for one of the eight, which its own request holds.
    house.expect_error(NAME, "held?db=main&times=9", count, "Busy");
    // All of them were given back.
    assert_eq!(house.run(NAME, "held?db=main&times=8", count), "8");
}

#[test]
fn a_full_database_says_so_and_can_be_emptied() {
    let house = granted([guest(NAME)], "main = { access = \"write\", max_mib = 1 }");
    house.execute(NAME, &["create table t (v)"]);
    let fill = "insert into t values (zeroblob(200000))";
    let answers: Vec<_> = (0..8).map(|_| house.ask(NAME, "execute?db=main", fill)).collect();
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 5);
    assert!(answers[5..].iter().all(|answer| answer.text() == "Full"), "{answers:?}");
    house.expect_error(NAME, "transaction?db=main&end=commit", fill, "Full");
    assert_eq!(house.query(NAME, "select count(*) as c from t"), "c\ni5\n");
    house.execute(NAME, &["delete from t", fill]);
}

#[test]
fn a_disk_that_takes_no_more_fails_the_statement_and_not_the_host() {
    let data = Scratch::new();
    let guest = guest(NAME).grants("sql = { main = \"write\" }");
    let server = Serve::new([guest]).server(&format!("data = {:?}", data.path()));
    // Files of one MiB at the most: in blocks of 1024 bytes.
    let wrapper = ["sh", "-c", "trap '' XFSZ; ulimit -f 1024; exec \"$@\"", "sh"];
    let hob = server.through(&wrapper).start();
    let execute = |sql: &str| hob.exchange(request(NAME, "execute?db=main", sql));
    execute("create table t (v)").expect(200);
    let fill = "insert into t values (zeroblob(300000))";
    let answers: Vec<_> = (0..6).map(|_| execute(fill)).collect();
    assert!(answers.iter().any(|answer| answer.status == 422), "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        let text = answer.text();
        assert!(text == "Full" || text.starts_with("Failed"), "{answer:?}");
    }
    let good = answers.iter().filter(|answer| answer.status == 200).count();
    let count = hob.exchange(request(NAME, "query?db=main", "select count(*) as c from t"));
    assert_eq!(count.expect(200).text(), format!("c\ni{good}\n"));
    hob.expect_hello(NAME);
}

#[test]
fn a_damaged_database_fails_by_itself() {
    let house = granted([guest(NAME)], "main = \"write\", other = \"write\"");
    fs::write(house.path("main"), "this is no database ".repeat(1000)).expect("a file");
    for operation in ["query?db=main", "execute?db=main", "batch?db=main", "cursor?db=main&max=1"] {
        let answer = house.ask(NAME, operation, "select * from sqlite_schema");
        assert_eq!(answer.expect(422).text(), "Failed(\"the database is damaged\")");
    }
    let begun = house.ask(NAME, "transaction?db=main&end=commit", "select 1").expect(422);
    assert_eq!(begun.text(), "Failed(\"the database is damaged\")");
    house.run(NAME, "execute?db=other", "create table t (v)");
    // Mended, it serves again.
    fs::remove_file(house.path("main")).expect("a file");
    house.execute(NAME, &["create table t (v)"]);
}

#[test]
fn a_database_that_another_process_has_locked_is_busy() {
    let house = one();
    house.execute(NAME, &["create table t (v)"]);
    let other = house.open("main");
    other.execute_batch("begin immediate").expect("the lock");
    for operation in ["execute?db=main", "batch?db=main", "transaction?db=main&end=commit"] {
        house.expect_error(NAME, operation, "insert into t values (1)", "Busy");
    }
    assert_eq!(house.query(NAME, "select v from t"), "");
    other.execute_batch("rollback").expect("no lock");
    house.execute(NAME, &["insert into t values (1)"]);
}

/// Writes that were acknowledged before the process is killed are there afterwards, and the database
/// is intact.
#[test]
fn kill_9_loses_no_acknowledged_write() {
    let data = Scratch::new();
    let mut acknowledged: Vec<i64> = Vec::new();
    for round in 0..6_i64 {
        let guest = guest(NAME).grants("sql = { main = \"write\" }");
        let hob = Serve::new([guest]).server(&format!("data = {:?}", data.path())).start();
        let create = "create table if not exists t (id integer primary key, filling blob)";
        hob.exchange(request(NAME, "execute?db=main", create)).expect(200);
        let mut writers: Vec<_> = (0..8).map(|_| hob.client()).collect();
        for batch in 0..3 {
            for (index, writer) in writers.iter_mut().enumerate() {
                let id = round * 100 + batch * 10 + index as i64;
                let insert = format!("insert into t values (?, zeroblob(20000))\ni{id}");
                let operation = match index % 3 {
                    0 => "execute?db=main",
                    1 => "batch?db=main",
                    _ => "transaction?db=main&end=commit",
                };
                writer.send(request(NAME, operation, &insert));
            }
            // The last batch is cut off in the middle of its writes.
            let answered = if batch < 2 { 8 } else { round as usize };
            for (index, writer) in writers.iter_mut().enumerate().take(answered) {
                writer.response().expect(200);
                acknowledged.push(round * 100 + batch * 10 + index as i64);
            }
        }
        hob.kill();
        let after = Connection::open(data.join("t/sql/main.db")).expect("a database");
        let check: String =
            after.query_row("pragma integrity_check", [], |row| row.get(0)).expect("a row");
        assert_eq!(check, "ok");
        for id in &acknowledged {
            let length: i64 = after
                .query_row("select length(filling) from t where id = ?", [id], |row| row.get(0))
                .expect("a row that was acknowledged");
            assert_eq!(length, 20_000);
        }
    }
}
