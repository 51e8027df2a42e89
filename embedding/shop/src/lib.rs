//! A small product with third-party plug-ins, with Hob in it: a shop whose discounts and suggestions
//! come from components that others have written.
//!
//! A plug-in may be wrong, or hostile. It gets what `wit/shop.wit` gives it and nothing else, 50 ms of the
//! processor and 16 MiB of memory for a cart, and a quarter of a second in all; a receipt is made
//! whatever it does.

mod bindings;
mod imports;
mod stock;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hob::{
    BuildError, CallError, GuestLimits, Host, HostBuilder, HostHandle, LoadError, Plugin,
    PluginPlan,
};

use bindings::{discounts, suggestions};
use imports::Imports;

pub use bindings::discounts::shop::plugins::cart::Line;
pub use imports::Journal;
pub use stock::Stock;

/// What a plug-in may use for one cart.
pub const LIMITS: GuestLimits = GuestLimits {
    memory_bytes: 16 << 20,
    cpu: Duration::from_millis(50),
    wall: Duration::from_millis(250),
};

/// The shop, with the plug-ins that it has installed.
pub struct Shop {
    host: HostHandle,
    stock: Arc<Stock>,
    discounts: Vec<Plugin>,
    suggestions: Vec<Plugin>,
}

/// What a customer is told.
#[derive(Debug, Default)]
pub struct Receipt {
    /// Cents, without the discounts.
    pub sum: u64,
    /// Each discount: from which plug-in, and how many cents.
    pub discounts: Vec<(String, u64)>,
    /// What else there is.
    pub suggestions: Vec<String>,
    /// The plug-ins that gave nothing, and why.
    pub without: Vec<(String, String)>,
}

impl Receipt {
    /// Cents to be paid.
    pub fn to_pay(&self) -> u64 {
        let off: u64 = self.discounts.iter().map(|(_, cents)| cents).sum();
        self.sum.saturating_sub(off)
    }
}

impl Shop {
    /// The host that the shop's plug-ins live on.
    ///
    /// # Errors
    /// When the machine refuses it.
    pub fn host(stock: &Arc<Stock>, journal: &Journal) -> Result<Host, BuildError> {
        Self::builder(stock, journal).build()
    }

    /// What that host is built of.
    pub fn builder(stock: &Arc<Stock>, journal: &Journal) -> HostBuilder {
        let imports = Imports { stock: stock.clone(), journal: journal.clone() };
        Host::builder().limits(LIMITS).extension(imports)
    }

    /// A shop without plug-ins yet.
    pub fn new(host: HostHandle, stock: Arc<Stock>) -> Self {
        Shop { host, stock, discounts: Vec::new(), suggestions: Vec::new() }
    }

    /// Installs a plug-in for discounts, or a new version of one.
    ///
    /// # Errors
    /// When it cannot be one: the version before then stays.
    pub async fn install_discount(&mut self, name: &str, file: &Path) -> Result<(), LoadError> {
        let plugin = self.host.load(PluginPlan::file(name, file)).await?;
        put(&mut self.discounts, plugin);
        Ok(())
    }

    /// The same for suggestions.
    ///
    /// # Errors
    /// When it cannot be one: the version before then stays.
    pub async fn install_suggestion(&mut self, name: &str, file: &Path) -> Result<(), LoadError> {
        let plugin = self.host.load(PluginPlan::file(name, file)).await?;
        put(&mut self.suggestions, plugin);
        Ok(())
    }

    /// Makes the receipt of a cart. No plug-in can keep it from being made.
    pub async fn check_out(&self, cart: &[Line]) -> Receipt {
        let price =
            |line: &Line| self.stock.price(&line.sku).unwrap_or(0) * u64::from(line.quantity);
        let mut receipt = Receipt { sum: cart.iter().map(price).sum(), ..Receipt::default() };
        for plugin in &self.discounts {
            let name = plugin.name().to_owned();
            match discount(plugin, cart.to_vec()).await {
                Ok(Ok(cents)) => receipt.discounts.push((name, cents)),
                Ok(Err(why)) => receipt.without.push((name, why)),
                Err(error) => receipt.without.push((name, error.to_string())),
            }
        }
        for plugin in &self.suggestions {
            match suggest(plugin, cart.to_vec()).await {
                Ok(more) => receipt.suggestions.extend(more),
                Err(error) => receipt.without.push((plugin.name().to_owned(), error.to_string())),
            }
        }
        receipt
    }
}

/// A new version of a plug-in has the name of the one before, and its place.
fn put(plugins: &mut Vec<Plugin>, plugin: Plugin) {
    plugins.retain(|other| other.name() != plugin.name());
    plugins.push(plugin);
}

/// Asks one plug-in for cents to take off. The inner error is the plug-in's own.
///
/// # Errors
/// When it comes down, or has used up a limit.
pub async fn discount(plugin: &Plugin, cart: Vec<Line>) -> Result<Result<u64, String>, CallError> {
    plugin
        .call(async move |store, instance| {
            let plugin = discounts::Discounts::new(&mut *store, &instance)?;
            plugin.call_discount(store, &cart).await
        })
        .await
}

/// The same of the other kind.
async fn suggest(plugin: &Plugin, cart: Vec<Line>) -> Result<Vec<String>, CallError> {
    plugin
        .call(async move |store, instance| {
            let plugin = suggestions::Suggestions::new(&mut *store, &instance)?;
            store.run_concurrent(async |accessor| plugin.call_suggest(accessor, cart).await).await?
        })
        .await
}
