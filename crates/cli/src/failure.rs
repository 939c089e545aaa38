//! Why a command could not be done, and the exit code that says so.

use sma_core::{InputError, Phase};
use sma_imap::Error;

/// What follows an error's own words where a command helps.
const NEXT: [(InputError, &str); 7] = [
    (
        InputError::WhichOffer,
        ", with --from ID; where several have one ID, with --key FINGERPRINT, as sma status shows it",
    ),
    (InputError::CodesLocked, ", with sma pair --link"),
    (InputError::CodeUsed, ", with sma pair --offer, then run sma sync here"),
    (
        InputError::JoinPending,
        ", with sma pair --confirm or sma pair --decline; sma status shows whose group it is",
    ),
    (InputError::NoJoin, "; sma sync looks again, sma status shows what is open"),
    (InputError::KeyOfRemoved, ", with sma keys import FILE"),
    (
        InputError::LogFull,
        "; sma device remove ID takes one out, and sma setup with a new --state directory begins anew",
    ),
];

/// A command was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Exit code 1.
    Failed(String),
    /// Exit code 3.
    NeedsPerson(String),
}

impl Failure {
    pub(crate) fn sentence(&self) -> &str {
        match self {
            Self::Failed(sentence) | Self::NeedsPerson(sentence) => sentence,
        }
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::NeedsPerson(_) => 3,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        let sentence = if let InputError::WrongPhase(phase) = error {
            format!("{error}: {}", advice(phase))
        } else {
            let next = NEXT.iter().find(|(of, _)| *of == error).map(|(_, next)| *next);
            format!("{error}{}", next.unwrap_or_default())
        };
        match error {
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
            | InputError::UpdateNeeded => Self::NeedsPerson(sentence),
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
            | InputError::BadName(_)
            | InputError::BadAddress => Self::Failed(sentence),
        }
    }
}

/// What a person can do in a phase.
pub(crate) fn advice(phase: Phase) -> &'static str {
    match phase {
        Phase::Discovering => "run sma sync first",
        Phase::Alone => "it is a group of its own; a new device gets in with sma pair --offer here",
        Phase::Unpaired | Phase::Requesting => {
            "make a code with sma pair --offer on a device that is paired, and type it here with sma pair --code; if there is none, \
             begin with sma device start-apart"
        }
        Phase::Paired => "it is paired already",
        Phase::Suspended => {
            "its folder was deleted on the server: bring it back with sma device return, or end it with sma device leave"
        }
        Phase::Removed => {
            "another device removed it for good, or the others had heard nothing of it for a year; use a new --state directory to begin anew"
        }
        Phase::Left => "it left for good; use a new --state directory to begin anew",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_do_something_is_told_the_command() {
        for (error, command, code) in [
            (InputError::NoJoin, "sma status", 3),
            (InputError::JoinPending, "sma pair --decline", 3),
            (InputError::CodeUsed, "sma pair --offer", 3),
            (InputError::WhichOffer, "--key FINGERPRINT", 3),
            (InputError::KeyOfRemoved, "sma keys import FILE", 1),
            (InputError::LogFull, "sma device remove ID", 1),
        ] {
            let failure = Failure::from(error);
            assert!(failure.sentence().contains(command), "{}", failure.sentence());
            assert_eq!(failure.code(), code);
        }
    }
}
