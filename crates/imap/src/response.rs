//! What a server says, as far as it matters here. What is of no use is not looked at, whatever it is.

use std::{borrow::Cow, fmt};

use sma_core::Timestamp;

use crate::{
    frame::Head,
    syntax::{Malformed, Words},
};

/// How much of a text is shown, in characters.
const SHOWN_MAX: usize = 200;

/// An untagged response (RFC 3501 section 7).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Untagged<'a> {
    /// So many messages are in the selected folder.
    Exists(u32),
    UidValidity(u32),
    UidNext(u32),
    Listed(Listed),
    Status {
        messages: Option<u32>,
        uid_next: Option<u32>,
    },
    Fetched(Fetched<'a>),
    Capabilities(Capabilities),
    /// The server is about to close the connection.
    Bye(String),
}

/// A folder as LIST names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) delimiter: Option<String>,
    /// It can be opened.
    pub(crate) selectable: bool,
}

/// What one FETCH response said of a message; may be any part of what was asked, or something else.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Fetched<'a> {
    pub(crate) uid: Option<u32>,
    pub(crate) size: Option<u64>,
    pub(crate) date: Option<Timestamp>,
    pub(crate) deleted: Option<bool>,
    /// A `BODY[…]` section; none too if it was NIL.
    pub(crate) section: Option<Cow<'a, [u8]>>,
}

/// What a server says that it can do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Capabilities {
    /// Upper-case words with blanks between them.
    words: String,
}

impl Capabilities {
    /// Whether there is an extension, named in upper case.
    pub(crate) fn has(&self, capability: &str) -> bool {
        self.words.split_ascii_whitespace().any(|word| word == capability)
    }

    /// A capability's value, as in `APPENDLIMIT=35651584`.
    pub(crate) fn value(&self, name: &str) -> Option<u64> {
        let value = |word: &str| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok();
        self.words.split_ascii_whitespace().find_map(value)
    }
}

/// What one response says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Heard<'a> {
    Untagged(Untagged<'a>),
    /// The server waits for a literal, or for the end of IDLE.
    Continue,
    /// A command ended.
    Done {
        tag: &'a [u8],
        result: Result<(), Refusal>,
    },
    /// Nothing that matters here.
    Other,
}

/// A tagged NO or BAD.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    /// TRYCREATE was said (RFC 3501 section 7.1).
    pub(crate) try_create: bool,
    /// The text, with any other response code before it.
    pub(crate) text: String,
}

impl Refusal {
    /// Whether it says that the account is full. Some servers say so in the text alone.
    pub(crate) fn is_over_quota(&self) -> bool {
        let text = self.text.to_ascii_lowercase();
        ["[overquota]", "over quota", "quota exceeded", "exceeded quota"]
            .iter()
            .any(|word| text.contains(word))
    }

    /// Whether it says nothing about what was asked for, but that this is no time for it (RFC 5530, RFC 9051 section 7.1). Some servers say
    /// so in the text alone.
    pub(crate) fn is_for_now(&self) -> bool {
        let text = self.text.to_ascii_lowercase();
        [
            "[unavailable]",
            "[inuse]",
            "[limit]",
            "[serverbug]",
            "too many simultaneous",
            "temporar",
            "try again later",
        ]
        .iter()
        .any(|word| text.contains(word))
    }

    /// Whether it says that the message is too large (RFC 7889, RFC 4469).
    pub(crate) fn is_too_large(&self) -> bool {
        let text = self.text.to_ascii_lowercase();
        ["[toobig]", "too large", "too big"].iter().any(|word| text.contains(word))
    }
}

/// Reads a whole response.
///
/// # Errors
/// [`Malformed`] if it is of a kind that matters here and cannot be read.
pub(crate) fn read(response: &[u8]) -> Result<Heard<'_>, Malformed> {
    let mut words = Words::new(response);
    match Head::of(response) {
        Head::Continue => Ok(Heard::Continue),
        Head::Tagged => tagged(words),
        Head::Status => {
            words.expect(b'*')?;
            words.blanks();
            let status = words.atom()?;
            Ok(untagged(condition(status, &Text::of(words))))
        }
        Head::Data => {
            words.expect(b'*')?;
            words.blanks();
            data(words).map(untagged)
        }
    }
}

