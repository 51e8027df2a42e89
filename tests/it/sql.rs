//! `hob:host/sql`, of both generations and in every isolation mode: values, rows, transactions,
//! cursors, grants, and SQL that reaches for more.

use std::path::PathBuf;

use rusqlite::Connection;

use crate::harness::{Guest, Hob, Response, Scratch, Serve, every_mode, guest, post};

const GUESTS: [&str; 2] = ["capabilities", "capabilities-0-2"];

/// A server of handlers that are granted databases of the tenant `t`.
pub(crate) struct House {
    pub(crate) hob: Hob,
    databases: PathBuf,
    _data: Scratch,
}

pub(crate) fn granted(guests: impl IntoIterator<Item = Guest>, databases: &str) -> House {
    on_loops(guests, databases, 1)
}

/// The same with several loops.
pub(crate) fn on_loops(
    guests: impl IntoIterator<Item = Guest>,
    databases: &str,
    loops: u32,
) -> House {
    with(guests, databases, &format!("loops = {loops}"))
}

/// The same with a line of `[server]`.
pub(crate) fn with(guests: impl IntoIterator<Item = Guest>, databases: &str, line: &str) -> House {
    let data = Scratch::new();
    let grant = format!("sql = {{ {databases} }}");
    let guests = guests.into_iter().map(|guest| guest.grants(&grant));
    let server = Serve::new(guests).server(&format!("data = {:?}", data.path()));
    let hob = server.server(line).start();
    House { hob, databases: data.join("t/sql"), _data: data }
}

/// A server of one guest that may write.
pub(crate) fn one() -> House {
    granted([guest("capabilities")], "main = \"write\"")
}

impl House {
    pub(crate) fn path(&self, database: &str) -> PathBuf {
        self.databases.join(format!("{database}.db"))
    }

    /// The same file, as another process sees it.
    pub(crate) fn open(&self, database: &str) -> Connection {
        Connection::open(self.path(database)).expect("a database")
    }

    pub(crate) fn ask(&self, name: &str, operation: &str, sql: &str) -> Response {
        self.hob.exchange(request(name, operation, sql))
    }

    #[track_caller]
    pub(crate) fn run(&self, name: &str, operation: &str, sql: &str) -> String {
        self.ask(name, operation, sql).expect(200).text().to_owned()
    }

    #[track_caller]
    pub(crate) fn expect_error(&self, name: &str, operation: &str, sql: &str, error: &str) {
        let answer = self.ask(name, operation, sql);
        assert_eq!((answer.status, answer.text()), (422, error), "{name} {operation} {sql}");
    }

    /// Runs statements in the database `main`.
    #[track_caller]
    pub(crate) fn execute(&self, name: &str, statements: &[&str]) {
        for statement in statements {
            self.run(name, "execute?db=main", statement);
        }
    }

    #[track_caller]
    pub(crate) fn query(&self, name: &str, sql: &str) -> String {
        self.run(name, "query?db=main", sql)
    }
}

/// An operation with what it is about; a database `main` if it names none.
pub(crate) fn request(name: &str, operation: &str, sql: &str) -> Vec<u8> {
    post(&format!("/{name}/sql.{operation}"), sql)
}

#[test]
fn values_come_back_as_they_were_given() {
    let house = granted(every_mode(&GUESTS), "main = \"write\"");
    for name in house.hob.names() {
        house.execute(name, &["drop table if exists t", "create table t (a, b, c, d, e)"]);
        let given = "insert into t values (?, ?, ?, ?, ?)\ni-9223372036854775808\nr0.1\ntit's \
                     \u{e4}\nb00ff\nn";
        assert_eq!(house.run(name, "execute?db=main", given), "1 1\n");
        assert_eq!(
            house.query(name, "select *, 1 as one, e as e from t"),
            "a|b|c|d|e|one|e\ni-9223372036854775808|r0.1|tit's \u{e4}|b00ff|n|i1|n\n"
        );
        // What is given as a value is never part of the statement.
        let hostile = "select ? as x\nt'; drop table t; --";
        assert_eq!(house.query(name, hostile), "x\nt'; drop table t; --\n");
        assert_eq!(house.query(name, "select a from t where false"), "");
    }
}

