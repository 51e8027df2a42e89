//! Statements that a loop runs itself: what is short and in memory; and all that is not, which host threads do
//! as ever, with the same answers.

use std::fs::File;
use std::io::IoSliceMut;
use std::time::Duration;

use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use crate::harness::guest;
use crate::sql::{House, request, with};

const GUESTS: [&str; 2] = ["capabilities", "capabilities-0-2"];

/// A server with a table of as many rows, each of some hundred bytes.
fn filled(rows: u32) -> House {
    // With one thread, a job has been counted when the next one is done.
    let house = with(GUESTS.map(guest), "main = \"write\"", "host_threads = 1");
    let fill = format!(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows}) \
         insert into t select i, 'name ' || i || hex(zeroblob(100)) from n"
    );
    house.execute("capabilities", &["create table t (id integer primary key, name text)", &fill]);
    house
}

fn by_id(house: &House, name: &str, id: u32) -> String {
    house.query(name, &format!("select name from t where id = ?1\ni{id}"))
}

fn row(id: u32) -> String {
    format!("name\ntname {id}{}\n", "0".repeat(200))
}

/// How many queries host threads have done, the one that is asked here included.
fn done_by_threads(house: &House) -> u32 {
    house.query("capabilities", "select count(*) from sqlite_schema");
    let metrics = house.hob.ask_admin("/metrics").expect(200);
    let count = "hob_host_job_run_seconds_count{operation=\"sql.query\"} ";
    let line = metrics.text().lines().find_map(|line| line.strip_prefix(count));
    line.map_or(0, |count| count.parse().expect("a number"))
}

/// How many of the queries that `ask` asks are done by host threads.
fn of_which_by_threads(house: &House, ask: impl FnOnce()) -> u32 {
    let before = done_by_threads(house);
    ask();
    done_by_threads(house) - before - 1
}

/// What the kernel says of a page of the database, if it need not wait for the disk.
fn peek(file: &File, page: u64) -> Result<usize, Errno> {
    let mut bytes = [0; 4096];
    preadv2(file, &mut [IoSliceMut::new(&mut bytes)], page * 4096, ReadWriteFlags::NOWAIT)
}

/// Whether the kernel tells, for this file system, what it has in memory.
fn kernel_tells(house: &House) -> bool {
    peek(&File::open(house.path("main")).expect("the database"), 0) != Err(Errno::OPNOTSUPP)
}

#[test]
fn what_is_short_and_in_memory_takes_no_host_thread() {
    let house = filled(1000);
    for name in GUESTS {
        (1..=3).for_each(|id| assert_eq!(by_id(&house, name, id), row(id)));
        let by_threads = of_which_by_threads(&house, || {
            (1..=50).for_each(|id| assert_eq!(by_id(&house, name, id), row(id)));
        });
        // Where it does not tell, a page that the engine does not have itself is tried in vain.
        assert!(by_threads == 0 || !kernel_tells(&house), "{name}: {by_threads}");
    }
}

#[test]
fn what_calls_a_function_reads_many_rows_or_a_virtual_table_is_for_host_threads() {
    let house = filled(1000);
    let statements = [
        "select upper(name) from t where id = 7",
        "select id from t where name = 'name 7'",
        "select name from t where name like 'name 7%'",
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 9) select i from n",
    ];
    for sql in statements {
        let first = house.query("capabilities", sql);
        let by_threads = of_which_by_threads(&house, || {
            (0..5).for_each(|_| assert_eq!(house.query("capabilities", sql), first, "{sql}"));
        });
        assert_eq!(by_threads, 5, "{sql}");
    }
    house.execute("capabilities", &["create virtual table words using fts5(word)"]);
    let by_threads = of_which_by_threads(&house, || {
        (1..=5).for_each(|id| assert_eq!(by_id(&house, "capabilities", id), row(id)));
    });
    assert_eq!(by_threads, 5);
}

