//! LIST and LSUB (RFC 3501 sections 6.3.8 and 6.3.9), with the options of RFC 5258 and RFC 5819.

use std::collections::BTreeSet;

use imap_codec::imap_types::mailbox::{ListMailbox, Mailbox as MailboxName};

use super::{Answer, Outcome, Session, World};
use crate::{
    Extension,
    command::{self, ListRequest},
    names, output,
};

/// A name as LIST tells it.
struct Listed {
    name: String,
    attributes: Vec<&'static str>,
    /// Whether something below it was asked for, and not itself.
    child_info: bool,
}

impl Session {
    pub(super) fn list(&mut self, request: &ListRequest, world: &mut World<'_>) -> Outcome {
        let has = |extension| world.config.has(extension);
        let rev2 = self.enabled.rev2;
        let status_only = request.status.is_some() && has(Extension::ListStatus);
        if request.is_extended && !(has(Extension::ListExtended) || status_only || rev2) {
            return Err(Answer::bad("LIST has no options here"));
        }
        if request.status.is_some() && !has(Extension::ListStatus) && !rev2 {
            return Err(Answer::bad("LIST tells no status here"));
        }
        let delimiter = world.config.personality.delimiter;
        let children = request.return_children || (has(Extension::Children) && !request.is_extended) || rev2;
        self.account(world)?;
        // The hierarchy delimiter is asked for (RFC 3501 section 6.3.8).
        if !request.is_extended && request.patterns == [""] {
            self.line(&format!("* LIST (\\Noselect) \"{delimiter}\" \"\""));
            return Ok(Answer::ok("List completed"));
        }
        let patterns: Vec<String> = request
            .patterns
            .iter()
            .map(|pattern| {
                names::canonical(&self.kept(&format!("{}{pattern}", request.reference)), delimiter)
            })
            .collect();
        for listed in self.listed(&patterns, request, children, world)? {
            self.write_listed("LIST", &listed, world);
            let selectable =
                !listed.attributes.iter().any(|one| matches!(*one, "\\Noselect" | "\\NonExistent"));
            if let Some(items) = request.status.as_ref().filter(|_| selectable) {
                let id = self.find(&listed.name, world)?;
                self.tell_status(&listed.name, id, items, world)?;
            }
        }
        Ok(Answer::ok("List completed"))
    }

    fn listed(
        &self,
        patterns: &[String],
        request: &ListRequest,
        children: bool,
        world: &mut World<'_>,
    ) -> Result<Vec<Listed>, Answer> {
        let delimiter = world.config.personality.delimiter;
        let insensitive = world.config.personality.case_insensitive;
        let account = self.account(world)?;
        let wanted = |name: &str| {
            patterns.iter().any(|pattern| match insensitive {
                true => names::matches(&pattern.to_ascii_lowercase(), &name.to_ascii_lowercase(), delimiter),
                false => names::matches(pattern, name, delimiter),
            })
        };
        // Levels above a mailbox are shown where a pattern names them.
        let mailboxes: BTreeSet<&str> = account.names().map(String::as_str).collect();
        let mut candidates: BTreeSet<&str> = match request.only_subscribed {
            true => account.subscribed.iter().map(String::as_str).collect(),
            false => mailboxes.clone(),
        };
        let parents: Vec<&str> = candidates.iter().flat_map(|name| names::parents(name, delimiter)).collect();
        if !request.only_subscribed || request.recursive {
            candidates.extend(parents);
        }
        let mut found = Vec::new();
        for name in candidates.into_iter().filter(|name| wanted(name)) {
            let subscribed = account.subscribed.contains(name);
            let has_children = account.has_children(name, delimiter);
            let child_info = request.recursive
                && account
                    .subscribed
                    .iter()
                    .any(|below| names::is_below(below, name, delimiter) && !wanted(below));
            if request.only_subscribed && !subscribed && !child_info {
                continue;
            }
            let mut attributes = Vec::new();
            if !mailboxes.contains(name) {
                let missing =
                    if request.is_extended || self.enabled.rev2 { "\\NonExistent" } else { "\\Noselect" };
                attributes.push(missing);
            }
            if children {
                attributes.push(if has_children { "\\HasChildren" } else { "\\HasNoChildren" });
            }
            if request.return_subscribed && subscribed {
                attributes.push("\\Subscribed");
            }
            found.push(Listed { name: name.to_owned(), attributes, child_info });
        }
        Ok(found)
    }

    /// Of a name that is subscribed and does not match, LSUB tells the level that does (RFC 3501 section 6.3.9).
    pub(super) fn lsub(
        &mut self,
        reference: &MailboxName<'_>,
        pattern: &ListMailbox<'_>,
        world: &mut World<'_>,
    ) -> Outcome {
        let delimiter = world.config.personality.delimiter;
        let joined = format!("{}{}", command::mailbox_name(reference), command::pattern(pattern));
        let pattern = names::canonical(&self.kept(&joined), delimiter);
        let account = self.account(world)?;
        let mut found: Vec<Listed> = Vec::new();
        let mut implied = BTreeSet::new();
        for name in &account.subscribed {
            if names::matches(&pattern, name, delimiter) {
                found.push(Listed { name: name.clone(), attributes: Vec::new(), child_info: false });
            } else if pattern.ends_with('%') {
                let matching = names::parents(name, delimiter).filter(|parent| {
                    names::matches(&pattern, parent, delimiter) && !account.subscribed.contains(*parent)
                });
                implied.extend(matching.map(str::to_owned));
            }
        }
        found.extend(implied.into_iter().map(|name| Listed {
            name,
            attributes: vec!["\\Noselect"],
            child_info: false,
        }));
        for listed in found {
            self.write_listed("LSUB", &listed, world);
        }
        Ok(Answer::ok("Lsub completed"))
    }

    fn write_listed(&mut self, word: &str, listed: &Listed, world: &World<'_>) {
        let (attributes, delimiter) = (listed.attributes.join(" "), world.config.personality.delimiter);
        self.out.extend_from_slice(format!("* {word} ({attributes}) ").as_bytes());
        output::string(&mut self.out, delimiter.to_string().as_bytes());
        self.out.push(b' ');
        self.write_name(&listed.name, world);
        self.line(if listed.child_info { " (CHILDINFO (\"SUBSCRIBED\"))" } else { "" });
    }
}
