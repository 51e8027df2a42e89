//! What a tenant keeps on the disk in all: files, databases and keys count together, what is too much is
//! refused with the error of the interface, and what is removed makes room.

use serde_json::json;

use crate::harness::{Guest, Hob, Place, Response, every_mode, guest, post, view};

const GUESTS: [&str; 2] = ["capabilities", "capabilities-0-2"];
const KIB: usize = 1024;

/// A server of guests of the tenant `t`, which may keep one MiB, and of one of another tenant.
struct House {
    place: Place,
    hob: Hob,
}

fn house(guests: impl IntoIterator<Item = Guest>, limit: &str) -> House {
    let mut guests: Vec<_> = guests.into_iter().map(|guest| guest.grants("")).collect();
    guests.push(guest("capabilities").named("other").tenant("other").grants(""));
    let place = Place::new("", &guests);
    place.add(&format!("[[tenant]]\nname = \"t\"\nlimits = {{ {limit} }}\n"));
    let hob = place.start();
    House { place, hob }
}

impl House {
    fn ask(&self, operation: &str, body: impl AsRef<[u8]>) -> Response {
        self.hob.exchange(post(&format!("/{operation}"), body))
    }

    #[track_caller]
    fn done(&self, operation: &str, body: impl AsRef<[u8]>) -> String {
        self.ask(operation, body).expect(200).text().to_owned()
    }

    #[track_caller]
    fn full(&self, operation: &str, body: impl AsRef<[u8]>) {
        let answer = self.ask(operation, body);
        assert_eq!((answer.status, answer.text()), (422, "Full"), "{operation}");
    }

    /// What is counted.
    fn used(&self) -> usize {
        self.hob.metrics().of_tenant("t", "hob_tenant_storage_bytes") as usize
    }

    /// What a guest has left unfinished goes after its answer.
    fn wait_for_used(&self, bytes: usize) {
        self.hob.wait_for_metrics(|metrics| {
            metrics.of_tenant("t", "hob_tenant_storage_bytes") == bytes as f64
        });
    }

    fn limit(&self, body: &str) -> serde_json::Value {
        view(self.hob.operate("PATCH", "/v1/tenants/t", body.as_bytes()))
    }
}

fn bytes(kib: usize) -> Vec<u8> {
    vec![b'x'; kib * KIB]
}

#[test]
fn files_beyond_the_limit_are_refused_and_removal_makes_room() {
    let house = house(every_mode(&GUESTS), "storage_mib = 1");
    let names: Vec<_> = every_mode(&GUESTS).iter().map(|one| one.name().to_owned()).collect();
    for name in names {
        let of = |operation: &str| format!("{name}/files.{operation}");
        house.done(&of("write?path=a"), bytes(600));
        assert_eq!(house.used(), 600 * KIB);
        house.full(&of("write?path=b"), bytes(500));
        house.full(&of("append?path=a"), bytes(500));
        house.full(&of("write-pieces?path=b&pieces=5"), bytes(100));
        // Nothing of it stays.
        house.wait_for_used(600 * KIB);
        house.done(&of("append?path=a"), bytes(100));
        house.done(&of("write?path=b"), bytes(200));
        // One that takes another's place has what that had.
        house.done(&of("rename?path=b&to=a"), "");
        assert_eq!(house.used(), 200 * KIB);
        house.done(&of("rename?path=a&to=a"), "");
        assert_eq!(house.used(), 200 * KIB);
        house.done(&of("write-pieces?path=a&pieces=4"), bytes(200));
        assert_eq!(house.used(), 800 * KIB);
        house.done("other/files.write?path=a", bytes(2000));
        house.done(&of("remove?path=a"), "");
        assert_eq!(house.used(), 0);
        house.done(&of("write?path=a"), bytes(1024));
        house.full(&of("append?path=a"), "x");
        house.full(&of("append?path=none"), "x");
        assert_eq!(house.done(&of("list?path=/&limit=9"), "").lines().count(), 1);
        house.done(&of("remove?path=a"), "");
    }
}

