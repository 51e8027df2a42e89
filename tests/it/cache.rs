//! Compiled code that is kept for the next start.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::harness::{Hob, Scratch, Serve, guest, hob, run};

/// Names and inodes: an entry that is written again is another file.
fn entries(cache: &Path) -> BTreeMap<PathBuf, u64> {
    let entries = fs::read_dir(cache).expect("the cache").map(|entry| entry.unwrap());
    entries.map(|entry| (entry.path(), entry.metadata().unwrap().ino())).collect()
}

fn serve(cache: &Path) -> Hob {
    let hob = Serve::new([guest("kitchen"), guest("kitchen-0-2")]).cache(cache).start();
    hob.names().for_each(|name| hob.expect_hello(name));
    hob
}

#[test]
fn the_second_start_compiles_nothing() {
    let scratch = Scratch::new();
    let cache = scratch.join("cache");
    drop(serve(&cache));
    let after_first = entries(&cache);
    assert_eq!(after_first.len(), 2, "{after_first:?}");
    drop(serve(&cache));
    assert_eq!(entries(&cache), after_first);
}

#[test]
fn the_cache_is_for_its_owner_alone() {
    let scratch = Scratch::new();
    let cache = scratch.join("a/b/cache");
    drop(serve(&cache));
    assert_eq!(fs::metadata(&cache).unwrap().mode() & 0o777, 0o700);
    for entry in entries(&cache).keys() {
        assert_eq!(fs::metadata(entry).unwrap().mode() & 0o777, 0o600, "{}", entry.display());
    }
}

fn flip(mut bytes: Vec<u8>, at: fn(usize) -> usize) -> Vec<u8> {
    let at = at(bytes.len());
    bytes[at] ^= 0x10;
    bytes
}

#[test]
fn an_entry_that_is_damaged_is_made_again() {
    let scratch = Scratch::new();
    let cache = scratch.join("cache");
    drop(serve(&cache));
    let names: Vec<_> = entries(&cache).into_keys().collect();
    let damages: [fn(Vec<u8>) -> Vec<u8>; 9] = [
        |_| Vec::new(),
        |_| b"garbage".to_vec(),
        |_| vec![0; 100_000],
        |mut whole| whole.split_off(whole.len() / 2),
        |mut whole| {
            whole.truncate(whole.len() / 2);
            whole
        },
        // One bit of the code, which would run as something else; one of what tells.
        |whole| flip(whole, |length| length / 3),
        |whole| flip(whole, |length| length / 2),
        |whole| flip(whole, |length| length - 1),
        |mut whole| {
            whole.push(0);
            whole
        },
    ];
    for damage in damages {
        let mut damaged = Vec::new();
        for name in &names {
            // Another file in its place, for the old one may be mapped.
            let bytes = damage(fs::read(name).unwrap());
            fs::remove_file(name).unwrap();
            fs::write(name, &bytes).unwrap();
            damaged.push(bytes);
        }
        drop(serve(&cache));
        for (name, damaged) in names.iter().zip(damaged) {
            assert!(fs::read(name).unwrap() != damaged, "{} was left as it was", name.display());
        }
    }
}

#[test]
fn an_entry_that_others_may_write_to_is_not_used() {
    let scratch = Scratch::new();
    let cache = scratch.join("cache");
    drop(serve(&cache));
    let before = entries(&cache);
    for entry in before.keys() {
        fs::set_permissions(entry, fs::Permissions::from_mode(0o666)).unwrap();
    }
    drop(serve(&cache));
    let after = entries(&cache);
    assert!(before.iter().all(|(name, inode)| after[name] != *inode), "{before:?} {after:?}");
}

#[test]
fn a_cache_that_cannot_be_written_to_is_done_without() {
    let scratch = Scratch::new();
    let cache = scratch.join("cache");
    fs::create_dir(&cache).unwrap();
    // For root every folder can be written to.
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        chown(&cache, Some(65534), Some(65534)).unwrap();
    }
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o500)).unwrap();
    let mut serve = Serve::new([guest("kitchen")]).cache(&cache);
    if is_root {
        serve = serve.through(&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    let hob = serve.start();
    hob.expect_hello("kitchen");
    assert!(entries(&cache).is_empty());
}

#[test]
fn a_cache_that_others_may_write_to_is_refused() {
    let scratch = Scratch::new();
    let cache = scratch.join("cache");
    fs::create_dir(&cache).unwrap();
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    let component = crate::harness::component("kitchen");
    let checked = run(hob().arg("check").arg(component).arg("--cache").arg(&cache));
    assert!(!checked.success, "{checked:?}");
    assert!(checked.stderr.contains(cache.to_str().unwrap()), "{checked:?}");
    assert!(checked.stderr.contains("no one else may write"), "{checked:?}");
}

#[test]
fn without_a_cache_nothing_is_kept() {
    let scratch = Scratch::new();
    let component = crate::harness::component("fast-0-2");
    let mut command = hob();
    command.arg("check").arg(component).args(["--cache", "off"]);
    command.env("XDG_CACHE_HOME", scratch.path());
    let checked = run(&mut command);
    assert!(checked.success, "{checked:?}");
    assert!(entries(scratch.path()).is_empty());
}

#[test]
fn the_cache_is_kept_where_caches_of_the_user_are() {
    let scratch = Scratch::new();
    let component = crate::harness::component("fast-0-2");
    let checked = run(hob().arg("check").arg(component).env("XDG_CACHE_HOME", scratch.path()));
    assert!(checked.success, "{checked:?}");
    assert_eq!(entries(&scratch.join("hob")).len(), 1);
}

#[test]
fn a_full_cache_drops_its_oldest_entries_and_no_one_else_s_files() {
    let scratch = Scratch::new();
    let cache = scratch.join("cache");
    drop(serve(&cache));
    let large = |name: &str| {
        let path = cache.join(name);
        let file = File::create(&path).unwrap();
        // No byte of it takes room on the disk.
        file.set_len(5 << 30).unwrap();
        file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH)).unwrap();
        path
    };
    let (entry, other) = (large("0000-0000.cwasm"), large("holiday.mkv"));
    drop(Serve::new([guest("kitchen-0-3")]).cache(&cache).start());
    assert!(!entry.exists(), "the oldest entry is still there");
    assert!(other.exists(), "a file that is no entry was removed");
    assert_eq!(entries(&cache).len(), 4, "{:?}", entries(&cache));
}

#[test]
fn what_a_process_left_half_written_is_removed_in_time() {
    let scratch = Scratch::new();
    let cache = scratch.join("cache");
    drop(serve(&cache));
    let left = |name: &str, modified: SystemTime| {
        let path = cache.join(name);
        let file = File::create(&path).unwrap();
        file.set_times(FileTimes::new().set_modified(modified)).unwrap();
        path
    };
    let old = left("0000-0000.tmp-1.cwasm", SystemTime::UNIX_EPOCH);
    // Another process may be writing this one.
    let new = left("0000-0000.tmp-2.cwasm", SystemTime::now());
    drop(Serve::new([guest("kitchen-0-3")]).cache(&cache).start());
    assert!(!old.exists(), "the old one is still there");
    assert!(new.exists(), "the new one was removed");
}
