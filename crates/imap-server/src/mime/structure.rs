//! BODY and BODYSTRUCTURE (RFC 3501 section 7.4.2). Recursion ends with the nesting of parts, which is bounded.

use super::{Content, Node, envelope, first};
use crate::output;

/// Writes the structure of a message or part; with extension data if `extended`.
pub(crate) fn structure(out: &mut Vec<u8>, octets: &[u8], node: &Node, extended: bool) {
    let header = &octets[node.header.clone()];
    out.push(b'(');
    match &node.content {
        Content::Multipart(children) => {
            for child in children {
                structure(out, octets, child, extended);
            }
            out.push(b' ');
            let subtype = node.media.as_ref().map_or("mixed", |(_, subtype)| subtype.as_str());
            output::string(out, subtype.as_bytes());
            if extended {
                out.push(b' ');
                parameters(out, &node.parameters);
            }
        }
        Content::Leaf | Content::Message(_) => {
            single(out, octets, node, extended);
            if extended {
                out.push(b' ');
                output::nstring(out, first(header, "Content-MD5").as_deref());
            }
        }
    }
    if extended {
        out.push(b' ');
        disposition(out, node);
        out.push(b' ');
        languages(out, first(header, "Content-Language"));
        out.push(b' ');
        output::nstring(out, first(header, "Content-Location").as_deref());
    }
    out.push(b')');
}

fn single(out: &mut Vec<u8>, octets: &[u8], node: &Node, extended: bool) {
    let header = &octets[node.header.clone()];
    let body = &octets[node.body.clone()];
    let implied = match node.content {
        Content::Message(_) => ("message", "rfc822"),
        Content::Leaf | Content::Multipart(_) => ("text", "plain"),
    };
    let (kind, subtype) =
        node.media.as_ref().map_or(implied, |(kind, subtype)| (kind.as_str(), subtype.as_str()));
    // What is said to be many parts and has none is a text of no known kind.
    let (kind, subtype) = match (&node.content, kind) {
        (Content::Leaf, "multipart") => ("text", "plain"),
        (Content::Leaf, "message") if subtype == "rfc822" => ("application", "octet-stream"),
        _ => (kind, subtype),
    };
    output::string(out, kind.as_bytes());
    out.push(b' ');
    output::string(out, if subtype.is_empty() { b"octet-stream" } else { subtype.as_bytes() });
    out.push(b' ');
    let mut named = node.parameters.clone();
    // RFC 2046 section 4.1.2.
    if kind == "text" && !named.iter().any(|(name, _)| name == "charset") {
        named.push(("charset".to_owned(), "us-ascii".to_owned()));
    }
    parameters(out, &named);
    for name in ["Content-ID", "Content-Description"] {
        out.push(b' ');
        output::nstring(out, first(header, name).as_deref());
    }
    out.push(b' ');
    let encoding = first(header, "Content-Transfer-Encoding").filter(|encoding| !encoding.is_empty());
    output::string(out, encoding.as_deref().unwrap_or(b"7bit"));
    out.extend_from_slice(format!(" {}", body.len()).as_bytes());
    if let Content::Message(inner) = &node.content {
        out.push(b' ');
        envelope(out, &octets[inner.header.clone()]);
        out.push(b' ');
        structure(out, octets, inner, extended);
    }
    if kind == "text" || matches!(node.content, Content::Message(_)) {
        out.extend_from_slice(format!(" {}", lines(body)).as_bytes());
    }
}

fn lines(octets: &[u8]) -> usize {
    octets.iter().filter(|octet| **octet == b'\n').count()
}

fn parameters(out: &mut Vec<u8>, parameters: &[(String, String)]) {
    if parameters.is_empty() {
        return out.extend_from_slice(b"NIL");
    }
    out.push(b'(');
    for (at, (name, value)) in parameters.iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        output::string(out, name.as_bytes());
        out.push(b' ');
        output::string(out, value.as_bytes());
    }
    out.push(b')');
}

fn disposition(out: &mut Vec<u8>, node: &Node) {
    let Some((kind, named)) = &node.disposition else { return out.extend_from_slice(b"NIL") };
    out.push(b'(');
    output::string(out, kind.as_bytes());
    out.push(b' ');
    parameters(out, named);
    out.push(b')');
}

fn languages(out: &mut Vec<u8>, value: Option<Vec<u8>>) {
    let value = value.unwrap_or_default();
    let tags = value.split(|octet| *octet == b',').map(<[u8]>::trim_ascii).filter(|tag| !tag.is_empty());
    let mut tags = tags.peekable();
    if tags.peek().is_none() {
        return out.extend_from_slice(b"NIL");
    }
    out.push(b'(');
    for (at, tag) in tags.enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        output::string(out, tag);
    }
    out.push(b')');
}
