//! Answers of a server in a form in which two servers' can be compared: what one server may say so and another otherwise is left out.

use std::collections::BTreeMap;

/// A value of a response.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Value {
    Atom(String),
    String(String),
    List(Vec<Self>),
}

/// What is equal on two servers only as far as it is equal at all: each value stands for the order in which it came first.
#[derive(Default)]
pub(crate) struct Names(BTreeMap<String, usize>);

impl Names {
    fn of(&mut self, value: &str) -> String {
        let next = self.0.len();
        format!("#{}", self.0.entry(value.to_owned()).or_insert(next))
    }
}

/// The end of a response, behind its literals; `None` if it has not come whole.
pub(crate) fn end(octets: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let end = from + octets.get(from..)?.windows(2).position(|pair| pair == b"\r\n")?;
        match literal(&octets[from..end]) {
            Some(size) => from = end + 2 + size,
            None => return Some(end + 2),
        }
    }
}

fn literal(line: &[u8]) -> Option<usize> {
    let inner = line.strip_suffix(b"}")?;
    let start = inner.iter().rposition(|octet| *octet == b'{')?;
    std::str::from_utf8(&inner[start + 1..]).ok()?.parse().ok()
}

/// One command's answer: what was told, and how it ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) told: Vec<String>,
    pub(crate) status: String,
}

/// All responses to a command.
pub(crate) fn answer(mut octets: &[u8], names: &mut Names) -> Answer {
    let mut answer = Answer::default();
    while let Some(end) = end(octets) {
        let (response, rest) = octets.split_at(end);
        octets = rest;
        let mut reader = Reader(&response[..response.len() - 2]);
        let first = reader.word();
        if first == "*" {
            answer.told.extend(untagged(&mut reader, names));
        } else if first == "+" {
            answer.told.push("+".to_owned());
        } else {
            answer.status = status(&mut reader, names);
        }
    }
    // EXPUNGE responses go by their order, others do not.
    let expunges: Vec<String> =
        answer.told.iter().filter(|line| line.ends_with(" EXPUNGE")).cloned().collect();
    answer.told.retain(|line| !line.ends_with(" EXPUNGE"));
    if !expunges.is_empty() {
        answer.told.push(survivors(&expunges));
    }
    answer.told.sort();
    answer
}

/// Which of the first hundred messages the numbers leave: two orders may mean the same.
fn survivors(expunges: &[String]) -> String {
    let mut numbers: Vec<usize> = (1..=100).collect();
    for line in expunges {
        if let Some(number) = line.split(' ').next().and_then(|number| number.parse::<usize>().ok())
            && (1..=numbers.len()).contains(&number)
        {
            numbers.remove(number - 1);
        }
    }
    let gone: Vec<usize> = (1..=100).filter(|number| !numbers.contains(number)).collect();
    format!("EXPUNGED {gone:?}")
}

fn status(reader: &mut Reader<'_>, names: &mut Names) -> String {
    let word = reader.word().to_ascii_uppercase();
    format!("{word} {}", code(reader, names)).trim_end().to_owned()
}

/// A response code; what follows it is for people.
fn code(reader: &mut Reader<'_>, names: &mut Names) -> String {
    if reader.0.first() != Some(&b'[') {
        return String::new();
    }
    let text = String::from_utf8_lossy(reader.0);
    let code = text[1..].split(']').next().unwrap_or_default();
    let (name, value) = code.split_once(' ').unwrap_or((code, ""));
    let name = name.to_ascii_uppercase();
    match name.as_str() {
        "UIDVALIDITY" => format!("[UIDVALIDITY {}]", names.of(value)),
        "APPENDUID" | "COPYUID" => {
            let (validity, rest) = value.split_once(' ').unwrap_or_default();
            format!("[{name} {} {rest}]", names.of(validity))
        }
        "HIGHESTMODSEQ" | "CAPABILITY" => format!("[{name}]"),
        "PERMANENTFLAGS" => format!("[{name} {}]", sorted_words(value.trim_matches(['(', ')']))),
        _ => format!("[{name} {value}]").replace(" ]", "]"),
    }
}

fn sorted_words(words: &str) -> String {
    let mut words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
    words.sort_unstable();
    format!("({})", words.join(" "))
}

fn untagged(reader: &mut Reader<'_>, names: &mut Names) -> Option<String> {
    let mut word = reader.word().to_ascii_uppercase();
    if word.bytes().all(|octet| octet.is_ascii_digit()) {
        let number = std::mem::replace(&mut word, reader.word().to_ascii_uppercase());
        return Some(match word.as_str() {
            "FETCH" => format!("{number} FETCH {}", fetched(reader.value())),
            _ => format!("{number} {word}"),
        });
    }
    Some(match word.as_str() {
        "OK" | "NO" | "BAD" => {
            let code = code(reader, names);
            // Without a code it is for people.
            if code.is_empty() || code == "[CLOSED]" {
                return (code == "[CLOSED]").then_some(code);
            }
            format!("{word} {code}")
        }
        "BYE" => "BYE".to_owned(),
        "FLAGS" => {
            let Value::List(mut flags) = reader.value() else { return Some("FLAGS?".to_owned()) };
            flags.sort();
            format!("FLAGS {flags:?}")
        }
        "LIST" | "LSUB" => {
            let Value::List(mut attributes) = reader.value() else { return Some("LIST?".to_owned()) };
            attributes.sort();
            let (delimiter, name) = (reader.value(), inbox(text(&reader.value())));
            format!("{word} {attributes:?} {delimiter:?} {name}")
        }
        "STATUS" => {
            let name = inbox(text(&reader.value()));
            format!("STATUS {name} {:?}", status_items(reader.value(), names))
        }
        "SEARCH" => {
            let text = String::from_utf8_lossy(reader.0).into_owned();
            let mut numbers: Vec<u32> = text.split(' ').filter_map(|number| number.parse().ok()).collect();
            numbers.sort_unstable();
            format!("SEARCH {numbers:?}{}", if text.contains("MODSEQ") { " MODSEQ" } else { "" })
        }
        "CAPABILITY" => "CAPABILITY".to_owned(),
        _ => {
            let rest = String::from_utf8_lossy(reader.0).into_owned();
            format!("{word} {rest}")
        }
    })
}

