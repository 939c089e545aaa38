//! What a server says that nobody asked for. A client must be ready for any response at any time (RFC 3501 section 5.2), and for
//! such that it does not know (section 7).

use super::{Session, World};
use crate::{chance::Chance, personality::Unsolicited};

/// All in order, and none of it means anything.
const SAID: [&str; 12] = [
    "* OK Still here",
    "* OK [ALERT] Your mailbox is over {99999999} octets (see \"help\")",
    "* OK [X-UNKNOWN (a \"b)] Nothing",
    "* NO Disk is nearly full",
    "* XNOTICE \"hello\" 5 (a (b) {3}\r\nx\r\n)",
    "* NAMESPACE ((\"\" \"/\")) NIL NIL",
    "* METADATA \"\" (/shared/comment \"x\")",
    "* STATUS \"elsewhere\" (MESSAGES 1 SIZE 5 MAILBOXID (x))",
    "* ESEARCH (TAG \"none\") UID COUNT 5",
    "* CAPABILITY IMAP4rev1 XNEW",
    "* LIST (\\HasNoChildren) \"/\" elsewhere (\"OLDNAME\" (\"before\"))",
    "* QUOTA \"\" (STORAGE 10 512)",
];

impl Session {
    /// Says something of the kind, now and then.
    pub(super) fn chatter(&mut self, world: &mut World<'_>) {
        if world.config.personality.unsolicited == Unsolicited::Never || world.rng.below(3) != 0 {
            return;
        }
        for _ in 0..=world.rng.below(3) {
            let which = world.rng.below(u32::try_from(SAID.len()).unwrap_or(1));
            self.line(SAID[which as usize]);
        }
        if let Some(uid) =
            self.selected.as_ref().and_then(|selected| selected.entries.first()).map(|entry| entry.uid)
            && world.rng.below(4) == 0
        {
            self.line(&format!("* 1 FETCH (UID {uid} X-UNKNOWN (a {{2}}\r\n)( ) X-OTHER 7)"));
        }
    }
}
