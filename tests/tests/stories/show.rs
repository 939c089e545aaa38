//! What a story shows: folders, devices, settings, and what does not hold.

use sma_sim::{store::Kept, symbolic::renewal};

use super::Story;

impl Story {
    pub(super) fn store(&mut self) -> String {
        let mut lines = Vec::new();
        for (folder, mailbox) in self.stage.lab.store.folders.clone() {
            let names = &mut self.stage.lab.trace.names;
            let messages: Vec<_> = mailbox
                .messages
                .iter()
                .map(|(uid, stored)| match &stored.kept {
                    Kept::Envelope(envelope) => format!("uid {} {}", uid.0, names.envelope(envelope)),
                    Kept::Foreign(_) => format!("uid {} foreign", uid.0),
                    Kept::Huge(_) => format!("uid {} too large", uid.0),
                })
                .collect();
            let content = if messages.is_empty() { "empty".to_owned() } else { messages.join(", ") };
            lines.push(format!("{}: {content}", names.folder(folder)));
        }
        lines.join("\n")
    }

    pub(super) fn state(&mut self) -> String {
        let mut lines = Vec::new();
        let mut account_keys = Vec::new();
        for machine in &self.stage.lab.machines {
            let Some(muaa) = &machine.muaa else {
                lines.push(format!("{}: off", machine.name));
                continue;
            };
            let names = &mut self.stage.lab.trace.names;
            let mut line = format!("{}: {}", machine.name, muaa.phase().name());
            if let Some(group) = muaa.group() {
                let members: Vec<_> = muaa.members().into_iter().map(|id| names.id(id)).collect();
                line += &format!(", {} of {}", names.group(group), members.join(" "));
            }
            let account = muaa.account();
            if let Some(current) = account.current {
                let at = account_keys.iter().position(|key| *key == current).unwrap_or(account_keys.len());
                account_keys.extend((at == account_keys.len()).then_some(current));
                let renewal = muaa.account_secret(&current).and_then(renewal);
                let renewal = renewal.map(|n| format!(" with renewal {n}")).unwrap_or_default();
                line += &format!(", account key {}{renewal} of {}", at + 1, account.keys.len());
            }
            lines.push(line);
        }
        lines.join("\n")
    }

    /// What each running device shows in its list of devices.
    pub(super) fn devices(&mut self) -> String {
        let mut lines = Vec::new();
        for machine in &self.stage.lab.machines {
            let Some(muaa) = &machine.muaa else { continue };
            let names = &mut self.stage.lab.trace.names;
            let shown = |one: sma_core::Sibling| {
                let mut words = vec![names.id(one.id)];
                words.extend(one.member.then(|| "member".to_owned()));
                words.extend(one.silent.then(|| "silent".to_owned()));
                words.extend(one.requesting.then(|| "requesting".to_owned()));
                words.extend(one.replaces.map(|id| format!("in place of {}", names.id(id))));
                words.join(" ")
            };
            let all: Vec<_> = muaa.siblings().into_iter().map(shown).collect();
            lines.push(format!("{}: {}", machine.name, all.join(", ")));
        }
        lines.join("\n")
    }

    /// What each running device calls the members, and whether mail asks for encryption.
    pub(super) fn settings(&mut self) -> String {
        let mut lines = Vec::new();
        for machine in &self.stage.lab.machines {
            let Some(muaa) = &machine.muaa else { continue };
            let siblings = muaa.siblings().into_iter().filter(|sibling| sibling.member);
            let names: Vec<_> = siblings
                .map(|one| {
                    format!(
                        "{} is \"{}\"",
                        self.stage.lab.trace.names.id(one.id),
                        one.name.unwrap_or_default()
                    )
                })
                .collect();
            let encrypt = if muaa.prefers_encrypt() { "mutual" } else { "nopreference" };
            lines.push(format!("{}: {}, prefer-encrypt {encrypt}", machine.name, names.join(", ")));
        }
        lines.join("\n")
    }

    /// The six digits that people compare.
    pub(super) fn comparison(&self) -> String {
        let shown = |machine: &sma_sim::lab::Machine| {
            let digits = machine.muaa.as_ref()?.comparison()?;
            Some(format!("{}: {digits}", machine.name))
        };
        self.stage.lab.machines.iter().filter_map(shown).collect::<Vec<_>>().join("\n")
    }
}
