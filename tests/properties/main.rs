//! What holds for whatever comes: a router that agrees with a plain one, a ledger of versions that tells
//! them apart, and a `hob.toml` whose faults are told and never a panic. Cases are few and seeded by the clock; a failure prints its input.

mod config;
mod ledger;
mod routes;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Cases of one property: some seconds in a debug build.
const CASES: u32 = 512;

/// Tries a property on many values.
fn holds<S: Strategy>(values: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    if let Err(failure) = TestRunner::new(config).run(&values, property) {
        panic!("{failure}");
    }
}
