//! Where the mail account is: `imaps://login@host:port`.

use std::net::IpAddr;

use fluent_uri::Uri;
use sma_core::Secret;

use crate::Error;

const PORT_TLS: u16 = 993;
const PORT_PLAIN: u16 = 143;

/// A mail server and who logs in there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// A DNS name or an IP address, an IPv6 one without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// Whether TLS begins with the connection (RFC 8314 section 3).
    pub tls: bool,
    /// The login name, decoded.
    pub login: String,
}

impl Address {
    /// Reads `imaps://login@host[:port]`. `imap://` sends the password in clear, so it is taken only for this very machine
    /// or if `insecure` says so. A login name that holds an `@` may be written plainly or as `%40`.
    ///
    /// # Errors
    /// [`Error::Address`] with a sentence. No effect.
    ///
    /// ```
    /// use sma_imap::Address;
    /// let address = Address::parse("imaps://anna%40example.org@mail.example.org", false).unwrap();
    /// assert_eq!((address.login.as_str(), address.port), ("anna@example.org", 993));
    /// assert!(Address::parse("imap://anna@mail.example.org", false).is_err());
    /// ```
    pub fn parse(url: &str, insecure: bool) -> Result<Self, Error> {
        let wrong = |why: &str| {
            Error::Address(format!(
                "{url} is no address of a mail server ({why}): write imaps://login@host:port"
            ))
        };
        let written = at_signs_encoded(url);
        let uri = Uri::parse(written.as_str()).map_err(|_| wrong("not a URL"))?;
        let tls = match uri.scheme().as_str().to_ascii_lowercase().as_str() {
            "imaps" => true,
            "imap" => false,
            _ => return Err(wrong("neither imaps nor imap")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("no host"))?;
        let login = authority.userinfo().ok_or_else(|| wrong("no login name"))?;
        if login.as_str().contains(':') {
            let why = "the address may not hold a password: leave it out, it is asked for";
            return Err(Error::Address(why.to_owned()));
        }
        let login = login.decode().to_string().map_err(|_| wrong("a login name that is not UTF-8"))?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let rest = uri.path().as_str().trim_matches('/').is_empty() && uri.query().is_none();
        if login.is_empty() || login.contains(char::is_control) || host.is_empty() || !rest {
            return Err(wrong("a login name and a host, and nothing behind them, are needed"));
        }
        let ip = host.parse::<IpAddr>().ok();
        let loopback = ip.map_or(host.eq_ignore_ascii_case("localhost"), |ip| ip.is_loopback());
        if !tls && !loopback && !insecure {
            let why = format!("imap:// would send the password to {host} in clear: use imaps://");
            return Err(Error::Address(why));
        }
        let port = authority.port_to_u16().map_err(|_| wrong("a port above 65535"))?;
        let port = port.unwrap_or(if tls { PORT_TLS } else { PORT_PLAIN });
        Ok(Self { host, port, tls, login: login.into_owned() })
    }

    /// `host:port`, for people; an IPv6 address stands in brackets.
    #[must_use]
    pub fn shown(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// All `@` of the authority but the last belong to the login name.
fn at_signs_encoded(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((login, host)) => format!("{scheme}://{}@{host}{tail}", login.replace('@', "%40")),
        None => url.to_owned(),
    }
}

/// A mail server with what opens it.
#[derive(Clone, Debug)]
pub struct Account {
    /// The server and the login name.
    pub server: Address,
    /// The password, UTF-8.
    pub password: Secret,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, Error> {
        Address::parse(url, false)
    }

    #[test]
    fn a_mail_address_as_login_name_is_read_encoded_or_plain() {
        for url in ["imaps://anna%40example.org@host:1993", "imaps://anna@example.org@host:1993"] {
            let address = parse(url).unwrap();
            let wanted =
                Address { host: "host".into(), port: 1993, tls: true, login: "anna@example.org".into() };
            assert_eq!(address, wanted);
        }
    }

    #[test]
    fn a_server_is_shown_as_it_is_written() {
        for (url, shown) in
            [("imaps://a@[::1]:1993", "[::1]:1993"), ("imaps://a@mail.example.org", "mail.example.org:993")]
        {
            assert_eq!(parse(url).unwrap().shown(), shown);
        }
    }

    #[test]
    fn an_unencrypted_connection_is_taken_only_to_this_machine_or_when_asked_for() {
        for url in ["imap://a@localhost", "imap://a@127.0.0.1:1143", "imap://a@[::1]:1143"] {
            assert!(!parse(url).unwrap().tls, "{url}");
        }
        assert!(parse("imap://a@localhost.example.org").is_err());
        assert_eq!(Address::parse("imap://a@mail.example.org", true).unwrap().port, 143);
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_sentence() {
        for url in [
            "",
            "host",
            "imaps://host",
            "imaps://@host",
            "https://a@host",
            "imaps://a@host:99999",
            "imaps://a@host/INBOX",
            "imaps://a@",
            "imaps://a%0d%0a@host",
            "imaps://a b@host",
        ] {
            let error = parse(url).unwrap_err().to_string();
            assert!(error.contains("imaps://login@host"), "{error}");
        }
    }

    #[test]
    fn a_password_in_the_address_is_refused_and_not_repeated() {
        let error = parse("imaps://anna:hunter2@host").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
