#![doc = include_str!("../README.md")]

mod code;
mod config;
mod crypto;
mod ids;
mod io;
mod link;
mod muaa;
mod plausible;
mod random;
mod secret;
mod shared;
pub mod state;
mod store;
mod text;
mod time;
pub mod wire;

pub use code::{Code, Mistyped};
pub use config::Config;
pub use crypto::{AccountKey, Crypto, CryptoError, DeviceKey, PakeRun, SessionKeys, Side};
pub use ids::{Fingerprint, Hash, MuaaId, SessionId, Token};
pub use io::{
    Account, Command, Ended, Event, Gone, Ignored, Input, InputError, JoinQuestion, Output, Phase, Sibling,
};
pub use link::{Form, PairingLink};
pub use muaa::{Muaa, OfferView, RestoreError, Snapshot};
pub use secret::Secret;
/// The crate whose types tell of peers: [`Muaa::peers`], [`Muaa::recommendation`].
pub use sma_autocrypt as autocrypt;
pub use store::{Class, Content, Cursor, Envelope, Folder, Message, Op, OpError, OpId, Reply, Uid};
pub use text::{check_name, is_hidden};
pub use time::Timestamp;
