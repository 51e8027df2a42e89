//! Owns what a program that has Hob in it adds to what its guests may import.

use std::any::{Any, type_name};
use std::sync::Arc;

use wasmtime::component::Linker;

use super::waiting::Waiting;
use super::{GuestContext, GuestState};

/// Imports of a product's own, for the components it lets run. What is added here counts as granted.
///
/// `wasmtime::component::bindgen!` makes traits of the imports of the product's world; the state of an
/// instance implements them, and [`Extension::link`] joins the two. What the world exports is called by
/// [`Plugin::call`](crate::Plugin::call).
///
/// ```no_run
/// use hob::wasmtime::component::{HasSelf, Linker};
/// use hob::{CallError, Extension, GuestState, Host, NewGuest, Plugin, wasmtime};
///
/// wasmtime::component::bindgen!({
///     inline: "
///         package my:product;
///         world discounts {
///             import catalog: interface { price: func(article: string) -> u64; }
///             export discount: func(article: string) -> u64;
///         }
///     ",
///     exports: { default: async },
///     require_store_data_send: true,
///     wasmtime_crate: hob::wasmtime,
/// });
///
/// struct Product;
/// struct PerInstance {
///     plugin: String,
/// }
///
/// impl catalog::Host for PerInstance {
///     fn price(&mut self, article: String) -> u64 {
///         println!("{} asks for {article}", self.plugin);
///         450
///     }
/// }
///
/// impl Extension for Product {
///     type State = PerInstance;
///
///     fn link(&self, linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
///         Discounts::add_to_linker::<_, HasSelf<PerInstance>>(linker, |guest| guest.extension())
///     }
///
///     fn state(&self, guest: NewGuest<'_>) -> PerInstance {
///         PerInstance { plugin: guest.of.name.to_owned() }
///     }
/// }
///
/// async fn discount(plugin: &Plugin, article: String) -> Result<u64, CallError> {
///     plugin
///         .call(async move |store, instance| {
///             let plugin = Discounts::new(&mut *store, &instance)?;
///             plugin.call_discount(store, &article).await
///         })
///         .await
/// }
///
/// # fn main() {
/// let host = Host::builder().extension(Product).start().expect("a host");
/// # }
/// ```
///
/// A function that waits must be async, for what it would block is the loop and all guests on it.
pub trait Extension: Send + Sync + 'static {
    /// What the product keeps for each instance. A new one is made with the instance, and dropped
    /// with it.
    type State: Send + 'static;

    /// Adds the product's functions. Called once for each component that is loaded.
    ///
    /// # Errors
    /// When a name is taken: the component is then not loaded.
    fn link(&self, linker: &mut Linker<GuestState>) -> wasmtime::Result<()>;

    /// The state of a new instance. Runs on the loop.
    fn state(&self, guest: NewGuest<'_>) -> Self::State;
}

/// Whose instance it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestName<'a> {
    /// The tenant it belongs to.
    pub tenant: &'a str,
    /// The name of the plug-in or the handler.
    pub name: &'a str,
}

/// An instance that is made.
pub struct NewGuest<'a> {
    /// Whose it is.
    pub of: GuestName<'a>,
    /// What functions of the extension wait with. What blocks has the turn of the tenant.
    pub waiting: Waiting,
}

/// What is added for guests: nothing, or a product's [`Extension`]. Cheap to clone.
#[derive(Clone, Default)]
pub struct Additions(Option<Arc<dyn Erased>>);

/// An [`Extension`] whose state may be of any type.
trait Erased: Send + Sync {
    fn link(&self, linker: &mut Linker<GuestState>) -> wasmtime::Result<()>;
    fn state(&self, guest: NewGuest<'_>) -> Box<dyn Any + Send>;
}

impl<E: Extension> Erased for E {
    fn link(&self, linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
        Extension::link(self, linker)
    }

    fn state(&self, guest: NewGuest<'_>) -> Box<dyn Any + Send> {
        Box::new(Extension::state(self, guest))
    }
}

impl Additions {
    /// What this extension adds.
    pub fn of(extension: impl Extension) -> Self {
        Additions(Some(Arc::new(extension)))
    }

    pub(super) fn link(&self, linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
        self.0.as_ref().map_or(Ok(()), |extension| extension.link(linker))
    }

    /// The state of a new instance of the guest that this context is of.
    pub(super) fn state(&self, context: &GuestContext) -> Option<Box<dyn Any + Send>> {
        let extension = self.0.as_ref()?;
        let of = GuestName { tenant: context.tenant.name(), name: &context.name };
        let waiting = Waiting::new(context.remote.clone(), context.queue.clone());
        Some(extension.state(NewGuest { of, waiting }))
    }
}

impl GuestState {
    /// What the product keeps for this instance.
    ///
    /// # Panics
    /// When the host has no [`Extension`], or one whose state is of another type.
    pub fn extension<T: 'static>(&mut self) -> &mut T {
        let state = self.extension.as_mut().and_then(|state| state.downcast_mut());
        state.unwrap_or_else(|| panic!("no extension with {} as its state", type_name::<T>()))
    }
}
