//! Why a command could not be done, and the exit code that says so.

use std::borrow::Cow;

use serde_json::{Value, json};
use sma_core::{InputError, Phase};
use sma_imap::{Error, Unreachable};

use crate::{refusal, words};

/// What follows an error's own words where a command helps.
const NEXT: [(InputError, &str); 7] = [
    (
        InputError::WhichOffer,
        ", with --from and the ID that stands beside the code; where several have one ID, with --key FINGERPRINT, as sma status \
         shows it",
    ),
    (InputError::CodesLocked, ", with sma pair --link"),
    (InputError::CodeUsed, ", with sma pair"),
    (
        InputError::JoinPending,
        ", with sma pair --confirm or sma pair --decline; sma status shows whose group it is",
    ),
    (InputError::NoJoin, "; sma sync looks again, sma status shows what is open"),
    (InputError::KeyOfRemoved, ", with sma keys import FILE"),
    (
        InputError::LogFull,
        "; sma devices remove takes one out, and sma setup with a new --state directory begins anew",
    ),
];

/// A command was not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// Exit code 1.
    Failed(String),
    /// Exit code 2: what was typed makes no sense, whatever the state is.
    Usage(String),
    /// Exit code 3.
    NeedsPerson(String),
    /// One that programs know by its word.
    Known {
        /// As docs/json.md lists them.
        word: Cow<'static, str>,
        /// The exit code.
        exit: u8,
        /// For people.
        sentence: String,
    },
}

impl Failure {
    /// One that programs know by its word.
    pub(crate) fn known(word: &'static str, exit: u8, sentence: String) -> Self {
        Self::Known { word: word.into(), exit, sentence }
    }

    pub(crate) fn sentence(&self) -> &str {
        match self {
            Self::Failed(sentence)
            | Self::Usage(sentence)
            | Self::NeedsPerson(sentence)
            | Self::Known { sentence, .. } => sentence,
        }
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::NeedsPerson(_) => 3,
            Self::Known { exit, .. } => *exit,
        }
    }

    /// The word by which programs know it.
    pub(crate) fn word(&self) -> &str {
        match self {
            Self::Failed(_) => "failed",
            Self::Usage(_) => "usage",
            Self::NeedsPerson(_) => "needs-person",
            Self::Known { word, .. } => word,
        }
    }

    /// For programs.
    pub(crate) fn value(&self) -> Value {
        json!({ "word": self.word(), "exit": self.code(), "sentence": words::plain(self.sentence()) })
    }

    /// Whether nothing else can be done either: whoever keeps in step stops.
    pub(crate) fn ends_all(&self) -> bool {
        matches!(self.word(), "login-refused" | "file" | "internal")
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let word = match &error {
            Error::Address(_) => return Self::Usage(error.to_string()),
            Error::Unreachable { why, .. } => unreachable(why),
            Error::Busy { server, text } => {
                let then = refusal::advice(text).unwrap_or("it is not the password, so try again later");
                let why = format!("{server} takes no login now: {text}; {then}");
                return Self::known("login-not-now", 1, why);
            }
            Error::Connection(_) => "offline",
            Error::Login { server, login, text } => {
                let then = refusal::advice(text).unwrap_or("check the login name and the password");
                let why = format!("{server} refused the login of {login}: {text}; {then}");
                return Self::known("login-refused", 1, why);
            }
            Error::Trouble { op, reason } => {
                let why = format!(
                    "{op} does not work on the server: {reason}; sma doctor tries the server out, and says what to do"
                );
                return Self::known("server-refused", 1, why);
            }
            Error::Locked(_) => "locked",
            Error::File { .. } => "file",
            Error::State { .. } => "damaged",
            Error::Contract(_) => "internal",
            Error::Randomness(_) | _ => return Self::Failed(error.to_string()),
        };
        Self::known(word, 1, error.to_string())
    }
}

/// The word by which programs know why a server is not reached.
fn unreachable(why: &Unreachable) -> &'static str {
    match why {
        Unreachable::NoHost => "no-host",
        Unreachable::Refused => "wrong-port",
        Unreachable::NoTls | Unreachable::NoGreeting => "wrong-tls",
        Unreachable::UnknownAuthority => "unknown-authority",
        Unreachable::OtherName => "other-name",
        Unreachable::Ended | Unreachable::NotYet => "certificate-dates",
        Unreachable::Tls(_) => "tls",
        Unreachable::Silent | Unreachable::Network(_) | _ => "offline",
    }
}

