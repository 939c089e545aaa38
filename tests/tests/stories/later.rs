//! What a device of a later version of the program says in a story.

use datadriven::TestCase;
use sma_core::Folder;
use sma_sim::store::Kept;
use sma_tests::insider::{Insider, Said};

use super::{Story, taken};

impl Story {
    /// `later 3 kind=25 to=1`: device 3, which is off, says something to 1 that this version does not know.
    pub(super) fn later(&mut self, case: &mut TestCase) -> Result<String, String> {
        let to = self.named(&taken(case, "to").ok_or("to whom?")?)?;
        let kind = taken(case, "kind").and_then(|kind| kind.parse().ok()).ok_or("of which kind?")?;
        let at = self.who(case)?;
        let machines = &self.stage.lab.machines;
        let mut author = Insider::of(&machines[at]).ok_or("it is in no group")?;
        let recipient = Insider::of(&machines[to]).ok_or("the other is in no group")?;
        let ops = vec![author.op(kind, vec![0xa0])];
        let envelope = author.update(&recipient, Said { ops, ..Said::default() });
        let id = self.stage.id(to).ok_or("the other is off")?;
        self.lay(Folder::Inbox(id), Kept::Envelope(envelope));
        Ok(String::new())
    }
}