fn untagged(untagged: Option<Untagged<'_>>) -> Heard<'_> {
    untagged.map_or(Heard::Other, Heard::Untagged)
}

fn tagged(mut words: Words<'_>) -> Result<Heard<'_>, Malformed> {
    let tag = words.atom()?;
    words.blanks();
    let status = words.atom()?;
    let is = |word: &[u8]| status.eq_ignore_ascii_case(word);
    let text = Text::of(words);
    let result = if is(b"OK") {
        Ok(())
    } else if is(b"NO") || is(b"BAD") {
        Err(Refusal { try_create: text.is_code(b"TRYCREATE"), text: text.shown() })
    } else {
        return Err(Malformed);
    };
    Ok(Heard::Done { tag, result })
}

/// What an untagged status says. A code that cannot be read says nothing.
fn condition<'a>(status: &[u8], text: &Text<'_>) -> Option<Untagged<'a>> {
    if status.eq_ignore_ascii_case(b"BYE") {
        return Some(Untagged::Bye(text.shown()));
    }
    let mut argument = text.argument;
    if text.is_code(b"UIDVALIDITY") {
        return argument.number().ok().map(Untagged::UidValidity);
    }
    if text.is_code(b"UIDNEXT") {
        return argument.number().ok().map(Untagged::UidNext);
    }
    text.is_code(b"CAPABILITY").then(|| Untagged::Capabilities(capabilities(argument)))
}

/// The text of a status: a code in square brackets, if there is one, and what is for people.
#[derive(Clone, Copy, Debug)]
struct Text<'a> {
    code: &'a [u8],
    argument: Words<'a>,
    /// All of it.
    whole: &'a [u8],
    /// What comes after the code.
    plain: &'a [u8],
}

impl<'a> Text<'a> {
    fn of(mut words: Words<'a>) -> Self {
        words.blanks();
        let whole = words.line();
        let none = Self { code: b"", argument: Words::new(b""), whole, plain: whole };
        let mut code = Words::new(whole);
        if !code.take(b'[') {
            return none;
        }
        let Ok(code) = code.up_to(b']') else { return none };
        let plain = whole[code.len() + 2..].trim_ascii_start();
        let mut argument = Words::new(code);
        let Ok(code) = argument.atom() else { return none };
        argument.blanks();
        Self { code, argument, whole, plain }
    }

    fn is_code(&self, code: &[u8]) -> bool {
        self.code.eq_ignore_ascii_case(code)
    }

    /// At most [`SHOWN_MAX`] characters, without control characters: it is shown to people. A code that says more than the text stays.
    fn shown(&self) -> String {
        let technical: [&[u8]; 3] = [b"ALERT", b"TRYCREATE", b"CAPABILITY"];
        let plain = technical.into_iter().any(|code| self.is_code(code));
        let text = shown(if plain { self.plain } else { self.whole });
        if text.is_empty() { "no reason given".to_owned() } else { text }
    }
}

fn shown(text: &[u8]) -> String {
    // A character has at most four octets.
    let text = &text[..text.len().min(4 * SHOWN_MAX)];
    String::from_utf8_lossy(text)
        .chars()
        .filter(|character| !character.is_control())
        .take(SHOWN_MAX)
        .collect()
}

/// `None` for what is of no use.
fn data(mut words: Words<'_>) -> Result<Option<Untagged<'_>>, Malformed> {
    let Ok(first) = words.atom() else { return Ok(None) };
    words.blanks();
    if first.iter().all(u8::is_ascii_digit) {
        let Ok(name) = words.atom() else { return Ok(None) };
        words.blanks();
        if name.eq_ignore_ascii_case(b"EXISTS") {
            return Words::new(first).number().map(|count| Some(Untagged::Exists(count)));
        }
        let fetch = name.eq_ignore_ascii_case(b"FETCH");
        return if fetch { fetched(words).map(|fetched| Some(Untagged::Fetched(fetched))) } else { Ok(None) };
    }
    if first.eq_ignore_ascii_case(b"LIST") {
        return listed(words).map(|listed| Some(Untagged::Listed(listed)));
    }
    if first.eq_ignore_ascii_case(b"STATUS") {
        return status(words).map(Some);
    }
    let able = first.eq_ignore_ascii_case(b"CAPABILITY");
    Ok(able.then(|| Untagged::Capabilities(capabilities(words))))
}

fn capabilities(mut words: Words<'_>) -> Capabilities {
    Capabilities { words: String::from_utf8_lossy(words.line()).to_ascii_uppercase() }
}

/// `LIST (\Noselect) "/" name`; what the server adds is not looked at.
fn listed(mut words: Words<'_>) -> Result<Listed, Malformed> {
    let mut selectable = true;
    list(&mut words, |words| {
        let attribute = words.atom()?;
        let hidden: [&[u8]; 2] = [b"\\Noselect", b"\\NonExistent"];
        selectable &= !hidden.into_iter().any(|hidden| attribute.eq_ignore_ascii_case(hidden));
        Ok(())
    })?;
    words.blanks();
    let delimiter = words.nstring()?.map(|delimiter| text(&delimiter));
    // It becomes a part of commands.
    if delimiter.iter().any(|delimiter| delimiter.contains(char::is_control)) {
        return Err(Malformed);
    }
    words.blanks();
    let name = text(&words.astring()?);
    Ok(Listed { name, delimiter, selectable })
}

/// `STATUS name (MESSAGES 1 UIDNEXT 2)`.
fn status<'a>(mut words: Words<'a>) -> Result<Untagged<'a>, Malformed> {
    words.astring()?;
    words.blanks();
    let (mut messages, mut uid_next) = (None, None);
    list(&mut words, |words| {
        let name = words.atom()?;
        words.blanks();
        if name.eq_ignore_ascii_case(b"MESSAGES") {
            messages = Some(words.number()?);
        } else if name.eq_ignore_ascii_case(b"UIDNEXT") {
            uid_next = Some(words.number()?);
        } else {
            words.skip()?;
        }
        Ok(())
    })?;
    Ok(Untagged::Status { messages, uid_next })
}

