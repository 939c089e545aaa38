//! Mail of other people, and what it makes devices recommend.

use datadriven::TestCase;
use sma_core::{Command, Timestamp};
use sma_sim::mail::{Key, Mail, address};

use super::{Story, milliseconds, taken, word};

impl Story {
    /// `do 1 mail from=bob date=3d key=k1 mutual`: a mail that was dated three days ago and arrives just now. `date=year-3000`
    /// is a forged one. `do 1 gossip from=dave about=bob key=k1`, `do 1 forget peer=bob date=1h`, `do 1 wrote peer=bob`.
    pub(super) fn letter(&mut self, case: &mut TestCase, verb: &str) -> Result<Command, String> {
        let date = self.dated(case)?;
        if verb == "forget" {
            let peer = taken(case, "peer").and_then(|name| address(&name)).ok_or("whom?")?;
            return Ok(Command::DeletePeer { address: peer.to_string(), date });
        }
        if verb == "wrote" {
            let peer = taken(case, "peer").and_then(|name| address(&name)).ok_or("to whom?")?;
            return Ok(Command::Wrote { addresses: [peer].into(), date });
        }
        let mutual = case.take_flag("mutual").map_err(|error| error.to_string())?;
        let key = taken(case, "key").map(|name| Key { octets: name.into(), mutual });
        let from = taken(case, "from").ok_or("from whom?")?;
        let mail = |key| Mail { from, date, received: self.stage.lab.now, key };
        if verb == "mail" {
            return mail(key).read().map_err(|why| format!("nothing is learnt from this mail: {why}"));
        }
        let about = taken(case, "about").ok_or("about whom?")?;
        mail(None).decrypted(&about, &key.ok_or("which key?")?).map_err(|why| why.to_string())
    }

    fn dated(&self, case: &mut TestCase) -> Result<Timestamp, String> {
        let now = self.stage.lab.now;
        Ok(match taken(case, "date").as_deref() {
            None => now,
            Some("year-3000") => Timestamp::from_secs(32_503_680_000),
            Some(ago) => Timestamp(now.0.saturating_add_signed(-milliseconds(ago)?)),
        })
    }

    /// What each device recommends for a mail to somebody, and with which key.
    pub(super) fn recommend(&self, case: &mut TestCase) -> Result<String, String> {
        let peer = address(&word(case, |_| true)?).ok_or("no name")?;
        let lines = self.stage.lab.machines.iter().filter_map(|machine| {
            let advice = machine.muaa.as_ref()?.recommendation([&peer], false, |_| true);
            let key = advice.keys.get(&peer).map(|key| format!(" with {}", String::from_utf8_lossy(key)));
            let word = format!("{:?}", advice.recommendation).to_lowercase();
            Some(format!("{}: {word}{}", machine.name, key.unwrap_or_default()))
        });
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }
}