#[test]
fn the_standard_s_files_count_in_the_same_account() {
    let house = house(every_mode(&GUESTS), "storage_mib = 1");
    let names: Vec<_> = every_mode(&GUESTS).iter().map(|one| one.name().to_owned()).collect();
    for name in names {
        let of = |operation: &str| format!("{name}/files.{operation}");
        house.done(&of("std-write?path=/a"), bytes(600));
        assert_eq!(house.used(), 600 * KIB);
        // The C library keeps to itself what has become of a stream.
        house.ask(&of("std-write?path=/b"), bytes(500)).expect(422);
        house.full(&of("write?path=c"), bytes(500));
        let refused = house.ask(&of(&format!("std-resize?path=/a&length={}", 1 << 30)), "");
        assert_eq!(refused.expect(422).text(), "quota exceeded", "{name}");
        house.done(&of("std-remove?path=/b"), "");
        assert_eq!(house.used(), 600 * KIB);
        house.done(&of(&format!("std-resize?path=/a&length={}", 900 * KIB)), "");
        assert_eq!(house.used(), 900 * KIB);
        house.done(&of(&format!("std-resize?path=/a&length={}", 100 * KIB)), "");
        assert_eq!(house.used(), 100 * KIB);
        // No measurement would find what it is longer by.
        let unlinked = house.ask(&of("std-unlinked?path=/c&length=1000"), "");
        assert_eq!(unlinked.expect(422).text(), "quota exceeded", "{name}");
        house.done(&of("std-unlinked?path=/c&length=0"), "");
        house.done(&of("std-write?path=/b"), bytes(300));
        house.done(&of("std-rename?path=/a&to=/b"), "");
        assert_eq!(house.used(), 100 * KIB);
        // What was there is gone when the file is opened anew.
        house.done(&of("std-write?path=/b"), bytes(50));
        assert_eq!(house.used(), 50 * KIB);
        house.done(&of("std-remove?path=/b"), "");
        assert_eq!(house.used(), 0);
    }
}

#[test]
fn the_files_of_wasi_0_3_count_in_the_same_account() {
    for mode in ["fresh", "shared"] {
        let house = house([guest("kitchen-0-3").isolation(mode)], "storage_mib = 1");
        let act = |deed: &str, kib: usize| {
            let bytes = kib * KIB;
            house.done(&format!("kitchen-0-3/file-{deed}&bytes={bytes}"), "")
        };
        assert_eq!(act("write?path=a", 600), "done");
        assert_eq!(house.used(), 600 * KIB);
        assert_eq!(act("append?path=a", 100), "done");
        assert_eq!(act("append?path=a", 600), "ErrorCode::Quota");
        assert_eq!(act("resize?path=a", 2000), "ErrorCode::Quota");
        assert_eq!(act("resize?path=a", 100), "done");
        assert_eq!(act("write?path=b", 500), "done");
        assert_eq!(house.used(), 600 * KIB);
        assert_eq!(act("rename?path=a&to=b", 0), "done");
        assert_eq!(house.used(), 100 * KIB);
        assert_eq!(act("write?path=b", 1024), "done");
        assert_eq!(act("append?path=b", 1), "ErrorCode::Quota");
        assert_eq!(act("remove?path=b", 0), "done");
        assert_eq!(house.used(), 0);
    }
}

