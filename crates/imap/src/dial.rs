//! From an address to a connection: TCP, TLS (RFC 8314), login.

use std::{fmt, sync::Arc};

use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

use crate::{
    Account, Error, Unreachable,
    connection::{CONNECT_TIME, Connection},
    stream::Wire,
};

/// Where connections come from.
#[derive(Default)]
pub(crate) struct Dialer {
    /// Streams in memory instead of the network, for tests.
    #[cfg(test)]
    streams: Option<Box<dyn FnMut() -> Box<dyn Wire> + Send>>,
}

impl Dialer {
    #[cfg(test)]
    pub(crate) fn within(streams: impl FnMut() -> Box<dyn Wire> + Send + 'static) -> Self {
        Self { streams: Some(Box::new(streams)) }
    }

    /// Connects and logs in.
    pub(crate) async fn dial(&mut self, account: &Account) -> Result<Connection, Error> {
        #[cfg(test)]
        if let Some(streams) = &mut self.streams {
            return Connection::log_in(streams(), account).await;
        }
        dial(account).await
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialer")
    }
}

/// Connects and logs in over the network.
pub(crate) async fn dial(account: &Account) -> Result<Connection, Error> {
    let server = &account.server;
    let unreachable = |why| Error::Unreachable { server: server.shown(), why };
    let found = timeout(CONNECT_TIME, lookup_host((server.host.as_str(), server.port))).await;
    let found: Vec<_> = match found {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    };
    if found.is_empty() {
        return Err(unreachable(Unreachable::NoHost));
    }
    let tcp = timeout(CONNECT_TIME, TcpStream::connect(&*found)).await;
    let tcp = tcp.map_err(|_| unreachable(Unreachable::Silent))?;
    let tcp = tcp.map_err(|error| unreachable(Unreachable::of_connecting(&error)))?;
    // Commands are short and each waits for its answer.
    tcp.set_nodelay(true).map_err(|error| unreachable(Unreachable::Network(error.to_string())))?;
    let wire: Box<dyn Wire> = if server.tls {
        let name = ServerName::try_from(server.host.clone()).map_err(|_| unreachable(Unreachable::NoHost))?;
        let connector = TlsConnector::from(Arc::new(tls_config()?));
        let tls = timeout(CONNECT_TIME, connector.connect(name, tcp)).await;
        let tls = tls.map_err(|_| unreachable(Unreachable::NoTls))?;
        Box::new(tls.map_err(|error| unreachable(Unreachable::of_tls(&error)))?)
    } else {
        Box::new(tcp)
    };
    Connection::log_in(wire, account).await
}

/// TLS 1.2 or 1.3, trusting what this system trusts.
fn tls_config() -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        let why = "this system has no certificate authorities that TLS could trust: install its package ca-certificates";
        return Err(Error::Connection(why.to_owned()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Connection(format!("TLS cannot be set up: {error}")))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
