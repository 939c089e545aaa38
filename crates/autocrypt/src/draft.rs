//! The state of a draft (Level 1, "Storing Draft State").

use crate::attributes::attributes;

/// What `Autocrypt-Draft-State` keeps of a mail that is being written. Read it of drafts alone, and take it off before a mail is sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct DraftState {
    /// The mail would be sent encrypted.
    pub encrypt: bool,
    /// The user chose so.
    pub by_choice: bool,
    /// The mail answers an encrypted one.
    pub reply_to_encrypted: bool,
}

/// The header's name.
const NAME: &str = "Autocrypt-Draft-State";

impl DraftState {
    /// The header's name.
    pub const NAME: &'static str = NAME;

    /// Reads the header's value. `None` if it is invalid: without `encrypt`, with a value that is neither `yes` nor `no`, with an
    /// attribute twice, or with one that is critical and not known.
    ///
    /// ```
    /// use sma_autocrypt::DraftState;
    /// let state = DraftState::parse("encrypt=yes; _by-choice=yes;").unwrap();
    /// assert!(state.encrypt && state.by_choice && !state.reply_to_encrypted);
    /// assert_eq!(state.render(), "Autocrypt-Draft-State: encrypt=yes; _by-choice=yes\r\n");
    /// ```
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let (mut encrypt, mut by_choice, mut reply) = (None, None, None);
        for attribute in attributes(value) {
            let slot = match attribute.name {
                "encrypt" => &mut encrypt,
                "_by-choice" => &mut by_choice,
                "_is-reply-to-encrypted" => &mut reply,
                unknown if unknown.starts_with('_') => continue,
                _ => return None,
            };
            let value = match attribute.value? {
                "yes" => true,
                "no" => false,
                _ => return None,
            };
            if slot.replace(value).is_some() {
                return None;
            }
        }
        Some(Self {
            encrypt: encrypt?,
            by_choice: by_choice.unwrap_or_default(),
            reply_to_encrypted: reply.unwrap_or_default(),
        })
    }

    /// Writes the whole header, with its final CRLF. What is not so is left out, but for `encrypt`.
    #[must_use]
    pub fn render(self) -> String {
        let encrypt = if self.encrypt { "yes" } else { "no" };
        let by_choice = if self.by_choice { "; _by-choice=yes" } else { "" };
        let reply = if self.reply_to_encrypted { "; _is-reply-to-encrypted=yes" } else { "" };
        format!("{NAME}: encrypt={encrypt}{by_choice}{reply}\r\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_keeps_its_state() {
        for bits in 0..8 {
            let state = DraftState {
                encrypt: bits & 1 != 0,
                by_choice: bits & 2 != 0,
                reply_to_encrypted: bits & 4 != 0,
            };
            let header = state.render();
            let value = header.strip_prefix("Autocrypt-Draft-State:").unwrap();
            assert_eq!(DraftState::parse(value), Some(state));
        }
    }

    #[test]
    fn a_state_that_level_1_does_not_define_is_none() {
        for value in [
            "",
            "_by-choice=yes",
            "encrypt",
            "encrypt=maybe",
            "encrypt=yes; encrypt=no",
            "encrypt=yes; sign=yes",
        ] {
            assert_eq!(DraftState::parse(value), None, "{value}");
        }
        assert!(DraftState::parse("_later; encrypt=yes; _more=1").is_some_and(|state| state.encrypt));
    }
}
