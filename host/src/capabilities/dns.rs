//! Owns the lookup of names: on host threads, with a small cache. For outbound requests, and as
//! `hob:host/dns`.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::WeakShared;
use wasmtime::component::{ComponentType, Lift, Linker, Lower};

use super::treaty::Interface;
use super::{GuestContext, GuestState};
use crate::engine::Generation;
use crate::event_loop::{Refused, Work};
use crate::limits;

/// Why a name has no addresses.
#[derive(ComponentType, Lower, Lift, Clone, Debug, PartialEq)]
#[component(variant)]
pub(super) enum LookupFailed {
    #[component(name = "denied")]
    Denied,
    #[component(name = "not-found")]
    NotFound,
    #[component(name = "busy")]
    Busy,
    #[component(name = "invalid")]
    Invalid(String),
    #[component(name = "failed")]
    Failed(String),
}

impl From<Refused> for LookupFailed {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Busy => LookupFailed::Busy,
            Refused::Panicked => LookupFailed::Failed("a fault of the host".to_owned()),
        }
    }
}

impl From<io::Error> for LookupFailed {
    /// The resolver's own numbers are gone by now; what it says of a name that is not there is left.
    fn from(error: io::Error) -> Self {
        let text = error.to_string();
        let absent = ["Name or service not known", "No address associated", "not known"];
        if absent.iter().any(|words| text.contains(words)) {
            return LookupFailed::NotFound;
        }
        LookupFailed::Failed("the resolver gives no answer".to_owned())
    }
}

type Found = Result<Arc<[IpAddr]>, LookupFailed>;
type Asking = Pin<Box<dyn Future<Output = Found> + Send>>;

/// The names a tenant has looked up lately, on all loops. Cheap to clone.
#[derive(Clone, Default)]
pub struct Dns {
    names: Arc<Mutex<Names>>,
}

/// Not one of the fast maps: guests choose the keys.
type Names = HashMap<String, Known>;

/// What is known of a name.
enum Known {
    /// It is being looked up as long as anyone waits for it; whoever asks meanwhile waits too.
    Asked(WeakShared<Asking>),
    /// It was looked up.
    Answered { found: Found, at: Instant },
}

impl Known {
    /// The system's resolver tells no time to live, so answers are kept for a time that is short
    /// for all of them. That there was no room to ask is no answer.
    fn is_fresh(&self, now: Instant) -> bool {
        match self {
            Known::Asked(lookup) => lookup.upgrade().is_some(),
            Known::Answered { found, at } => {
                let kept = match found {
                    Ok(_) => limits::DNS_KEPT,
                    Err(LookupFailed::Busy) => Duration::ZERO,
                    Err(_) => limits::DNS_FAILURE_KEPT,
                };
                now.saturating_duration_since(*at) < kept
            }
        }
    }
}

const LOOKUP: Work = Work::slow("dns.lookup");

impl Dns {
    /// The addresses of a name, in the resolver's order. An address is its own.
    pub(super) fn lookup(
        &self,
        context: &GuestContext,
        request: Option<u64>,
        name: &str,
    ) -> impl Future<Output = Found> + Send + use<> {
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return std::future::ready(Ok(Arc::from([address]))).left_future();
        }
        if !is_name(name) {
            let invalid = LookupFailed::Invalid("not a host name".to_owned());
            return std::future::ready(Err(invalid)).left_future();
        }
        let name = name.to_ascii_lowercase();
        let now = Instant::now();
        let mut names = self.names.lock().expect("names");
        match names.get(&name).filter(|known| known.is_fresh(now)) {
            Some(Known::Answered { found, .. }) => {
                return std::future::ready(found.clone()).left_future();
            }
            Some(Known::Asked(lookup)) => {
                if let Some(lookup) = lookup.upgrade() {
                    return lookup.right_future();
                }
            }
            None => {}
        }
        if names.len() >= limits::DNS_NAMES_MAX {
            names.retain(|_, known| known.is_fresh(now));
            if names.len() >= limits::DNS_NAMES_MAX {
                names.clear();
            }
        }
        let lookup = self.ask(context, request, name.clone()).boxed().shared();
        if let Some(asked) = lookup.downgrade() {
            names.insert(name, Known::Asked(asked));
        }
        lookup.right_future()
    }

    fn ask(
        &self,
        context: &GuestContext,
        request: Option<u64>,
        name: String,
    ) -> impl Future<Output = Found> + Send + use<> {
        let (names, asked) = (self.names.clone(), name.clone());
        let work = LOOKUP.for_request(request);
        let pending = context.remote.host_thread(&context.queue, work, move || resolve(&asked));
        async move {
            let found = pending.await.unwrap_or_else(|refused| Err(refused.into()));
            let answered = Known::Answered { found: found.clone(), at: Instant::now() };
            names.lock().expect("names").insert(name, answered);
            found
        }
    }
}

/// RFC 1123 names, and `_` which is met in private zones.
fn is_name(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    !name.is_empty() && name.len() <= limits::DNS_NAME_BYTES_MAX && name.bytes().all(is_plain)
}

#[expect(clippy::disallowed_methods, reason = "runs on a host thread")]
fn resolve(name: &str) -> Found {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in (name, 0).to_socket_addrs()? {
        if !addresses.contains(&address.ip()) && addresses.len() < limits::DNS_ADDRESSES_MAX {
            addresses.push(address.ip());
        }
    }
    if addresses.is_empty() { Err(LookupFailed::NotFound) } else { Ok(addresses.into()) }
}

pub(super) fn link(
    linker: &mut Linker<GuestState>,
    generation: Generation,
) -> wasmtime::Result<()> {
    let mut dns = Interface::new(linker, generation, "dns")?;
    dns.suspending("lookup", LOOKUP.operation, |state, (name,): (String,)| {
        let context = &state.context;
        let request = state.asking.map(|request| request.0);
        let granted = context.granted.dns;
        let lookup = granted.then(|| context.dns.lookup(context, request, &name));
        Ok(async {
            let found = lookup.ok_or(LookupFailed::Denied)?.await?;
            Ok::<_, LookupFailed>(found.iter().map(IpAddr::to_string).collect::<Vec<_>>())
        })
    })
}
