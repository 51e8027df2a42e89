//! What host threads do for handlers is the same where the server has one core.

use crate::one_core;

#[test]
fn files_databases_keys_and_hashes_are_the_same_on_one_core() {
    one_core::expect_the_same(&["files::", "sql::", "kv::", "passwords::", "timeline::"]);
}