/// The word by which programs know why a command cannot be given.
const fn word(error: InputError) -> &'static str {
    match error {
        InputError::WrongPhase(_) => "wrong-phase",
        InputError::NoSuchMuaa(_) => "no-such-device",
        InputError::Mistyped => "mistyped",
        InputError::OtherAccount => "other-account",
        InputError::NoOffer => "no-offer",
        InputError::WhichOffer => "which-offer",
        InputError::CodeUsed => "code-used",
        InputError::CodesLocked => "codes-locked",
        InputError::JoinPending => "join-pending",
        InputError::NoJoin => "no-join",
        InputError::Outranked => "outranked",
        InputError::UpdateNeeded => "update-needed",
        InputError::NoSuchSession => "no-such-offer",
        InputError::TooMany => "too-many",
        InputError::LogFull => "log-full",
        InputError::LetInMax => "let-in-max",
        InputError::BadKey => "bad-key",
        InputError::KeyDestroyed => "key-destroyed",
        InputError::KeyOfRemoved => "key-of-removed",
        InputError::NoSuchKey => "no-such-key",
        InputError::CurrentKey => "current-key",
        InputError::BadName(_) => "bad-name",
        InputError::BadAddress => "bad-address",
        InputError::NoSuchRequest | InputError::WrongReply => "internal",
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        let sentence = if let InputError::WrongPhase(phase) = error {
            format!(
                "this cannot be done while the device is {}: {}",
                words::phase_words(phase),
                advice(phase)
            )
        } else {
            let next = NEXT.iter().find(|(of, _)| *of == error).map(|(_, next)| *next);
            format!("{error}{}", next.unwrap_or_default())
        };
        let exit = match error {
            InputError::WrongPhase(_)
            | InputError::NoSuchMuaa(_)
            | InputError::Mistyped
            | InputError::OtherAccount
            | InputError::NoOffer
            | InputError::WhichOffer
            | InputError::CodeUsed
            | InputError::CodesLocked
            | InputError::JoinPending
            | InputError::NoJoin
            | InputError::Outranked
            | InputError::UpdateNeeded => 3,
            InputError::NoSuchRequest
            | InputError::WrongReply
            | InputError::NoSuchSession
            | InputError::TooMany
            | InputError::LogFull
            | InputError::LetInMax
            | InputError::BadKey
            | InputError::KeyDestroyed
            | InputError::KeyOfRemoved
            | InputError::NoSuchKey
            | InputError::CurrentKey
            | InputError::BadAddress => 1,
            InputError::BadName(_) => 2,
        };
        Self::known(word(error), exit, sentence)
    }
}

/// Nothing can be done with a device in this phase, but what the sentence says.
pub(crate) fn in_phase(phase: Phase) -> Failure {
    let why = format!("this device is {}: {}", words::phase_words(phase), advice(phase));
    Failure::known("wrong-phase", 3, why)
}

/// What a person can do in a phase.
pub(crate) fn advice(phase: Phase) -> &'static str {
    match phase {
        Phase::Discovering => "run sma sync first",
        Phase::Alone => {
            "to add a device, run sma pair here, and on the new device sma pair CODE with the code that appears here"
        }
        Phase::Unpaired | Phase::Requesting => {
            "run sma pair on a device that you used before, and here sma pair CODE with the code that appears there"
        }
        Phase::Paired => "to add another device, run sma pair here",
        Phase::Suspended => {
            "its folder was deleted on the server: bring it back with sma devices return, or end it with sma devices leave"
        }
        Phase::Removed | Phase::Left => {
            "sma setup --anew begins anew on this computer, as a new device that is paired like any other"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every word that a failure can have, as the sources write it.
    #[test]
    fn every_word_is_in_the_documentation() {
        let documentation = include_str!("../../../docs/json.md");
        let sources = [
            include_str!("failure.rs"),
            include_str!("names.rs"),
            include_str!("naming.rs"),
            include_str!("question.rs"),
            include_str!("devices.rs"),
            include_str!("account.rs"),
            include_str!("actions.rs"),
            include_str!("control/host.rs"),
            include_str!("control/device.rs"),
            include_str!("control/socket.rs"),
            include_str!("pairing/member.rs"),
            include_str!("pairing/newcomer.rs"),
            include_str!("pairing/vigil.rs"),
            include_str!("doctor/mod.rs"),
            include_str!("keys/export.rs"),
            include_str!("keys/gpg.rs"),
            include_str!("keys/list.rs"),
            include_str!("peers.rs"),
            include_str!("setup.rs"),
        ];
        let mut words = Vec::new();
        for source in sources {
            for part in source.split("known(").skip(1) {
                let word = part.trim_start().strip_prefix('"').and_then(|word| word.split('"').next());
                let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
                words.extend(word.filter(is_word));
            }
            let arms =
                source.lines().filter(|line| line.contains("InputError::") || line.contains("Error::"));
            words.extend(arms.filter_map(|line| line.rsplit_once("=> \"")?.1.strip_suffix("\",")));
        }
        assert!(words.len() > 50, "{words:?}");
        for word in words {
            assert!(documentation.contains(&format!("`{word}`")), "{word}");
        }
    }

    #[test]
    fn who_can_do_something_is_told_the_command() {
        for (error, command, code) in [
            (InputError::NoJoin, "sma status", 3),
            (InputError::JoinPending, "sma pair --decline", 3),
            (InputError::CodeUsed, "with sma pair", 3),
            (InputError::WhichOffer, "--key FINGERPRINT", 3),
            (InputError::KeyOfRemoved, "sma keys import FILE", 1),
            (InputError::LogFull, "sma devices remove", 1),
        ] {
            let failure = Failure::from(error);
            assert!(failure.sentence().contains(command), "{}", failure.sentence());
            assert_eq!(failure.code(), code);
        }
    }
}
