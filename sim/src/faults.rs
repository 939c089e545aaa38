//! What goes wrong in a run, and how often. Each run draws its own mixture: a few faults often find more than all seldom.

use crate::choices::Choices;

/// How often each thing happens. Rates of operations and outputs are chances in a million; those of days likewise, drawn once
/// a day.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    /// A program dies, at any of its outputs.
    pub crash: u32,
    /// An operation is done and its answer lost.
    pub unknown_done: u32,
    /// An operation is lost.
    pub unknown_lost: u32,
    /// There is no connection.
    pub not_sent: u32,
    /// The server refuses.
    pub denied: u32,
    /// The account is full.
    pub over_quota: u32,
    /// A notice is lost.
    pub notice_lost: u32,
    /// An operation takes hours.
    pub slow: u32,
    /// A person mistypes a digit.
    pub mistyped: u32,
    /// A person types another code than the one shown.
    pub wrong_code: u32,
    /// A person comes back to a pairing after the code expired.
    pub late: u32,
    /// A machine's clock is off by up to ten years.
    pub clock: u32,
    /// In a day: a machine's clock is set while it runs, right or wrong.
    pub clock_set: u32,
    /// Two machines begin with keys that give the same id. Never together with a lost answer, a crash, or a hostile server: who does not
    /// know whether its CREATE was done takes the folder for its own, which ids of 64 bits let it.
    pub same_id: u32,
    /// In a day: a machine is switched off, for hours, weeks or more than a year.
    pub silence: u32,
    /// In a day: a person deletes an inbox by hand.
    pub inbox_deleted: u32,
    /// In a day: a person deletes all folders by hand.
    pub all_deleted: u32,
    /// In a day: a folder's validity changes.
    pub validity: u32,
    /// In a day: somebody files a message of his own into a folder.
    pub foreign: u32,
    /// In a day: somebody puts garbage with the archive's header into a folder.
    pub garbage: u32,
    /// In a day: the server shows a message again that was removed.
    pub replay: u32,
    /// In a day: a person removes a member, or a device leaves.
    pub removal: u32,
    /// In a day: a person changes a setting.
    pub setting: u32,
    /// In a day: a machine's state is backed up, or put back to its last backup.
    pub backup: u32,
    /// In a day: a machine's state is copied to another machine, and both run on.
    pub copy: u32,
    /// The server's dates jump, by up to two years, once.
    pub dates_jump: u32,
    /// In a day: mails of other people arrive.
    pub mail: u32,
    /// In a day: a person renews the account's key, or takes another one.
    pub renewal: u32,
    /// In a day: a person destroys an old key of the account.
    pub destruction: u32,
}

/// Which faults a run may draw.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultSet {
    /// Nothing goes wrong, and nobody mistypes.
    None,
    /// Everything may.
    #[default]
    All,
}

impl Faults {
    /// Nothing goes wrong; people change a setting now and then.
    #[must_use]
    pub fn none() -> Self {
        Self { setting: 50_000, mail: 200_000, ..Self::default() }
    }

    /// Draws a mixture of everything.
    pub fn all(choices: &mut impl Choices) -> Self {
        let mut rate = |often: u32| match choices.below(4) {
            0 | 1 => 0,
            2 => often / 10,
            _ => often,
        };
        Self {
            crash: rate(40_000),
            unknown_done: rate(100_000),
            unknown_lost: rate(100_000),
            not_sent: rate(200_000),
            denied: rate(100_000),
            over_quota: rate(100_000),
            notice_lost: rate(500_000),
            slow: rate(50_000),
            mistyped: rate(300_000),
            wrong_code: rate(300_000),
            late: rate(200_000),
            clock: rate(300_000),
            same_id: rate(300_000),
            silence: rate(100_000),
            inbox_deleted: rate(20_000),
            all_deleted: rate(20_000),
            validity: rate(200_000),
            foreign: rate(200_000),
            garbage: rate(200_000),
            replay: rate(300_000),
            removal: rate(30_000),
            setting: rate(300_000),
            backup: rate(30_000),
            copy: rate(3_000),
            dates_jump: rate(10_000),
            mail: rate(500_000),
            renewal: rate(100_000),
            destruction: rate(100_000),
            clock_set: rate(100_000),
        }
        .without_ambiguity()
    }

    fn without_ambiguity(self) -> Self {
        let certain =
            self.crash == 0 && self.unknown_done == 0 && self.unknown_lost == 0 && self.silence == 0;
        Self { same_id: if certain { self.same_id } else { 0 }, ..self }
    }

    /// The mixture of a run.
    pub fn draw(set: FaultSet, choices: &mut impl Choices) -> Self {
        match set {
            FaultSet::None => Self::none(),
            FaultSet::All => Self::all(choices),
        }
    }
}
