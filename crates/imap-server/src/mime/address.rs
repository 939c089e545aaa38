//! Address lists in an ENVELOPE (RFC 3501 section 7.4.2).

use mail_parser::{Addr, Address, HeaderValue, parsers::MessageStream};

use crate::output;

/// Stands in an encoded word, so that it is not decoded: an ENVELOPE has it as it is.
const MASK: char = '\u{1}';

/// How many addresses of a field are told.
const ADDRESSES_MAX: usize = 1000;

/// Writes the addresses of a field's value, or NIL.
pub(crate) fn addresses(out: &mut Vec<u8>, value: Option<&[u8]>) {
    let mut list = Vec::new();
    if let Some(value) = value {
        let text = String::from_utf8_lossy(value).replace(MASK, "").replace("=?", &format!("={MASK}?"));
        let text = format!("{text}\r\n");
        match MessageStream::new(text.as_bytes()).parse_address() {
            HeaderValue::Address(Address::List(addresses)) => {
                addresses.iter().take(ADDRESSES_MAX).for_each(|one| address(&mut list, one));
            }
            HeaderValue::Address(Address::Group(groups)) => {
                for group in groups.iter().take(ADDRESSES_MAX) {
                    if let Some(name) = &group.name {
                        written(&mut list, [None, None, Some(name), None]);
                    }
                    group.addresses.iter().take(ADDRESSES_MAX).for_each(|one| address(&mut list, one));
                    if group.name.is_some() {
                        written(&mut list, [None; 4]);
                    }
                }
            }
            HeaderValue::Text(_)
            | HeaderValue::TextList(_)
            | HeaderValue::DateTime(_)
            | HeaderValue::ContentType(_)
            | HeaderValue::Received(_)
            | HeaderValue::Empty => {}
        }
    }
    if list.is_empty() {
        return out.extend_from_slice(b"NIL");
    }
    out.push(b'(');
    out.append(&mut list);
    out.push(b')');
}

fn address(out: &mut Vec<u8>, address: &Addr<'_>) {
    // What is only a comment is no address.
    let Some(whole) = address.address.as_deref().filter(|whole| !whole.is_empty()) else { return };
    let (mailbox, host) = whole.rsplit_once('@').unwrap_or((whole, ""));
    // NIL would mean the beginning or end of a group.
    written(out, [address.name.as_deref(), None, Some(mailbox), Some(host)]);
}

fn written(out: &mut Vec<u8>, parts: [Option<&str>; 4]) {
    out.push(b'(');
    for (at, part) in parts.into_iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        let part = part.map(|part| part.replace(MASK, ""));
        output::nstring(out, part.as_deref().map(str::as_bytes));
    }
    out.push(b')');
}