#[test]
fn a_database_grows_within_what_its_tenant_has_left() {
    for name in GUESTS {
        let house = house([guest(name)], "storage_mib = 2");
        let execute = format!("{name}/sql.execute?db=main");
        house.done(&execute, "create table t (v)");
        let fill = "insert into t values (zeroblob(100000))";
        let answers: Vec<_> = (0..30).map(|_| house.ask(&execute, fill)).collect();
        let taken = answers.iter().filter(|answer| answer.status == 200).count();
        assert!((3..20).contains(&taken), "{taken}");
        assert!(answers[taken..].iter().all(|answer| answer.text() == "Full"), "{answers:?}");
        assert!(house.hob.metrics().refused("t", "storage") >= 1.0);
        // A transaction and a batch are no way around it, nor is another place to keep things.
        house.full(&format!("{name}/sql.transaction?db=main&end=commit"), fill);
        house.full(&format!("{name}/sql.batch?db=main"), fill);
        house.full(&format!("{name}/files.write?path=a"), bytes(2048));
        house.done("other/sql.execute?db=main", "create table t (v)");
        (0..25).for_each(|_| _ = house.done("other/sql.execute?db=main", fill));
        // What is deleted leaves room for rows of the same database.
        house.done(&execute, "delete from t");
        house.done(&execute, fill);
        house.limit(r#"{"storage_mib": 64}"#);
        (0..25).for_each(|_| _ = house.done(&execute, fill));
        house.limit(r#"{"storage_mib": null}"#);
        house.done(&execute, fill);
    }
}

#[test]
fn keys_and_values_grow_within_what_their_tenant_has_left() {
    for name in GUESTS {
        let house = house([guest(name)], "storage_mib = 2");
        let set = |key: usize| house.ask(&format!("{name}/kv.set?key={key}"), bytes(100));
        let answers: Vec<_> = (0..30).map(set).collect();
        let taken = answers.iter().filter(|answer| answer.status == 200).count();
        assert!((3..20).contains(&taken), "{taken}");
        assert!(answers[taken..].iter().all(|answer| answer.text() == "Full"), "{answers:?}");
        assert!(house.hob.metrics().refused("t", "storage") >= 1.0);
        house.done("other/kv.set?key=0", bytes(100));
        house.done(&format!("{name}/kv.delete"), "0\n1");
        assert_eq!(set(0).status, 200);
        house.limit(r#"{"storage_mib": 64}"#);
        (0..25).for_each(|key| assert_eq!(set(key).status, 200));
    }
}

#[test]
fn what_is_there_when_the_server_starts_or_the_limit_is_set_counts() {
    let mut house = house([guest("capabilities")], "storage_mib = 1");
    house.done("capabilities/files.write?path=a", bytes(700));
    house.done("capabilities/files.create-folder?path=b/c", "");
    house.done("capabilities/files.write?path=b/c/d", bytes(200));
    house.hob.kill();
    house.hob = house.place.start();
    assert_eq!(house.used(), 900 * KIB);
    house.full("capabilities/files.write?path=e", bytes(200));
    // What comes while there is no limit is not counted, and is there when there is one again.
    let unlimited = house.limit(r#"{"storage_mib": null}"#);
    assert_eq!(unlimited["storage_bytes"], json!(null), "{unlimited}");
    assert!(!house.hob.metrics().has("hob_tenant_storage_bytes{tenant=\"t\"}"));
    house.done("capabilities/files.write?path=e", bytes(400));
    let limited = house.limit(r#"{"storage_mib": 1}"#);
    assert_eq!(limited["storage_bytes"], 1300 * KIB, "{limited}");
    assert_eq!(limited["limits"]["storage_mib"], 1, "{limited}");
    // Who has more keeps it, and gets no more.
    house.full("capabilities/files.append?path=e", "x");
    assert_eq!(house.done("capabilities/files.stat?path=e", ""), (400 * KIB).to_string());
    house.limit(r#"{"storage_mib": 2}"#);
    house.done("capabilities/files.append?path=e", "x");
    // What someone else takes away is found out when it is missed, a second later at the most.
    std::fs::remove_file(house.place.scratch.join("data/t/files/a")).expect("a file");
    while house.ask("capabilities/files.write?path=f", bytes(1200)).status != 200 {}
}

#[test]
fn a_refusal_is_counted_and_told() {
    let house = house([guest("capabilities")], "storage_mib = 1");
    (0..5).for_each(|_| house.full("capabilities/files.write?path=a", bytes(1100)));
    let line = house.hob.wait_for_line(|line| line["event"] == "tenant-full");
    assert_eq!((&line["code"], &line["tenant"]), (&json!("tenant-storage"), &json!("t")), "{line}");
    let metrics = house.hob.metrics();
    assert_eq!(metrics.refused("t", "storage"), 5.0);
    assert!(!metrics.has("hob_tenant_storage_bytes{tenant=\"other\"}"));
    // Five in a row are not five lines.
    let lines = house.hob.lines();
    assert!(lines.iter().filter(|line| line["event"] == "tenant-full").count() < 5);
}