#[test]
fn parameters_go_by_position() {
    let house = one();
    let query = |sql: &str| house.query("capabilities", sql);
    assert_eq!(query("select $2 as b, $1 as a\ni1\ni2"), "b|a\ni2|i1\n");
    assert_eq!(query("select ?2 as b, ?1 as a\ni1\ni2"), "b|a\ni2|i1\n");
    assert_eq!(query("select ?1 as a, ?1 as b\ni1"), "a|b\ni1|i1\n");
    for wrong in [
        "select ?",
        "select ?\ni1\ni2",
        "select :a\ni1",
        "select @a\ni1",
        "select $a\ni1",
        "select $0\ni1",
        "select 1\ni1",
    ] {
        house.expect_error("capabilities", "query?db=main", wrong, "Invalid");
    }
    // The values of a statement that is kept prepared are not kept.
    assert_eq!(query("select ? as a\ntsecret"), "a\ntsecret\n");
    house.expect_error("capabilities", "query?db=main", "select ? as a", "Invalid");
    assert_eq!(query("select ? as a\nn"), "a\nn\n");
}

#[test]
fn an_outcome_counts_and_a_query_may_write() {
    let house = granted(every_mode(&GUESTS), "main = \"write\"");
    for name in house.hob.names() {
        house.execute(
            name,
            &["drop table if exists n", "create table n (id integer primary key, v)"],
        );
        let execute = |sql: &str| house.run(name, "execute?db=main", sql);
        assert_eq!(execute("insert into n (v) values (1), (2), (3)"), "3 3\n");
        assert_eq!(execute("update n set v = v + 1 where id > 1"), "2\n");
        assert_eq!(execute("create index by_v on n (v)"), "0\n");
        assert_eq!(execute("delete from n where id = 99"), "0\n");
        let returned = house.query(name, "insert into n (v) values (9) returning id, v");
        assert_eq!(returned, "id|v\ni4|i9\n");
        let with = "with x as (select 5 as v) insert into n (v) select v from x returning id";
        assert_eq!(house.query(name, with), "id\ni5\n");
        assert_eq!(house.query(name, "select count(*) as c from n"), "c\ni5\n");
    }
}

#[test]
fn a_changed_schema_is_seen_by_kept_statements() {
    let house = one();
    let name = "capabilities";
    house.execute(name, &["create table t (a)", "insert into t values (1)"]);
    assert_eq!(house.query(name, "select * from t"), "a\ni1\n");
    house.execute(name, &["alter table t add column b default 2"]);
    assert_eq!(house.query(name, "select * from t"), "a|b\ni1|i2\n");
}

#[test]
fn mistakes_are_told_apart() {
    let house = granted(every_mode(&GUESTS), "main = \"write\"");
    for name in house.hob.names() {
        house.execute(
            name,
            &[
                "drop table if exists child",
                "drop table if exists t",
                "create table t (id integer primary key, u text unique not null, check (id < 9)) strict",
                "create table child (t integer references t (id))",
                "insert into t values (1, 'one')",
            ],
        );
        for (sql, error) in [
            ("insert into t values (2, 'one')", "Constraint"),
            ("insert into t values (3, null)", "Constraint"),
            ("insert into t values (10, 'ten')", "Constraint"),
            ("insert into child values (77)", "Constraint"),
            ("insert into t values ('x', 'y')", "Mismatch"),
            ("insert into t values (4, x'00')", "Mismatch"),
            ("selec 1", "Invalid"),
            ("select * from nothing", "Invalid"),
            ("select nothing from t", "Invalid"),
            ("select \"a text\"", "Invalid"),
            ("select 1; select 2", "Invalid"),
            ("", "Invalid"),
            ("-- nothing", "Invalid"),
            ("select abs(-9223372036854775808)", "Invalid"),
            ("savepoint here", "Invalid"),
        ] {
            for operation in ["execute?db=main", "batch?db=main", "query?db=main"] {
                let is_within = operation.starts_with("batch") && sql.starts_with("savepoint");
                if !is_within {
                    house.expect_error(name, operation, sql, error);
                }
            }
        }
        house.expect_error(name, "query?db=other", "select 1", "Denied");
        house.expect_error(name, "query?db=..%2Fmain", "select 1", "Denied");
        assert_eq!(house.query(name, "select count(*) as c from t"), "c\ni1\n", "{name}");
    }
}

