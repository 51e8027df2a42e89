//! Files that a loop reads itself: what is small and in memory; and all that is not, which host threads do as
//! ever, with the same answers.

use std::fs::{self, File};
use std::io::IoSliceMut;
use std::os::unix::fs::symlink;

use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use crate::files::{House, granted};
use crate::harness::guest;

const GUESTS: [&str; 2] = ["capabilities", "capabilities-0-2"];

/// Jobs on files that host threads have done, and that the loop has spared them.
fn done(house: &House) -> [u64; 2] {
    let metrics = house.hob.ask_admin("/metrics").expect(200);
    ["hob_host_job_run_seconds_count", "hob_host_jobs_spared_total"].map(|name| {
        let counts = metrics.text().lines().filter_map(|line| {
            let of = line.strip_prefix(name)?.strip_prefix("{operation=\"files.")?;
            of.split_once("\"} ")?.1.parse::<u64>().ok()
        });
        counts.sum()
    })
}

/// How many of the jobs that `ask` asks for are done by host threads, and how many by the loop.
fn by_whom(house: &House, ask: impl FnOnce()) -> [u64; 2] {
    let before = done(house);
    ask();
    let after = done(house);
    [after[0] - before[0], after[1] - before[1]]
}

/// Whether a loop does it all. The kernel may be about something with a name or a page, so it is asked some times.
fn needs_no_thread(house: &House, mut ask: impl FnMut()) -> bool {
    (0..10).any(|_| {
        let [by_threads, by_loop] = by_whom(house, &mut ask);
        by_threads == 0 && by_loop > 0
    })
}

/// How many are done by host threads.
fn by_threads(house: &House, ask: impl FnOnce()) -> u64 {
    by_whom(house, ask)[0]
}

/// What `statfs(2)` says of the layers of a container.
const OVERLAYFS: u64 = 0x794c_7630;

/// Whether a loop tries files of this file system, and the kernel tells what it has of them in memory.
fn kernel_tells(house: &House) -> bool {
    let path = house.files.join("for the kernel");
    fs::write(&path, "a").expect("a file");
    let file = File::open(&path).expect("it is there");
    let kind = rustix::fs::fstatfs(&file).expect("its file system").f_type as u64;
    kind != OVERLAYFS && peek(&file) == Ok(1)
}

/// What the kernel says of the first byte of a file, if it need not wait for the disk.
fn peek(file: &File) -> Result<usize, Errno> {
    preadv2(file, &mut [IoSliceMut::new(&mut [0])], 0, ReadWriteFlags::NOWAIT)
}

#[test]
fn what_is_small_and_in_memory_takes_no_host_thread() {
    let house = granted(GUESTS.map(guest), "read");
    fs::create_dir(house.files.join("folder")).expect("a folder");
    fs::write(house.files.join("folder/small"), "0123456789").expect("a file");
    fs::write(house.files.join("empty"), "").expect("a file");
    let most = "x".repeat(64 * 1024);
    fs::write(house.files.join("most"), &most).expect("a file");
    let reads = [
        ("read?path=folder/small", "0123456789"),
        ("read?path=/folder/../folder/small", "0123456789"),
        ("read?path=most", &most),
        ("read?path=empty", ""),
        ("read-range?path=folder/small&offset=3&length=4", "3456"),
        ("read-range?path=folder/small&offset=8&length=4000000000", "89"),
        ("read-range?path=folder/small&offset=10&length=1", ""),
        ("read-range?path=folder/small&offset=18446744073709551615&length=1", ""),
        ("read-pieces?path=folder/small&length=3", "0123456789"),
        ("read-pieces?path=most&length=4000000000", &most),
        ("read-pieces?path=empty&length=1", ""),
        ("stat?path=folder/small", "10"),
        ("stat?path=folder", "0/"),
    ];
    for name in GUESTS {
        for (read, text) in reads {
            let ask = || assert_eq!(house.ask(name, read).expect(200).text(), text, "{read}");
            assert!(needs_no_thread(&house, ask) || !kernel_tells(&house), "{name} {read}");
        }
    }
}

#[test]
fn what_is_large_behind_a_link_or_not_there_is_for_a_host_thread() {
    let house = granted(GUESTS.map(guest), "read");
    let large = "x".repeat(64 * 1024 + 1);
    fs::write(house.files.join("large"), &large).expect("a file");
    fs::write(house.files.join("small"), "small").expect("a file");
    symlink("small", house.files.join("link")).expect("a link");
    symlink("/etc/hostname", house.files.join("out")).expect("a link");
    let long = format!("{}small", "./".repeat(125));
    let longer = format!("{}small", "./".repeat(126));
    for name in GUESTS {
        for (read, text, is_brief) in [
            ("read?path=large".to_owned(), &*large, false),
            ("read-range?path=large&offset=0&length=70000".to_owned(), &large, false),
            ("read-range?path=large&offset=65536&length=70000".to_owned(), "x", true),
            ("read?path=link".to_owned(), "small", false),
            ("stat?path=link".to_owned(), "5", false),
            (format!("read?path={long}"), "small", true),
            (format!("read?path={longer}"), "small", false),
        ] {
            let ask = || assert_eq!(house.ask(name, &read).expect(200).text(), text, "{read}");
            if is_brief {
                assert!(needs_no_thread(&house, ask) || !kernel_tells(&house), "{name} {read}");
            } else {
                assert_eq!(by_threads(&house, ask), 1, "{name} {read}");
            }
        }
        for (read, error) in [
            ("read?path=out", "Denied"),
            ("read?path=../files/small", "Denied"),
            ("read?path=/proc/self/environ", "NotFound"),
            ("read?path=nothing", "NotFound"),
            ("read?path=.", "Invalid"),
            ("read-pieces?path=nothing&length=1", "NotFound"),
            ("stat?path=out", "Denied"),
        ] {
            let jobs = by_threads(&house, || house.expect_error(name, read, error));
            assert_eq!(jobs, 1, "{name} {read}");
        }
    }
}

#[test]
fn what_was_written_is_read_at_once_also_by_a_loop() {
    let house = granted(GUESTS.map(guest), "write");
    for at in 0..50 {
        let text = "x".repeat(at);
        for name in GUESTS {
            house.give(name, "write?path=file", &text).expect(200);
            assert_eq!(house.ask(name, "read?path=file").expect(200).text(), text);
            assert_eq!(house.ask(name, "stat?path=file").expect(200).text(), at.to_string());
            house.give(name, "append?path=file", "y").expect(200);
            assert_eq!(house.ask(name, "read?path=file").expect(200).text(), text.clone() + "y");
        }
    }
}

#[test]
fn what_the_disk_must_be_waited_for_is_read_by_a_host_thread() {
    const FILES: usize = 40;
    let house = granted(GUESTS.map(guest), "read");
    let text = "0123456789abcdef".repeat(1024);
    let files: Vec<_> = (0..=FILES)
        .map(|at| {
            let path = house.files.join(at.to_string());
            fs::write(&path, &text).expect("a file");
            let file = File::open(path).expect("it is there");
            file.sync_all().expect("it is on the disk");
            fadvise(&file, 0, None, Advice::DontNeed).expect("advice");
            file
        })
        .collect();
    // To be asked has the kernel begin to read, so this one is left at that.
    let is_out = peek(&files[FILES]) == Err(Errno::AGAIN);
    let jobs = by_threads(&house, || {
        for at in 0..FILES {
            let read = house.ask(GUESTS[at % 2], &format!("read?path={at}")).expect(200);
            assert_eq!(read.text(), text);
        }
    });
    // A file system in memory has nothing out.
    assert!(jobs > 0 || !is_out);
}