/// `FETCH (UID 1 FLAGS (\Seen) BODY[] {5}…)`.
fn fetched<'a>(mut words: Words<'a>) -> Result<Fetched<'a>, Malformed> {
    let mut fetched = Fetched::default();
    list(&mut words, |words| {
        let name = words.atom()?;
        let is = |word: &[u8]| name.eq_ignore_ascii_case(word);
        if is(b"BODY") && words.take(b'[') {
            words.up_to(b']')?;
            // Part of a section is not the section.
            let partial = words.take(b'<');
            if partial {
                words.up_to(b'>')?;
            }
            words.blanks();
            let section = words.nstring()?;
            fetched.section = section.filter(|_| !partial).or(fetched.section.take());
            return Ok(());
        }
        words.blanks();
        if is(b"UID") {
            fetched.uid = Some(words.number()?);
        } else if is(b"RFC822.SIZE") {
            fetched.size = Some(words.number()?);
        } else if is(b"INTERNALDATE") {
            fetched.date = words.nstring()?.and_then(|date| internal_date(&date));
        } else if is(b"FLAGS") {
            fetched.deleted = Some(is_deleted(words)?);
        } else {
            words.skip()?;
        }
        Ok(())
    })?;
    Ok(fetched)
}

fn is_deleted(words: &mut Words<'_>) -> Result<bool, Malformed> {
    let mut deleted = false;
    list(words, |words| {
        // Some servers take brackets for parts of a flag.
        deleted |= words.astring()?.eq_ignore_ascii_case(b"\\Deleted");
        Ok(())
    })?;
    Ok(deleted)
}