#[test]
fn a_batch_is_whole_or_not_at_all() {
    let house = granted(every_mode(&GUESTS), "main = \"write\"");
    for name in house.hob.names() {
        house.execute(name, &["drop table if exists t", "create table t (id integer primary key)"]);
        let good = "insert into t values (?)\ni1\n--\ninsert into t values (?)\ni2\n--\ndelete from t \
                    where id = 1";
        assert_eq!(house.run(name, "batch?db=main", good), "1 1\n1 2\n1\n");
        let bad = "insert into t values (3)\n--\ninsert into t values (2)";
        house.expect_error(name, "batch?db=main", bad, "Constraint");
        assert_eq!(house.query(name, "select id from t"), "id\ni2\n", "{name}");
        let many = vec!["select 1"; 1001].join("\n--\n");
        house.expect_error(name, "batch?db=main", &many, "TooLarge");
    }
}

#[test]
fn a_transaction_happens_when_it_is_committed_and_not_otherwise() {
    let house = granted(every_mode(&GUESTS), "main = \"write\"");
    for name in house.hob.names() {
        house.execute(name, &["drop table if exists t", "create table t (v)"]);
        let two = "insert into t values (1)\n--\ninsert into t values (2)\n--\nselect v from t";
        let seen = "v\ni1\ni2\n";
        assert_eq!(house.run(name, "transaction?db=main&end=rollback", two), seen);
        assert_eq!(house.query(name, "select v from t"), "", "{name}");
        assert_eq!(house.run(name, "transaction?db=main&end=drop", two), seen);
        assert_eq!(house.query(name, "select v from t"), "", "{name}");
        assert_eq!(house.ask(name, "transaction?db=main&end=trap", two).status, 500);
        assert_eq!(house.query(name, "select v from t"), "", "{name}");
        house.expect_error(
            name,
            "transaction?db=main&end=commit",
            "insert into t values (1)\n--\nx",
            "Invalid",
        );
        assert_eq!(house.query(name, "select v from t"), "", "{name}");
        assert_eq!(house.run(name, "transaction?db=main&end=commit", two), seen);
        assert_eq!(house.query(name, "select v from t"), seen, "{name}");
        let reads = "transaction?db=main&mode=read&end=commit";
        assert_eq!(house.run(name, reads, "select v from t"), seen);
        house.expect_error(name, reads, "delete from t", "Denied");
        for (end, count) in [("rollback to a", "i2"), ("release a", "i3")] {
            let nested = format!(
                "savepoint a\n--\ninsert into t values (3)\n--\n{end}\n--\nselect count(*) as c from t"
            );
            let seen = house.run(name, "transaction?db=main&end=rollback", &nested);
            assert_eq!(seen, format!("c\n{count}\n"), "{name}");
        }
    }
}

#[test]
fn a_transaction_of_a_client_that_leaves_is_rolled_back() {
    // A guest in a `shared` instance goes on without its client: see
    // `a_transaction_that_is_left_open_ends_by_itself`.
    let modes = every_mode(&GUESTS).into_iter().filter(|guest| !guest.name().ends_with("shared"));
    let house = granted(modes, "main = \"write\"");
    let names: Vec<String> = house.hob.names().map(str::to_owned).collect();
    house.execute(&names[0], &["create table t (v)"]);
    for name in &names {
        let mut client = house.hob.client();
        client.send(request(name, "transaction?db=main&end=sleep", "insert into t values (1)"));
        let other = house.open("main");
        other.busy_timeout(std::time::Duration::ZERO).expect("a time");
        // As long as it is open, nobody else can begin to write.
        while other.execute_batch("begin immediate; rollback").is_ok() {}
        client.reset();
        house.execute(name, &["delete from t where false"]);
        assert_eq!(house.query(name, "select v from t"), "", "{name}");
    }
}

