//! ENVELOPE (RFC 3501 section 7.4.2).

use super::{address::addresses, first};
use crate::output;

/// Writes the envelope of a message with this header.
pub(crate) fn envelope(out: &mut Vec<u8>, header: &[u8]) {
    let value = |name| first(header, name);
    // An empty field counts as none for the two that From stands in for.
    let or_from = |name| value(name).filter(|value| !value.is_empty()).or_else(|| value("From"));
    out.push(b'(');
    output::nstring(out, value("Date").as_deref());
    out.push(b' ');
    output::nstring(out, value("Subject").as_deref());
    for list in
        [value("From"), or_from("Sender"), or_from("Reply-To"), value("To"), value("Cc"), value("Bcc")]
    {
        out.push(b' ');
        addresses(out, list.as_deref());
    }
    for name in ["In-Reply-To", "Message-ID"] {
        out.push(b' ');
        output::nstring(out, value(name).as_deref());
    }
    out.push(b')');
}