/// `(a b c)`, with any number of blanks.
fn list<'a>(
    words: &mut Words<'a>,
    mut item: impl FnMut(&mut Words<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    words.expect(b'(')?;
    words.blanks();
    while !words.take(b')') {
        item(words)?;
        words.blanks();
    }
    Ok(())
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// Reads ` 1-Jan-2020 00:00:00 +0000` (RFC 3501, `date-time`). Dates before 1970 give the beginning of 1970.
fn internal_date(date: &[u8]) -> Option<Timestamp> {
    let date = std::str::from_utf8(date).ok()?;
    let date = chrono::DateTime::parse_from_str(date.trim(), "%d-%b-%Y %H:%M:%S %z").ok()?;
    Some(Timestamp::from_secs(u64::try_from(date.timestamp()).unwrap_or(0)))
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server's answer makes no sense")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(response: &str) -> Heard<'_> {
        read(response.as_bytes()).unwrap()
    }

    #[test]
    fn a_refusal_is_read_from_its_code_or_from_its_text() {
        let refusal = |line| match heard(line) {
            Heard::Done { result: Err(refusal), .. } => refusal,
            Heard::Done { result: Ok(()), .. } | Heard::Untagged(_) | Heard::Continue | Heard::Other => {
                panic!("{line}")
            }
        };
        assert!(refusal("A1 NO [TRYCREATE] no such box\r\n").try_create);
        assert!(refusal("A1 NO [OVERQUOTA] sorry\r\n").is_over_quota());
        assert!(refusal("A1 NO Over quota\r\n").is_over_quota());
        assert!(refusal("A1 NO [TOOBIG] no\r\n").is_too_large());
        assert!(!refusal("A1 NO Permission denied\r\n").is_over_quota());
        assert_eq!(refusal("A1 no [ALERT]été\r\n").text, "été");
        assert_eq!(refusal("A1 BAD\r\n").text, "no reason given");
    }

    #[test]
    fn dates_are_read_with_their_zone_and_with_a_blank_for_a_missing_digit() {
        assert_eq!(internal_date(b" 1-Jan-2020 01:00:00 +0100"), Some(Timestamp::from_secs(1_577_836_800)));
        assert_eq!(internal_date(b"01-Jan-1960 00:00:00 +0000"), Some(Timestamp(0)));
        assert_eq!(internal_date(b"yesterday"), None);
    }

    fn fetched(response: &str) -> Fetched<'_> {
        let Heard::Untagged(Untagged::Fetched(fetched)) = heard(response) else { panic!("{response}") };
        fetched
    }

    #[test]
    fn a_missing_body_or_date_is_none() {
        let wanted = Fetched { uid: Some(2), ..Fetched::default() };
        assert_eq!(fetched("* 2 FETCH (UID 2 BODY[] NIL INTERNALDATE NIL)\r\n"), wanted);
        assert_eq!(fetched("* 2 FETCH (BODY[]<0> {2}\r\nab UID 2)\r\n"), wanted);
    }

    #[test]
    fn what_is_not_asked_for_is_passed_over_however_it_nests() {
        let deep = format!("{}\"((\\\"\" {{3}}\r\n((( x[1]{}", "(".repeat(10_000), ")".repeat(10_000));
        for value in [&deep, "x", "NIL", "{2}\r\n)(", "a[b", "(\"\" NIL ())", "\"(\""] {
            let response = format!("* 2 FETCH (X {value} UID 2 Y[1] ~{{1}}\r\n( FLAGS (\\x \\deleted ))\r\n");
            let wanted = Fetched { uid: Some(2), deleted: Some(true), ..Fetched::default() };
            assert_eq!(fetched(&response), wanted);
        }
    }

    #[test]
    fn what_matters_and_cannot_be_read_is_an_error_and_all_else_is_none() {
        for response in [
            "* 2 FETCH (UID\r\n",
            "* 2 FETCH (UID 4294967296)\r\n",
            "* 2 FETCH (X (((\r\n",
            "* 2 FETCH (X \"a\r\n",
            "* 2 FETCH (X {9}\r\nabc)\r\n",
            "* LIST (\r\n",
            "* LIST () {1}\r\n\n a\r\n",
            "* STATUS a (MESSAGES x)\r\n",
            "* 99999999999 EXISTS\r\n",
            "\r\n",
            "220 mail\r\n",
        ] {
            assert_eq!(read(response.as_bytes()), Err(Malformed), "{response}");
        }
        for response in
            ["*\r\n", "* \r\n", "* X (\r\n", "* 1 X\r\n", "* 1\r\n", "* (((\r\n", "* OK [UIDNEXT x] y\r\n"]
        {
            assert_eq!(heard(response), Heard::Other, "{response}");
        }
    }

    #[test]
    fn a_folder_is_read_with_its_name_in_any_form() {
        for name in ["\"a\\\\b\"", "{3}\r\na\\b", "a\\b"] {
            let response = format!("* LIST (\\HasNoChildren) \"\\\\\" {name} (\"CHILDINFO\" (\"X\"))\r\n");
            let wanted = Listed { name: "a\\b".into(), delimiter: Some("\\".into()), selectable: true };
            assert_eq!(heard(&response), Heard::Untagged(Untagged::Listed(wanted)));
        }
        let hidden = Listed { name: "x".into(), delimiter: None, selectable: false };
        assert_eq!(heard("* list (\\NOSELECT)  NIL x\r\n"), Heard::Untagged(Untagged::Listed(hidden)));
    }

    #[test]
    fn capabilities_are_read_with_any_number_of_blanks() {
        for response in
            ["* CAPABILITY IMAP4rev2  appendlimit=7 \r\n", "* OK [CAPABILITY APPENDLIMIT=7] hi\r\n"]
        {
            let Heard::Untagged(Untagged::Capabilities(said)) = heard(response) else { panic!("{response}") };
            assert!(said.has("APPENDLIMIT=7") && !said.has("APPEND"));
            assert_eq!(said.value("APPENDLIMIT"), Some(7));
        }
    }
}
