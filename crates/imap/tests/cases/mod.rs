//! What servers sent that ended a program, or seemed to, octet for octet.
#![allow(dead_code, reason = "not each program of tests needs all of it")]

/// One of them.
pub(crate) struct Case {
    /// What it is.
    pub(crate) name: &'static str,
    /// Whether it comes instead of the greeting; else it comes after the login.
    pub(crate) is_greeting: bool,
    /// Whether it has to be passed over.
    pub(crate) is_legal: bool,
    /// What is sent.
    pub(crate) octets: Vec<u8>,
}

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let deep = format!("* 1 FETCH (BODYSTRUCTURE {}", "(".repeat(120_000));
    let greeting =
        |name, octets: String| Case { name, is_greeting: true, is_legal: false, octets: octets.into_bytes() };
    let later =
        |name, octets: &[u8], is_legal| Case { name, is_greeting: false, is_legal, octets: octets.to_vec() };
    vec![
        greeting("a deep list behind the greeting", format!("* OK hi\r\n{deep}")),
        greeting("a deep list behind a false literal", format!("* OK hi {{{}}}\r\n{deep}", deep.len())),
        later(
            "an alert followed by a letter outside ASCII",
            include_bytes!("alert-followed-by-letter-outside-ascii"),
            false,
        ),
        later(
            "an alert with a number in braces",
            include_bytes!("alert-with-number-in-braces-is-legal"),
            true,
        ),
        later(
            "half a gigabyte behind a false literal",
            include_bytes!("literal-of-half-a-gigabyte-behind-false-literal"),
            false,
        ),
    ]
}
