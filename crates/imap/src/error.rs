//! What goes wrong outside the protocol, as sentences: what, where, what to do.

use std::path::PathBuf;

use sma_core::{InputError, RestoreError};

use crate::Unreachable;

/// Why something could not be done. No variant holds a secret. None changed the saved state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server's address cannot be used. No effect.
    #[error("{0}")]
    Address(String),
    /// The server is not reached. No effect.
    #[error("cannot use the mail server {server}: {why}")]
    Unreachable {
        /// The server, as `host:port`.
        server: String,
        /// Why, by what can be done about it.
        why: Unreachable,
    },
    /// The server takes no login at this time; it says nothing about the password. No effect.
    #[error("{server} takes no login now: {text}; it is not the password, so try again later")]
    Busy {
        /// The server, as `host:port`.
        server: String,
        /// What the server said.
        text: String,
    },
    /// There is no usable connection to the server. No effect.
    #[error("{0}")]
    Connection(String),
    /// The server was reached and refused the login. No effect.
    #[error("{server} refused the login of {login}: {text}; check the login name and the password")]
    Login {
        /// The server, as `host:port`.
        server: String,
        /// The login name.
        login: String,
        /// What the server said.
        text: String,
    },
    /// An operation kept failing until the time was up. What was done so far is saved; the same call goes on from there.
    #[error("{op} failed on the server: {reason}; run it again later")]
    Trouble {
        /// The operation, in a word of IMAP.
        op: &'static str,
        /// What came of it.
        reason: String,
    },
    /// Another process uses the state. No effect.
    #[error("another process is using {}; wait for it to end, or stop it", .0.display())]
    Locked(PathBuf),
    /// The state cannot be read or written. No effect on the saved state.
    #[error("cannot {what} {}: {source}", .path.display())]
    File {
        /// What was tried: `read`, `write` …
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The saved state was read and cannot be used; the file is left as it is. No effect.
    #[error("{source}; {} is left as it is: move it away to begin anew as another device", .path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: RestoreError,
    },
    /// The system gives no randomness. No effect.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The driver broke the core's contract. The state is the last one saved.
    #[error("internal error: {0}; please report it")]
    Contract(InputError),
}
