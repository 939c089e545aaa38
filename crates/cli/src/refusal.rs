//! What a person does about a server's refusal, by the code that stands at the head of its text (RFC 5530, RFC 3501 section 7.1).

/// Each code, and what to do about it.
const CODES: [(&str, &str); 15] = [
    (
        "AUTHENTICATIONFAILED",
        "check the login name and the password; some providers want a password made for the program",
    ),
    (
        "AUTHORIZATIONFAILED",
        "the password is right, and this login may not use that account: check the login name, or ask who runs the server",
    ),
    ("EXPIRED", "the password has ended: set a new one, in the provider's web mail, and give that"),
    ("PRIVACYREQUIRED", "the server wants TLS: write imaps:// in place of imap://"),
    (
        "UNAVAILABLE",
        "a part of the server is down, and nothing of this computer is in the way: try again later",
    ),
    ("INUSE", "another program has the account open and shuts this one out: close it, or try again later"),
    (
        "LIMIT",
        "a limit of the account is reached, as on how many programs are connected or how many folders there are: close a program, or \
               delete folders that are not needed",
    ),
    (
        "OVERQUOTA",
        "the account is full: delete mail, also in the folders for spam and trash, or have the provider give it more room",
    ),
    (
        "NOPERM",
        "the account may not do this: look in the provider's settings whether IMAP is turned on and programs may make folders, or ask \
                the provider",
    ),
    ("CONTACTADMIN", "only the provider can help: ask there, with this sentence"),
    ("CORRUPTION", "the server finds its own data damaged: tell the provider"),
    ("SERVERBUG", "the server has a mistake of its own: try again later, or tell the provider"),
    (
        "CLIENTBUG",
        "the server takes this program's command for a mistake: please report it, with this sentence",
    ),
    ("CANNOT", "the server can never do this: ask the provider whether programs may make folders"),
    ("ALERT", "do what the server says"),
];

/// What to do about a refusal whose text begins with a code that is known.
pub(crate) fn advice(text: &str) -> Option<&'static str> {
    let (code, _) = text.trim_start().strip_prefix('[')?.split_once(']')?;
    let code = code.split(' ').next().unwrap_or(code);
    CODES.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_what_to_do_and_what_is_none_says_nothing() {
        for (text, says) in [
            ("[UNAVAILABLE] down", "try again later"),
            ("[limit] too many", "a limit"),
            ("[OVERQUOTA] full", "delete mail"),
            ("[NOPERM] no", "IMAP is turned on"),
            ("[ALERT] Web login required", "what the server says"),
            ("[BADCHARSET (UTF-8)] no", ""),
            ("no [LIMIT]", ""),
            ("[LIMIT", ""),
        ] {
            let advice = advice(text).unwrap_or_default();
            assert!(advice.contains(says) && advice.is_empty() == says.is_empty(), "{text}: {advice}");
        }
    }

    #[test]
    fn no_advice_but_that_on_passwords_speaks_of_a_wrong_one() {
        for (code, advice) in CODES {
            let is_about = advice.contains("check the login name and the password");
            assert_eq!(is_about, code == "AUTHENTICATIONFAILED", "{code}");
        }
    }
}