/// INBOX is told in capitals or as the client wrote it.
fn inbox(name: String) -> String {
    if name.eq_ignore_ascii_case("INBOX") { "INBOX".to_owned() } else { name }
}

fn text(value: &Value) -> String {
    match value {
        Value::Atom(text) | Value::String(text) => text.clone(),
        Value::List(_) => String::new(),
    }
}

fn status_items(value: Value, names: &mut Names) -> BTreeMap<String, String> {
    let Value::List(items) = value else { return BTreeMap::new() };
    let pair = |pair: &[Value]| {
        let (name, value) = (text(&pair[0]).to_ascii_uppercase(), text(&pair[1]));
        let value = match name.as_str() {
            "UIDVALIDITY" => names.of(&value),
            "HIGHESTMODSEQ" => String::new(),
            _ => value,
        };
        (name, value)
    };
    items.chunks_exact(2).map(pair).collect()
}

/// The items of a FETCH by name.
fn fetched(value: Value) -> String {
    let Value::List(items) = value else { return "?".to_owned() };
    let mut by_name = BTreeMap::new();
    for pair in items.chunks_exact(2) {
        let name = text(&pair[0]).to_ascii_uppercase().replace('"', "");
        let value = match (name.as_str(), pair[1].clone()) {
            // Keywords are the same in any case.
            ("FLAGS", Value::List(flags)) => {
                let mut flags: Vec<Value> =
                    flags.iter().map(|flag| Value::Atom(text(flag).to_ascii_lowercase())).collect();
                flags.sort();
                Value::List(flags)
            }
            // What counts is what rises, and by how much is the server's business.
            ("MODSEQ", _) => Value::Atom(String::new()),
            // A day below 10 has a blank or a zero before it.
            ("INTERNALDATE", Value::String(date)) => {
                Value::String(date.replacen(' ', "0", usize::from(date.starts_with(' '))))
            }
            ("BODY" | "BODYSTRUCTURE", value) => upper(value),
            (_, value) => value,
        };
        by_name.insert(name, value);
    }
    format!("{by_name:?}")
}

/// Types, parameters and encodings are the same in any case; so are here the texts among them.
fn upper(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.to_ascii_uppercase()),
        Value::List(values) => Value::List(values.into_iter().map(upper).collect()),
        atom @ Value::Atom(_) => atom,
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    /// Up to the next blank, which is taken as well.
    fn word(&mut self) -> String {
        let size = self.0.iter().position(|octet| *octet == b' ').unwrap_or(self.0.len());
        let word = String::from_utf8_lossy(&self.0[..size]).into_owned();
        self.0 = self.0.get(size + 1..).unwrap_or_default();
        word
    }

    fn value(&mut self) -> Value {
        let value = match self.0.first() {
            Some(b'(') => {
                self.0 = &self.0[1..];
                let mut values = Vec::new();
                while !matches!(self.0.first(), None | Some(b')')) {
                    values.push(self.value());
                }
                self.0 = self.0.get(1..).unwrap_or_default();
                Value::List(values)
            }
            Some(b'"') => self.quoted(),
            Some(b'{') => {
                let end = self.0.iter().position(|octet| *octet == b'\n').unwrap_or(0);
                let size = literal(&self.0[..end.saturating_sub(1)]).unwrap_or(0);
                let text = String::from_utf8_lossy(&self.0[end + 1..end + 1 + size]).into_owned();
                self.0 = &self.0[end + 1 + size..];
                Value::String(text)
            }
            _ => self.atom(),
        };
        self.0 = self.0.strip_prefix(b" ").unwrap_or(self.0);
        value
    }

    /// Blanks and brackets may stand in an atom between square brackets.
    fn atom(&mut self) -> Value {
        let mut within = false;
        let ends = |octet: &u8| {
            within = (within || *octet == b'[') && *octet != b']';
            !within && matches!(octet, b' ' | b'(' | b')')
        };
        let size = self.0.iter().position(ends).unwrap_or(self.0.len());
        let atom = String::from_utf8_lossy(&self.0[..size]).into_owned();
        self.0 = &self.0[size..];
        Value::Atom(atom)
    }

    fn quoted(&mut self) -> Value {
        let (mut text, mut at) = (Vec::new(), 1);
        while let Some(octet) = self.0.get(at).filter(|octet| **octet != b'"') {
            at += usize::from(*octet == b'\\');
            text.extend(self.0.get(at));
            at += 1;
        }
        self.0 = self.0.get(at + 1..).unwrap_or_default();
        Value::String(String::from_utf8_lossy(&text).into_owned())
    }
}
