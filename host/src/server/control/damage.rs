//! Owns leaving out deployed versions whose component is not what was deployed: gone from the disk, or
//! damaged there. One of them must not keep the rest from being served.

use crate::config::Config;
use crate::deployments::{Ledger, Record, State, Store, Version};
use crate::engine::ContentDigest;
use crate::server::notice::{Instead, PassedOver};

/// Has handlers whose version is not whole go back, as a rollback would: to the version before, to the component
/// of `hob.toml`, or to none. Versions that are not whole have failed from then on. With host names for
/// versions all of them are looked at, else those that are to be served.
pub(in crate::server) fn pass_over(
    config: &Config,
    ledger: &mut Ledger,
    store: &Store,
) -> Vec<PassedOver> {
    let has_previews = config.deploy.preview_host.is_some();
    let mut passed = Vec::new();
    for place in 0..ledger.handlers.len() {
        let record = ledger.handlers[place].clone();
        if has_previews {
            let kept = record.versions.iter().filter(|one| one.state == State::Ready);
            for (version, why) in kept.filter_map(|one| Some((one, fault(one, store)?))) {
                ledger.fail(&record.tenant, &record.handler, &version.id, &why);
            }
        }
        passed.extend(go_back(config, ledger, &record, store));
    }
    passed
}

/// Goes back from a version that is not whole until there is one that is.
fn go_back(
    config: &Config,
    ledger: &mut Ledger,
    before: &Record,
    store: &Store,
) -> Option<PassedOver> {
    let (tenant, handler) = (&before.tenant, &before.handler);
    let of_file = config.handlers.iter().find(|one| one.tenant == *tenant && one.name == *handler);
    let has_own = of_file.is_some_and(|one| one.component.is_some());
    let mut reason = None;
    loop {
        let current = ledger.find(tenant, handler).and_then(Record::current).cloned();
        let Some(why) = current.as_ref().and_then(|current| fault(current, store)) else { break };
        let current = current.expect("it has a fault");
        ledger.fail(tenant, handler, &current.id, &why);
        reason.get_or_insert(why);
        if ledger.roll_back(tenant, handler, None, has_own).is_err() {
            ledger.serve_none(tenant, handler);
        }
    }
    let now = ledger.find(tenant, handler).and_then(|record| record.current.clone());
    Some(PassedOver {
        tenant: tenant.clone(),
        handler: handler.clone(),
        version: before.current.clone()?,
        why: reason?,
        instead: match now {
            Some(version) => Instead::Version(version),
            None if has_own => Instead::File,
            None => Instead::Nothing,
        },
    })
}

/// What is wrong with the component of a version, if it is gone or is another. One that cannot be read for some
/// other reason may be whole: that is a fault of the start, and the version is not lost for it.
#[expect(clippy::disallowed_methods, reason = "before the loops turn")]
fn fault(version: &Version, store: &Store) -> Option<String> {
    let path = store.component(&version.digest);
    match std::fs::read(&path) {
        Ok(bytes) if ContentDigest::of(&bytes).to_string() == version.digest => None,
        Ok(_) => Some(format!("its component is damaged: {}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Some(format!("cannot read {}: {error}", path.display()))
        }
        Err(_) => None,
    }
}
