//! Owns the making of an outbound connection: addresses, TCP, TLS, and hyper on top.

use std::net::SocketAddr;

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
        resolve: Resolve,
    ) -> Result<Sender, SendFailed> {
        let place = self.pool.place(key.party).ok_or(SendFailed::Busy)?;
        let addresses = resolve().await?;
        let stream = self.connect_to_one(&addresses).await?;
        let transport = match &self.tls {
            _ if !key.origin.is_secure => Transport::Plain(stream),
            Some(tls) => {
                let secured = tls.connect(&key.origin.host, stream).await;
                Transport::Secured(Box::new(secured.map_err(SendFailed::Tls)?))
            }
            None => return Err(SendFailed::Prohibited),
        };
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(limits::CONNECTION_BUFFER_BYTES_MAX)
            .max_headers(limits::HEADER_COUNT_MAX)
            .handshake(transport)
            .await?;
        self.handle.spawn(async move {
            // Whoever uses it is told by the request or the body.
            let _ = connection.await;
            drop(place);
        });
        Ok(sender)
    }

    /// One address after the other; the last failure counts.
    async fn connect_to_one(&self, addresses: &[SocketAddr]) -> Result<TcpStream, SendFailed> {
        let mut failed = SendFailed::NotFound;
        for address in addresses.iter().take(limits::OUTBOUND_ADDRESSES_TRIED) {
            match self.handle.connect(*address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = SendFailed::Refused(error),
            }
        }
        Err(failed)
    }
}