#[test]
fn a_result_of_any_size_is_read_in_pieces() {
    let house = granted(every_mode(&GUESTS), "main = \"write\"");
    let count = "with recursive n (i) as (select 1 union all select i + 1 from n where i < ?) ";
    for name in house.hob.names() {
        let many = format!("{count} select i, 'x' as x from n\ni25000");
        house.expect_error(name, "query?db=main", &many, "TooLarge");
        let read = house.run(name, "cursor?db=main&max=1000", &many);
        assert_eq!(read, "25000 25 i|x\ni|x\ni25000|tx\n", "{name}");
        // Pieces are bounded in bytes too, and so is what is handed over whole.
        let wide = format!("{count} select i, zeroblob(500000) as z from n\ni20");
        house.expect_error(name, "query?db=main", &wide, "TooLarge");
        let read = house.run(name, "cursor?db=main&max=1000", &wide);
        assert!(read.starts_with("20 7 i|z\n"), "{name} {}", &read[..20]);
        let empty = house.run(name, "cursor?db=main&max=9", "select 1 as one where false");
        assert_eq!(empty, "0 0 one\n");
        let first = house.run(name, "cursor?db=main&max=10&times=1", &many);
        assert!(first.starts_with("10 1 "), "{first}");
        house.expect_error(name, "cursor?db=main&max=1", "create table never (a)", "Denied");
        house.expect_error(name, "cursor?db=main&max=1", "select", "Invalid");
        // A statement that fails in the middle says so.
        let fails = format!("{count} select abs(i - 9223372036854775807 - 50) from n\ni100");
        house.expect_error(name, "cursor?db=main&max=5", &fails, "Invalid");
    }
}

#[test]
fn who_reads_sees_the_database_as_it_was_and_keeps_nobody_from_writing() {
    let house = granted(every_mode(&GUESTS), "main = \"write\"");
    for name in house.hob.names() {
        house.execute(name, &["drop table if exists t", "create table t (v)"]);
        house.execute(name, &["insert into t values (1), (2), (3)"]);
        let both = "select v from t\n--\ndelete from t where v > 1";
        assert_eq!(house.run(name, "snapshot?db=main", both), "3 3 1", "{name}");
    }
}

#[test]
fn a_grant_to_read_is_none_to_write() {
    let reader = guest("capabilities").named("reader").grants("sql = { main = \"read\" }");
    let reader_02 =
        guest("capabilities-0-2").named("reader-0-2").grants("sql = { main = \"read\" }");
    let writer = guest("capabilities").named("writer").grants("sql = { main = \"write\" }");
    let data = Scratch::new();
    let server = Serve::new([reader, reader_02, writer]);
    let hob = server.server(&format!("data = {:?}", data.path())).start();
    let house = House { hob, databases: data.join("t/sql"), _data: data };
    house.execute("writer", &["create table t (v)", "insert into t values (7)"]);
    for name in ["reader", "reader-0-2"] {
        assert_eq!(house.query(name, "select v from t"), "v\ni7\n");
        assert_eq!(house.run(name, "cursor?db=main&max=9", "select v from t"), "1 1 v\nv\ni7\n");
        let reads = "transaction?db=main&mode=read&end=commit";
        assert_eq!(house.run(name, reads, "select v from t"), "v\ni7\n");
        for sql in [
            "insert into t values (8)",
            "delete from t",
            "create table u (a)",
            "with x as (select 1) insert into t select * from x",
            "insert into t values (8) returning v",
            "pragma user_version = 3",
        ] {
            for operation in ["execute", "query", "batch", "cursor"] {
                house.expect_error(name, &format!("{operation}?db=main&max=1"), sql, "Denied");
            }
            house.expect_error(name, reads, sql, "Denied");
        }
        house.expect_error(name, "transaction?db=main&end=commit", "select 1", "Denied");
    }
    assert_eq!(house.query("writer", "select v from t"), "v\ni7\n");
}

#[test]
fn tenants_do_not_see_each_others_databases() {
    let of = |tenant: &str| guest("capabilities").named(tenant).tenant(tenant).grants("");
    let data = Scratch::new();
    let server = Serve::new([of("one"), of("two")]);
    let hob = server.server(&format!("data = {:?}", data.path())).start();
    let house = House { hob, databases: data.join("one/sql"), _data: data };
    house.execute("one", &["create table mine (v)"]);
    house.expect_error("two", "query?db=main", "select * from mine", "Invalid");
    house.expect_error("two", "query?db=..%2F..%2Fone%2Fsql%2Fmain", "select 1", "Denied");
}

