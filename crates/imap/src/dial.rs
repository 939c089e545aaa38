//! From an address to a connection: TCP, TLS (RFC 8314), login.

use std::{
    fmt, fs, io,
    path::Path,
    sync::{Arc, OnceLock},
};

use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
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

/// Certificates of authorities that this process trusts beside those of the system.
static ALSO_TRUSTED: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();

/// Has this process trust the certificate authorities of a PEM file beside those of the system, from the next connection on. A second
/// file changes nothing.
///
/// # Errors
/// [`Error::File`] if it cannot be read or holds no certificate. No effect.
pub fn trust(file: &Path) -> Result<(), Error> {
    let failed = |what, source| Error::File { what, path: file.to_owned(), source };
    let octets = fs::read(file).map_err(|error| failed("read", error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&octets).collect();
    let none = || {
        failed("find certificates in PEM in", io::Error::new(io::ErrorKind::InvalidData, "there are none"))
    };
    let found = found.ok().filter(|found| !found.is_empty()).ok_or_else(none)?;
    let _ = ALSO_TRUSTED.set(found);
    Ok(())
}

/// TLS 1.2 or 1.3, trusting what this system trusts.
fn tls_config() -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let also = ALSO_TRUSTED.get().cloned().unwrap_or_default();
    let (usable, _) = roots.add_parsable_certificates(found.certs.into_iter().chain(also));
    if usable == 0 {
        let why = "this system has no certificate authorities that TLS could trust: install its package ca-certificates";
        return Err(Error::Connection(why.to_owned()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Connection(format!("TLS cannot be set up: {error}")))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_named_and_trusts_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        for (text, says) in [
            (None, "cannot read"),
            (Some("none"), "there are none"),
            (Some("-----BEGIN CERTIFICATE-----\nAA"), "there are none"),
        ] {
            if let Some(text) = text {
                fs::write(&file, text).unwrap();
            }
            let why = trust(&file).unwrap_err().to_string();
            assert!(why.contains(says) && why.contains("ca.pem"), "{why}");
        }
        assert_eq!(ALSO_TRUSTED.get(), None);
    }
}
