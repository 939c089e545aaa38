//! Why a server is not reached, told apart by what a person can do about it.

use std::io;

use tokio_rustls::rustls::{self, CertificateError, InvalidMessage};

/// Why a server is not reached.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unreachable {
    /// The name has no address.
    #[error(
        "no server of this name is known; check how it is spelt, and whether this computer is on the network"
    )]
    NoHost,
    /// A computer is there and takes no connections at this port.
    #[error("nothing takes connections at this port; check the port, 993 as a rule")]
    Refused,
    /// Nothing answered in time.
    #[error("nothing answers; check the name and the port, and whether a firewall stands in between")]
    Silent,
    /// There is no way to it from here.
    #[error("{0}; check whether this computer is on the network")]
    Network(String),
    /// What listens there speaks without TLS at first.
    #[error(
        "this port does not begin with TLS; ports that imaps:// is for do, 993 as a rule, and port 143 does not"
    )]
    NoTls,
    /// What listens there waits for TLS, or is no mail server.
    #[error("it says nothing; if this port begins with TLS, as 993 does, write imaps:// in place of imap://")]
    NoGreeting,
    /// Nobody that this system trusts vouches for the certificate.
    #[error(
        "nobody that this computer trusts vouches for its certificate; if the server is your own or your organisation's, name the file \
         of its certificate authority in SSL_CERT_FILE, and if it is not, somebody may stand in between"
    )]
    UnknownAuthority,
    /// The certificate is for other names.
    #[error("its certificate is for other names; write the name by which the provider calls the server")]
    OtherName,
    /// The certificate has ended, by this computer's clock.
    #[error(
        "its certificate has ended, if this computer's clock is right; set the clock, or tell the provider"
    )]
    Ended,
    /// The certificate is not good yet, by this computer's clock.
    #[error("its certificate begins in the future, so this computer's clock is slow; set it")]
    NotYet,
    /// TLS failed in another way.
    #[error("TLS fails ({0}); the server may be too old")]
    Tls(String),
}

impl Unreachable {
    /// Why no connection came about.
    pub(crate) fn of_connecting(error: &io::Error) -> Self {
        let is = |kind| error.kind() == kind;
        if is(io::ErrorKind::ConnectionRefused) {
            Self::Refused
        } else if is(io::ErrorKind::TimedOut) {
            Self::Silent
        } else {
            Self::Network(error.to_string())
        }
    }

    /// Why no TLS came about.
    pub(crate) fn of_tls(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner {
            Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => Self::NoTls,
            Some(rustls::Error::InvalidCertificate(why)) => Self::of_certificate(why),
            Some(other) => Self::Tls(other.to_string()),
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::NoTls,
            None => Self::Network(error.to_string()),
        }
    }

    fn of_certificate(why: &CertificateError) -> Self {
        match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Ended,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYet,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::OtherName
            }
            // A certificate that signed itself is told by the verifier as one that is used as an authority.
            CertificateError::UnknownIssuer | CertificateError::Other(_) => Self::UnknownAuthority,
            CertificateError::BadEncoding
            | CertificateError::Revoked
            | CertificateError::BadSignature
            | CertificateError::InvalidPurpose
            | _ => Self::Tls(why.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio_rustls::rustls::OtherError;

    use super::*;

    fn tls(error: rustls::Error) -> Unreachable {
        Unreachable::of_tls(&io::Error::new(io::ErrorKind::InvalidData, error))
    }

    #[test]
    fn what_a_person_can_do_about_a_certificate_is_told_apart() {
        let certificate = |why| tls(rustls::Error::InvalidCertificate(why));
        let itself = CertificateError::Other(OtherError(Arc::new(io::Error::other("CaUsedAsEndEntity"))));
        for (why, told, word) in [
            (CertificateError::UnknownIssuer, Unreachable::UnknownAuthority, "SSL_CERT_FILE"),
            (itself, Unreachable::UnknownAuthority, "SSL_CERT_FILE"),
            (CertificateError::NotValidForName, Unreachable::OtherName, "other names"),
            (CertificateError::Expired, Unreachable::Ended, "clock"),
            (CertificateError::NotValidYet, Unreachable::NotYet, "clock"),
        ] {
            let unreachable = certificate(why);
            assert_eq!(unreachable, told);
            assert!(unreachable.to_string().contains(word), "{unreachable}");
        }
        assert_eq!(
            tls(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)),
            Unreachable::NoTls
        );
    }

    #[test]
    fn a_port_where_nothing_is_and_a_network_that_is_not_there_are_told_apart() {
        let of = |kind: io::ErrorKind| Unreachable::of_connecting(&kind.into());
        assert_eq!(of(io::ErrorKind::ConnectionRefused), Unreachable::Refused);
        assert_eq!(of(io::ErrorKind::TimedOut), Unreachable::Silent);
        assert!(matches!(of(io::ErrorKind::NetworkUnreachable), Unreachable::Network(_)));
    }
}