#[test]
fn no_statement_leaves_the_database() {
    let house = granted(every_mode(&GUESTS), "main = \"write\", other = \"write\"");
    let names: Vec<String> = house.hob.names().map(str::to_owned).collect();
    house.run(&names[0], "execute?db=other", "create table secret (v)");
    let other = house.path("other");
    let other = other.display();
    let before = std::fs::read_dir(&house.databases).expect("a folder").count();
    for name in &names {
        for sql in [
            &format!("attach '{other}' as o"),
            &format!("attach 'file:{other}?mode=ro' as o"),
            "attach ':memory:' as m",
            "attach '' as m",
            "detach main",
            "vacuum",
            &format!("vacuum into '{other}.copy'"),
            "select load_extension('/lib/x86_64-linux-gnu/libm.so.6')",
            "select fts3_tokenizer('simple')",
            "create virtual table x using dbstat",
            "create virtual table x using csv(filename='/etc/passwd')",
            "create temp table x (a)",
            "create temp view x as select 1",
            "begin",
            "commit",
            "rollback",
            "end",
            "pragma database_list",
            "pragma journal_mode = delete",
            "pragma synchronous = off",
            "pragma writable_schema = on",
            "pragma query_only = off",
            "pragma max_page_count = 1",
            "pragma hard_heap_limit = 1",
            "pragma temp_store_directory = '/tmp'",
            "pragma locking_mode = exclusive",
            "pragma busy_timeout = 100000",
            "pragma wal_checkpoint",
            "pragma foreign_keys = off",
            "pragma page_size = 65536",
            "select * from pragma_database_list",
            "create table _hob_migrations (a)",
            "create table _HOB_migrations (a)",
            "create view _hob_migrations as select 1",
            "create index _hob_i on t (v)",
            "create virtual table _hob_migrations using fts5(w)",
            "; alter table t rename to \"_Hob_migrations\"",
            "create trigger _hob_t after insert on t begin select 1; end",
        ] {
            let answer = house.ask(name, "query?db=main", sql);
            let refused = ["Denied", "Invalid"].contains(&answer.text());
            assert!(answer.status == 422 && refused, "{name} {sql} {answer:?}");
            let answer = house.ask(name, "transaction?db=main&end=commit", sql);
            assert_eq!(answer.status, 422, "{name} {sql} {answer:?}");
        }
        for sql in ["pragma table_info(t)", "pragma integrity_check", "pragma user_version"] {
            house.query(name, sql);
        }
        house.execute(
            name,
            &["drop table if exists words", "create virtual table words using fts5(w)"],
        );
        house.execute(name, &["insert into words values ('a needle in hay')"]);
        let found = house.query(name, "select w from words where words match 'needle'");
        assert_eq!(found, "w\nta needle in hay\n");
    }
    let main_files = ["main.db", "main.db-wal", "main.db-shm"];
    let after = std::fs::read_dir(&house.databases).expect("a folder").flatten();
    let after = after.filter(|entry| !main_files.contains(&&*entry.file_name().to_string_lossy()));
    assert_eq!(after.count(), before, "a file more");
}

#[test]
fn functions_on_text_give_what_the_engines_own_give() {
    let house = one();
    let plain = Connection::open_in_memory().expect("a database");
    for call in [
        "instr('abcabc', 'ca')",
        "instr('\u{e4}bc', 'c')",
        "instr(x'c3a462', x'62')",
        "instr('abc', '')",
        "instr('abc', 'd')",
        "instr(null, 'a')",
        "instr(1234, 34)",
        "replace('aXbXc', 'X', '--')",
        "replace('abc', '', 'x')",
        "replace('aaa', 'aa', 'b')",
        "replace('abc', null, 'x')",
        "replace(1212, 1, 'x')",
        "trim('xxhixx', 'x')",
        "ltrim('\u{e4}\u{e4}hi\u{e4}', '\u{e4}')",
        "rtrim('hixyx', 'xy')",
        "trim('hi', '')",
        "trim(null, 'x')",
        "trim('  hi ')",
    ] {
        let sql = format!("select {call} as v, typeof({call}) as t");
        let row = |row: &rusqlite::Row<'_>| {
            let value: rusqlite::types::Value = row.get(0)?;
            let value = match value {
                rusqlite::types::Value::Null => "n".to_owned(),
                rusqlite::types::Value::Integer(number) => format!("i{number}"),
                rusqlite::types::Value::Text(text) => format!("t{text}"),
                other => format!("{other:?}"),
            };
            Ok(format!("v|t\n{value}|t{}\n", row.get::<_, String>(1)?))
        };
        let wanted: String = plain.query_row(&sql, [], row).expect("a row");
        assert_eq!(house.query("capabilities", &sql), wanted, "{call}");
    }
}
