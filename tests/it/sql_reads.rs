//! Queries that read one database at once: they wait in one queue and share a few threads, and each has
//! its own answer, its own end, and its turn.

use crate::harness::guest;
use crate::sql::{House, granted, on_loops, one, request};

const NAME: &str = "capabilities";

/// Counts as long as it is let.
const ENDLESS: &str =
    "with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) from n";

/// A database `main` with the squares of these numbers.
fn squares(house: &House, count: usize) {
    let fill = format!(
        "insert into squares with recursive n (i) as (select 0 union all select i + 1 from n \
         where i < {}) select i, i * i from n",
        count - 1
    );
    let table = "create table squares (root integer primary key, square integer)";
    house.execute(NAME, &[table, &fill]);
}

#[test]
fn each_of_many_queries_at_once_has_its_own_answer() {
    every_one_has_its_own_answer(&on_loops([guest(NAME)], "main = \"write\"", 1));
}

#[test]
fn each_of_many_queries_of_several_loops_has_its_own_answer() {
    every_one_has_its_own_answer(&on_loops([guest(NAME)], "main = \"write\"", 2));
}

fn every_one_has_its_own_answer(house: &House) {
    squares(house, 200);
    let mut clients: Vec<_> = (0..200).map(|_| house.hob.client()).collect();
    for (root, client) in clients.iter_mut().enumerate() {
        // Every tenth fails, in a way of its own.
        let column = if root % 10 == 9 { format!("no_{root}") } else { "square".to_owned() };
        let sql = format!("select {column} as v from squares where root = ?\ni{root}");
        client.send(request(NAME, "query?db=main", &sql));
    }
    for (root, client) in clients.iter_mut().enumerate() {
        let answer = client.response();
        if root % 10 == 9 {
            assert_eq!((answer.status, answer.text()), (422, "Invalid"), "{root}");
        } else {
            assert_eq!(answer.expect(200).text(), format!("v\ni{}\n", root * root));
        }
    }
}

#[test]
fn a_query_sees_what_was_acknowledged_before_it_was_sent() {
    let house = one();
    house.execute(NAME, &["create table t (v integer)", "insert into t values (0)"]);
    let mut others: Vec<_> = (0..8).map(|_| house.hob.client()).collect();
    for round in 1..=50 {
        for client in &mut others {
            client.send(request(NAME, "query?db=main", "select max(v) >= 0 as v from t"));
        }
        house.execute(NAME, &["update t set v = v + 1"]);
        assert_eq!(house.query(NAME, "select v from t"), format!("v\ni{round}\n"));
        for client in &mut others {
            assert_eq!(client.response().expect(200).text(), "v\ni1\n");
        }
    }
}

#[test]
fn queries_behind_one_without_end_are_answered_before_it_ends() {
    let house = one();
    squares(&house, 10);
    let mut stuck = house.hob.client();
    stuck.send(request(NAME, "query?db=main", ENDLESS));
    house.hob.wait_for_in_flight(NAME, 1);
    // Were one of them to wait for its end, it would be told to try again.
    let mut clients: Vec<_> = (0..20).map(|_| house.hob.client()).collect();
    for client in &mut clients {
        client.send(request(NAME, "query?db=main", "select square from squares where root = 3"));
    }
    for client in &mut clients {
        assert_eq!(client.response().expect(200).text(), "square\ni9\n");
    }
    assert_eq!(stuck.response().expect(422).text(), "TimedOut");
}

#[test]
fn a_query_of_a_client_that_leaves_is_ended_or_not_begun() {
    let house = granted([guest(NAME).isolation("reuse")], "main = \"write\"");
    squares(&house, 10);
    // More than there are threads: some are at work when they are left, and some wait. Each would take
    // its five seconds, and who waits for so long is told to try again.
    for _ in 0..4 {
        let mut clients: Vec<_> = (0..12).map(|_| house.hob.client()).collect();
        for client in &mut clients {
            client.send(request(NAME, "query?db=main", ENDLESS));
        }
        house.hob.wait_for_in_flight(NAME, 12);
        for client in clients {
            client.reset();
        }
        house.hob.wait_for_in_flight(NAME, 0);
        assert_eq!(house.query(NAME, "select square from squares where root = 2"), "square\ni4\n");
    }
}

#[test]
fn who_waits_too_long_behind_queries_without_end_is_told_so() {
    let house = one();
    squares(&house, 10);
    let mut clients: Vec<_> = (0..8).map(|_| house.hob.client()).collect();
    for client in &mut clients {
        client.send(request(NAME, "query?db=main", ENDLESS));
    }
    let answers: Vec<_> = clients.iter_mut().map(|client| client.response().expect(422)).collect();
    let count = |error: &str| answers.iter().filter(|answer| answer.text() == error).count();
    // Three threads, and who waits for one does so as long as a statement may take.
    assert!(count("TimedOut") >= 3, "{}", count("TimedOut"));
    assert_eq!(count("TimedOut") + count("Busy"), 8);
    assert_eq!(house.query(NAME, "select square from squares where root = 2"), "square\ni4\n");
}

#[test]
fn databases_of_a_tenant_have_their_turns_beside_each_other() {
    let house = granted([guest(NAME)], "main = \"write\", other = \"write\"");
    squares(&house, 10);
    house.run(NAME, "execute?db=other", "create table t (v)");
    let mut clients: Vec<_> = (0..40).map(|_| house.hob.client()).collect();
    for (index, client) in clients.iter_mut().enumerate() {
        let (database, sql) = match index % 4 {
            0 => ("main", "select square from squares where root = 3"),
            1 => ("other", "select count(*) as c from t where v < 0"),
            2 => ("other", "select 'x' as v"),
            _ => ("main", "select count(*) as c from squares"),
        };
        client.send(request(NAME, &format!("query?db={database}"), sql));
    }
    for (index, client) in clients.iter_mut().enumerate() {
        let wanted = ["square\ni9\n", "c\ni0\n", "v\ntx\n", "c\ni10\n"][index % 4];
        assert_eq!(client.response().expect(200).text(), wanted);
    }
}
