//! Owns where a server's sockets come from: from systemd, from the process whose place it takes, or they
//! are bound.

use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;

use super::StartError;
use super::handover::Predecessor;
use crate::config::Config;
use crate::wire;

/// The sockets of a server.
pub(super) struct Listeners {
    /// Those of the loops: several for one loop, or one for several, when the process before had another
    /// number of loops.
    pub(super) public: Vec<TcpListener>,
    /// That of operators.
    pub(super) admin: Option<TcpListener>,
    /// The process that has had them, and serves until it is told.
    pub(super) predecessor: Option<Predecessor>,
    /// Addresses at which that process listens and this one will not.
    pub(super) given_up: Vec<SocketAddr>,
}

impl Listeners {
    /// Takes over, or binds, what a configuration asks for.
    ///
    /// # Errors
    /// When an address is in use or not ours.
    pub(super) fn open(config: &Config) -> Result<Self, StartError> {
        let mut inherited = ListenFd::from_env();
        if inherited.len() > 0 {
            return Self::inherit(&mut inherited);
        }
        let predecessor = config.handover.as_deref().and_then(Predecessor::find);
        let Some((predecessor, sockets)) = predecessor else { return Self::bind(config) };
        let fits = |listener: &TcpListener, wanted: SocketAddr| {
            let has = listener.local_addr().ok();
            has.is_some_and(|has| has == wanted || (wanted.port() == 0 && has.ip() == wanted.ip()))
        };
        // A configuration that asks for other addresses now gets those.
        let is_public = sockets.public.iter().all(|one| fits(one, config.listen));
        let is_admin =
            |socket: &TcpListener| config.admin.is_some_and(|wanted| fits(socket, wanted));
        let of_public = sockets.public.first().filter(|_| !is_public);
        let of_admin = sockets.admin.as_ref().filter(|socket| !is_admin(socket));
        let lost = of_public.into_iter().chain(of_admin);
        let given_up = lost.filter_map(|socket| socket.local_addr().ok()).collect();
        let public =
            if is_public { sockets.public } else { bind_public(config.listen, config.loops)? };
        let admin = match (sockets.admin, config.admin) {
            (Some(socket), Some(wanted)) if fits(&socket, wanted) => Some(socket),
            (_, Some(wanted)) => Some(listen(wanted, false)?),
            (_, None) => None,
        };
        Ok(Listeners { public, admin, predecessor: Some(predecessor), given_up })
    }

    fn bind(config: &Config) -> Result<Self, StartError> {
        let public = bind_public(config.listen, config.loops)?;
        let admin = config.admin.map(|admin| listen(admin, false)).transpose()?;
        Ok(Listeners { public, admin, predecessor: None, given_up: Vec::new() })
    }

    /// The first socket is the public one, the second that of operators.
    fn inherit(inherited: &mut ListenFd) -> Result<Self, StartError> {
        let mut take = |index| {
            let taken = inherited.take_tcp_listener(index);
            let taken = taken.map_err(|error| StartError::System("use systemd's socket", error))?;
            taken
                .map(wire::adopt)
                .transpose()
                .map_err(|error| StartError::System("use systemd's socket", error))
        };
        let public = take(0)?.into_iter().collect();
        Ok(Listeners { public, admin: take(1)?, predecessor: None, given_up: Vec::new() })
    }

    /// Those of each loop. Where there are fewer than loops, some loops share one.
    pub(super) fn by_loop(
        public: &[TcpListener],
        loops: usize,
    ) -> Result<Vec<Vec<TcpListener>>, StartError> {
        let mut by_loop: Vec<Vec<TcpListener>> = (0..loops).map(|_| Vec::new()).collect();
        for place in 0..public.len().max(loops) {
            let copy = public[place % public.len()].try_clone();
            let copy = copy.map_err(|error| StartError::System("share a socket", error))?;
            by_loop[place % loops].push(copy);
        }
        Ok(by_loop)
    }
}

fn bind_public(address: SocketAddr, loops: usize) -> Result<Vec<TcpListener>, StartError> {
    let several = loops > 1;
    // Without SO_REUSEPORT first, so that an address in use is noticed.
    if several && address.port() != 0 {
        listen(address, false)?;
    }
    let first = listen(address, several)?;
    let address = first.local_addr().map_err(|error| StartError::Listen(address, error))?;
    let mut listeners = vec![first];
    for _ in 1..loops {
        listeners.push(listen(address, true)?);
    }
    Ok(listeners)
}

fn listen(address: SocketAddr, shared: bool) -> Result<TcpListener, StartError> {
    wire::bind(address, shared).map_err(|error| StartError::Listen(address, error))
}
