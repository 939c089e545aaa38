#![doc = include_str!("../README.md")]

mod parse;
mod render;
mod setup;

pub use parse::{CONTENT_TYPES_MAX, MARKER_BYTES_MAX, MARKS_MAX, MESSAGE_BYTES_MAX, Parsed, parse};
pub use render::{Text, render};
pub use setup::{NoSetupMessage, SetupMail, SetupText, parse_setup_message, render_setup_message};

/// The header that marks a message as one of the archive (requirement R9).
pub const MARKER: &str = "Autocrypt-SMA";

/// The version of the format that is written and read: the `v` of [`MARKER`].
const VERSION: &str = "1";

/// The media type of the part that carries the body.
const MEDIA_TYPE: (&str, &str) = ("application", "autocrypt-sma");

/// The right side of every `Message-ID`; RFC 2606 section 2 keeps `.invalid` from ever being a mail domain.
const DOMAIN: &str = "autocrypt-sma.invalid";
