//! The ledger of versions: a name is that of one content, whatever is deployed after what.

use hob::deployments::{ID_LENGTH, Ledger, NameTaken, Record, Version};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::holds;

const TENANT: &str = "default";

/// Digests of which some begin alike, to the last digit of a name and no further.
fn digest() -> impl Strategy<Value = String> {
    (0..4_u32, 0..3_u32).prop_map(|(name, rest)| {
        let name = format!("{name:0>length$}", length = ID_LENGTH);
        format!("{name}{rest:0>length$}", length = 64 - ID_LENGTH)
    })
}

fn record<'a>(ledger: &'a Ledger, handler: &str) -> Option<&'a Record> {
    ledger.find(TENANT, handler)
}

#[test]
fn a_name_is_that_of_one_content() {
    let steps = vec((any::<bool>(), prop_oneof!["shop", "cart"], digest()), 1..40);
    holds(steps, |steps| {
        let mut ledger = Ledger::default();
        for (is_served, handler, digest) in steps {
            let version = Version::new(digest.clone(), 1, 0);
            let before = ledger.clone();
            let kept = record(&before, &handler).map_or(&[][..], |record| &record.versions);
            let other = kept.iter().find(|one| one.id == version.id && one.digest != digest);
            let entered = match is_served {
                true => ledger.deploy(TENANT, &handler, None, version),
                false => ledger.keep(TENANT, &handler, None, version),
            };
            match other {
                Some(other) => {
                    prop_assert_eq!(entered, Err(NameTaken(other.digest.clone())));
                    prop_assert_eq!(&ledger, &before);
                }
                // The name may be another handler's, or that of the same content.
                None => prop_assert_eq!(entered, Ok(())),
            }
            let now = record(&ledger, &handler);
            if is_served && other.is_none() {
                let current = now.and_then(Record::current);
                prop_assert_eq!(current.map(|one| &one.digest), Some(&digest));
            }
            let mut names: Vec<_> =
                now.iter().flat_map(|one| &one.versions).map(|one| &one.id).collect();
            names.sort_unstable();
            prop_assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        }
        Ok(())
    });
}