/// There is one host thread, and it is busy all the while.
#[test]
fn what_is_short_waits_for_no_host_thread() {
    let house = filled(10);
    (1..=3).for_each(|id| assert_eq!(by_id(&house, "capabilities", id), row(id)));
    let endless =
        "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n";
    let mut busy = house.hob.client();
    busy.send(request("capabilities", "query?db=main", endless));
    house.hob.wait_for_in_flight("capabilities", 1);
    for id in 1..=10 {
        for _ in 0..10 {
            assert_eq!(by_id(&house, "capabilities", id), row(id));
        }
    }
    // It ends when its client leaves.
    assert!(!busy.hears_within(Duration::from_millis(1)));
}

#[test]
fn what_was_written_is_read_at_once_also_by_a_loop() {
    let house = filled(10);
    for at in 0..50 {
        let written = format!("update t set name = 'written {at}' where id = 5");
        house.execute("capabilities", &[&written]);
        for name in GUESTS {
            assert_eq!(by_id(&house, name, 5), format!("name\ntwritten {at}\n"));
        }
    }
}

#[test]
fn a_view_that_becomes_another_is_looked_at_anew() {
    let house = filled(10);
    let ask = "select name from v";
    house.execute("capabilities", &["create view v as select name from t where id = 5"]);
    (0..5).for_each(|_| assert_eq!(house.query("capabilities", ask), row(5)));
    house.execute(
        "capabilities",
        &["drop view v", "create view v as select upper(name) as name from t where id = 5"],
    );
    let by_threads = of_which_by_threads(&house, || {
        (0..8).for_each(|_| {
            assert_eq!(house.query("capabilities", ask), row(5).replace("tname", "tNAME"));
        });
    });
    assert_eq!(by_threads, 8);
}

#[test]
fn a_statement_that_is_short_no_more_is_done_by_a_host_thread() {
    let house = filled(2000);
    let within = |from: u32, to: u32| {
        let ask = format!("select id from t where id between ? and ?\ni{from}\ni{to}");
        let rows: Vec<_> = (from..=to).map(|id| format!("i{id}\n")).collect();
        assert_eq!(house.query("capabilities", &ask), format!("id\n{}", rows.concat()));
    };
    (0..5).for_each(|_| within(1, 3));
    let by_threads = of_which_by_threads(&house, || (0..5).for_each(|_| within(1, 2000)));
    // The engine may be so fast that a loop could do the first of them.
    assert!(by_threads >= 4, "{by_threads}");

    let large = format!("insert into t values (5000, hex(zeroblob({})))", 50_000);
    house.execute("capabilities", &[&large]);
    (1..=3).for_each(|id| assert_eq!(by_id(&house, "capabilities", id), row(id)));
    let by_threads = of_which_by_threads(&house, || {
        let answer = by_id(&house, "capabilities", 5000);
        assert_eq!(answer, format!("name\nt{}\n", "0".repeat(100_000)));
    });
    assert_eq!(by_threads, 1, "a value that is too large for a loop");
}

#[test]
fn what_the_disk_must_be_waited_for_is_done_by_a_host_thread() {
    const ROWS: u32 = 40_000;
    let house = filled(ROWS);
    (1..=3).for_each(|id| assert_eq!(by_id(&house, "capabilities", id), row(id)));
    let other = house.open("main");
    other.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())).expect("a checkpoint");
    let file = File::open(house.path("main")).expect("the database");
    file.sync_all().expect("it is on the disk");
    fadvise(&file, 0, None, Advice::DontNeed).expect("advice");
    let pages = file.metadata().expect("its length").len() / 4096;
    let is_out = (0..pages).any(|page| peek(&file, page) == Err(Errno::AGAIN));
    let by_threads = of_which_by_threads(&house, || {
        (1..=ROWS).step_by(200).for_each(|id| {
            assert_eq!(by_id(&house, "capabilities", id), row(id));
        });
    });
    // A file system in memory has no pages out.
    assert!(by_threads > 0 || !is_out);
}
