//! Databases that are brought to their schema at the start.

use rusqlite::Connection;

use crate::harness::{Hob, Outcome, Scratch, compile_cache, component, hob, run};
use crate::sql::request;

const NAME: &str = "capabilities";

/// A folder with a `hob.toml` that has migrations in `migrations`.
struct Site {
    folder: Scratch,
}

impl Site {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Scratch::new();
        std::fs::create_dir(folder.join("migrations")).expect("a folder");
        let site = Site { folder };
        site.file(
            "hob.toml",
            &format!(
                "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n[[handler]]\nname = \
             \"{NAME}\"\ncomponent = {:?}\ngrants.files = \"write\"\ngrants.kv = \"read\"\ngrants.dns = true\ngrants.fetch = []\ngrants.sql = {{ main = {{ \
             access = \"write\", migrations = \"migrations\" }} }}\n",
                component(NAME)
            ),
        );
        for (name, text) in files {
            site.migration(name, text);
        }
        site
    }

    fn file(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).expect("a file");
    }

    fn migration(&self, name: &str, text: &str) {
        self.file(&format!("migrations/{name}"), text);
    }

    fn command(&self) -> std::process::Command {
        let mut command = hob();
        command.arg("serve").arg(self.folder.join("hob.toml")).args(["--cache", compile_cache()]);
        command
    }

    fn serve(&self) -> Hob {
        Hob::start(self.command(), vec![NAME.to_owned()], None)
    }

    /// Starts what must not start.
    #[track_caller]
    fn expect_refused(&self, wanted: &[&str]) {
        let Outcome { success, stderr, .. } = run(&mut self.command());
        assert!(!success, "it has started");
        for wanted in wanted {
            assert!(stderr.contains(wanted), "{wanted}: {stderr}");
        }
    }

    fn database(&self) -> Connection {
        Connection::open(self.folder.join("data/default/sql/main.db")).expect("a database")
    }

    fn tables(&self) -> Vec<String> {
        let sql =
            "select name from sqlite_schema where name not like '\\_%' escape '\\' order by 1";
        let database = self.database();
        let mut all = database.prepare(sql).expect("a statement");
        let names = all.query_map([], |row| row.get(0)).expect("rows");
        names.collect::<Result<_, _>>().expect("names")
    }
}

#[test]
fn migrations_are_applied_in_order_and_once() {
    let site = Site::new(&[
        ("0002_more.sql", "alter table notes add column stars integer;\n"),
        (
            "0001_notes.sql",
            "-- The first.\ncreate table notes (id integer primary key, title text);\ninsert into \
             notes (title) values ('first');\n",
        ),
        ("README.md", "not one"),
    ]);
    let hob = site.serve();
    let select = request(NAME, "query?db=main", "select title, stars from notes");
    assert_eq!(hob.exchange(&select).expect(200).text(), "title|stars\ntfirst|n\n");
    for sql in [
        "drop table _hob_migrations",
        "delete from _HOB_MIGRATIONS",
        "alter table _hob_migrations rename to mine",
        "create index mine on _hob_migrations (name)",
        "create trigger mine after insert on _hob_migrations begin select 1; end",
    ] {
        let refused = hob.exchange(request(NAME, "execute?db=main", sql)).expect(422);
        assert_eq!(refused.text(), "Denied", "{sql}");
    }
    drop(hob);
    site.migration("0010_again.sql", "insert into notes (title, stars) values ('second', 5)");
    let hob = site.serve();
    let wanted = "title|stars\ntfirst|n\ntsecond|i5\n";
    assert_eq!(hob.exchange(&select).expect(200).text(), wanted);
}

#[test]
fn a_migration_that_fails_leaves_nothing_and_stops_the_start() {
    let site = Site::new(&[
        ("1_good.sql", "create table good (a);"),
        ("2_bad.sql", "create table half (a);\ncreate table good (b);"),
    ]);
    let table_is_there = ["main", "2_bad.sql", "statement 2", "good already exists", "correct it"];
    site.expect_refused(&table_is_there);
    assert_eq!(site.tables(), ["good"]);
    for (text, wanted) in [
        ("create tabel x (a);", "statement 1"),
        ("attach 'x.db' as x;", "may not"),
        ("create table x (a); commit; create table y (a);", "statement 2"),
    ] {
        site.migration("2_bad.sql", text);
        site.expect_refused(&["2_bad.sql", wanted]);
        assert_eq!(site.tables(), ["good"]);
    }
    site.migration("2_bad.sql", "create table mended (a);");
    let hob = site.serve();
    hob.expect_hello(NAME);
    assert_eq!(site.tables(), ["good", "mended"]);
}

#[test]
fn what_was_applied_must_stay_as_it_is() {
    let site = Site::new(&[("1_a.sql", "create table a (v);"), ("3_c.sql", "create table c (v);")]);
    drop(site.serve());
    site.migration("1_a.sql", "create table a (v, w);");
    site.expect_refused(&["1_a.sql", "changed after it was applied", "new file"]);
    site.migration("1_a.sql", "create table a (v);");
    site.migration("2_b.sql", "create table b (v);");
    site.expect_refused(&["2_b.sql", "higher number"]);
    std::fs::remove_file(site.folder.join("migrations/2_b.sql")).expect("a file");
    std::fs::remove_file(site.folder.join("migrations/3_c.sql")).expect("a file");
    site.expect_refused(&["3_c.sql", "not there any more"]);
    site.migration("3_c.sql", "create table c (v);");
    site.serve().expect_hello(NAME);
}

#[test]
fn a_folder_of_migrations_is_checked() {
    let site = Site::new(&[("first.sql", "")]);
    site.expect_refused(&["first.sql", "0001_notes.sql"]);
    std::fs::remove_file(site.folder.join("migrations/first.sql")).expect("a file");
    site.migration("1_a.sql", "");
    site.migration("01_b.sql", "");
    site.expect_refused(&["has the same number"]);
    std::fs::remove_dir_all(site.folder.join("migrations")).expect("a folder");
    site.expect_refused(&["migrations", "cannot read it"]);
}

#[test]
fn a_damaged_database_with_migrations_stops_the_start() {
    let site = Site::new(&[("1_a.sql", "create table a (v);")]);
    std::fs::create_dir_all(site.folder.join("data/default/sql")).expect("a folder");
    site.file("data/default/sql/main.db", &"no database ".repeat(1000));
    site.expect_refused(&["main.db", "the database is damaged"]);
}

#[test]
fn mistakes_in_the_grants_are_told_with_their_line() {
    for (grant, wanted) in [
        ("{ main = \"wirte\" }", "`grants.sql.main` is `wirte`"),
        ("{ \"../x\" = \"write\" }", "letters, digits"),
        ("{ main = { access = \"write\", max_mib = 0 } }", "grants.sql.main.max_mib"),
        ("{ main = { acess = \"write\" } }", "a table with `access`"),
        ("\"write\"", "expected a map"),
    ] {
        let scratch = Scratch::new();
        let text = format!(
            "[[handler]]\nname = \"app\"\ncomponent = {:?}\ngrants.sql = {grant}\n",
            component(NAME)
        );
        let file = scratch.file("hob.toml", &text);
        let refused = run(hob().arg("check").arg(&file));
        assert!(!refused.success, "{grant}");
        for wanted in [wanted, "hob.toml:4"] {
            assert!(refused.stderr.contains(wanted), "{grant}: {}", refused.stderr);
        }
    }
}
