//! Owns the making of an outbound connection: addresses, TCP, TLS, and hyper on top.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use hyper::client::conn::http1;

use super::pool::{PoolKey, Sender};
use super::transport::Transport;
use super::{Office, Resolve, SendFailed};
use crate::event_loop::TcpStream;
use crate::limits;

impl Office {
    /// Connects to an origin; the connection lives on in a task of its own.
    pub(super) async fn connect(
        &self,
        key: &PoolKey,
        connections_max: usize,
        resolve: Resolve,
        patience: Duration,
    ) -> Result<Sender, SendFailed> {
        let place = self.pool.place(key.party, connections_max)?;
        let addresses = resolve().await?;
        let stream = self.connect_to_one(&addresses, patience).await?;
        let transport = match self.tls.get() {
            _ if !key.origin.is_secure => Transport::Plain(stream),
            Some(tls) => {
                let secured = tls.connect(&key.origin.host, stream).await;
                Transport::Secured(Box::new(secured.map_err(SendFailed::Tls)?))
            }
            None => return Err(SendFailed::Prohibited),
        };
        let (request, connection) = http1::Builder::new()
            .max_buf_size(limits::CONNECTION_BUFFER_BYTES_MAX)
            .max_headers(limits::HEADER_COUNT_MAX)
            .handshake(transport)
            .await?;
        let (sender, unwanted) = Sender::new(request);
        let handle = self.handle.clone();
        self.handle.spawn(async move {
            // One that no one wants any more gets a moment to say goodbye: the other side may take
            // nothing any more.
            let unwanted = async {
                let _ = unwanted.await;
                handle.sleep_until(handle.now() + limits::LINGER).await;
            };
            // Whoever uses it is told by the request or the body.
            let _ = select(connection, pin!(unwanted)).await;
            drop(place);
        });
        Ok(sender)
    }

    /// One address after the other, each with its part of the time, so that one that swallows
    /// everything leaves some to the next; the last failure counts.
    async fn connect_to_one(
        &self,
        addresses: &[SocketAddr],
        patience: Duration,
    ) -> Result<TcpStream, SendFailed> {
        let tried = addresses.len().min(limits::OUTBOUND_ADDRESSES_TRIED);
        let patience = patience / tried.max(1) as u32;
        let mut failed = SendFailed::NotFound;
        for address in &addresses[..tried] {
            let alarm = self.handle.sleep_until(self.handle.now() + patience);
            match select(pin!(self.handle.connect(*address)), alarm).await {
                Either::Left((Ok(stream), _)) => return Ok(stream),
                Either::Left((Err(error), _)) => failed = SendFailed::Refused(error),
                Either::Right(_) => failed = SendFailed::ConnectTimeout,
            }
        }
        Err(failed)
    }
}
