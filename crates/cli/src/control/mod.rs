//! How several `sma` share one device: whoever has the state directory serves the others over a socket in it.
//!
//! `host` owns the driver and does what is ordered. `device` is what commands use: it is the host of its own process, or a
//! connection to the host of another one, and a command does not notice which. `wire` is what travels between processes.

mod device;
mod host;
mod news;
mod order;
#[cfg(unix)]
mod socket;
#[cfg(unix)]
mod wire;

pub(crate) use device::{Device, Follower};
use host::{Host, Stop};
pub(crate) use news::{News, Told};
pub(crate) use order::Order;

/// Whether a process that has the device serves the others.
#[cfg(unix)]
pub(crate) async fn is_served(directory: &std::path::Path) -> bool {
    socket::is_served(directory).await
}

/// Whether a process that has the device serves the others: none does here.
#[cfg(not(unix))]
pub(crate) async fn is_served(_: &std::path::Path) -> bool {
    false
}
