//! FETCH (RFC 3501 section 6.4.5).

use std::borrow::Cow;

use chrono::DateTime;
use imap_codec::imap_types::{
    command::FetchModifier,
    core::AString,
    fetch::{MacroOrMessageDataItemNames, MessageDataItemName, Section},
    flag::StoreType,
    sequence::SequenceSet,
};

use super::{
    Answer, Outcome, Session, World,
    mailboxes::contains,
    selected::{Entry, Selected, shown},
};
use crate::{
    Extension,
    flags::SEEN,
    mailbox::{Body, Mailbox},
    mime::{self, Node},
    output,
    personality::Expunged,
};

type Item = MessageDataItemName<'static>;

impl Session {
    pub(super) fn fetch(
        &mut self,
        set: &SequenceSet,
        items: MacroOrMessageDataItemNames<'static>,
        uid: bool,
        modifiers: &[FetchModifier],
        world: &mut World<'_>,
    ) -> Outcome {
        let mut items = match items {
            MacroOrMessageDataItemNames::Macro(one) => expanded(&one.to_string()),
            MacroOrMessageDataItemNames::MessageDataItemNames(items) => items,
        };
        if items.iter().any(|item| matches!(item, Item::Binary { .. } | Item::BinarySize { .. })) {
            return Err(Answer::bad("BINARY is not offered here"));
        }
        let mut since = None;
        for modifier in modifiers {
            Self::needs(Extension::CondStore, world)?;
            match modifier {
                FetchModifier::ChangedSince(modseq) => since = Some(modseq.get()),
                FetchModifier::Vanished if !(uid && self.enabled.qresync) => {
                    return Err(Answer::bad("VANISHED is for UID FETCH with QRESYNC"));
                }
                FetchModifier::Vanished => {}
            }
        }
        let vanished = modifiers.contains(&FetchModifier::Vanished);
        if vanished && since.is_none() {
            return Err(Answer::bad("VANISHED goes with CHANGEDSINCE"));
        }
        if items.contains(&Item::ModSeq) || since.is_some() {
            Self::needs(Extension::CondStore, world)?;
            self.enabled.condstore = true;
            if !items.contains(&Item::ModSeq) {
                items.push(Item::ModSeq);
            }
        }
        if uid && !items.contains(&Item::Uid) {
            items.insert(0, Item::Uid);
        }
        let places = self.resolve(set, uid, world)?;
        let Some(mut selected) = self.selected.take() else { return Err(Answer::bad("No mailbox selected")) };
        let outcome = self.fetch_each(&mut selected, set, &places, &items, (since, vanished), world);
        self.selected = Some(selected);
        outcome
    }

    fn fetch_each(
        &mut self,
        selected: &mut Selected,
        set: &SequenceSet,
        places: &[usize],
        items: &[Item],
        (since, vanished): (Option<u64>, bool),
        world: &mut World<'_>,
    ) -> Outcome {
        let personality = &world.config.personality;
        let expunged = personality.expunged;
        let found = self.account(world)?.mailbox_mut(selected.id);
        // What a deleted mailbox was like is not known any more.
        let mut nothing = Mailbox::new(1, 1);
        let mailbox: &mut Mailbox = found.unwrap_or(&mut nothing);
        if let Some(since) = since.filter(|_| vanished) {
            let among = |uid: &u32| contains(set, *uid);
            let uids = output::set(mailbox.vanished_since(since).into_iter().filter(among));
            if !uids.is_empty() {
                self.line(&format!("* VANISHED (EARLIER) {uids}"));
            }
        }
        let reads = items.iter().any(sets_seen) && !selected.read_only;
        let mut issued = false;
        for at in places {
            let uid = selected.entries[*at].uid;
            let there = mailbox.message(uid);
            issued |= there.is_none();
            if since.is_some_and(|since| there.is_none_or(|message| message.modseq <= since)) {
                continue;
            }
            let mut told = items.to_vec();
            if let Some(message) = there.filter(|message| reads && !message.flags.has(&SEEN)) {
                let seen = message.flags.stored(&StoreType::Add, &SEEN);
                mailbox.set_flags(uid, seen);
                if !told.contains(&Item::Flags) {
                    told.push(Item::Flags);
                }
                if self.enabled.condstore && !told.contains(&Item::ModSeq) {
                    told.push(Item::ModSeq);
                }
            }
            if told.contains(&Item::Flags) {
                self.tell_keywords(selected, mailbox);
            }
            let entry = &mut selected.entries[*at];
            if let Some(message) = mailbox.message(uid) {
                if told.contains(&Item::Flags) {
                    entry.modseq = message.modseq;
                }
                entry.flags = message.flags.clone();
            }
            let gone = mailbox.message(uid).is_none();
            let served = if gone { expunged } else { Expunged::Kept };
            self.out.extend_from_slice(format!("* {} FETCH (", at + 1).as_bytes());
            let modseq = mailbox.message(uid).map_or(entry.modseq, |message| message.modseq);
            let flags = shown(&entry.flags, selected.recent.contains(&uid), mailbox);
            write_items(&mut self.out, &told, &selected.entries[*at], &flags, modseq, served);
            self.line(")");
        }
        let answer = Answer::ok("Fetch completed");
        let codes = world.config.personality.codes;
        Ok(if issued && codes { answer.with("EXPUNGEISSUED") } else { answer })
    }
}

fn expanded(name: &str) -> Vec<Item> {
    let mut items = vec![Item::Flags, Item::InternalDate, Item::Rfc822Size];
    if name != "FAST" {
        items.push(Item::Envelope);
    }
    if name == "FULL" {
        items.push(Item::Body);
    }
    items
}

/// Whether asking for it marks the message as seen.
fn sets_seen(item: &Item) -> bool {
    matches!(item, Item::BodyExt { peek: false, .. } | Item::Rfc822 | Item::Rfc822Text)
}

/// What the server says where it has lost a message.
fn fabricated() -> Body {
    let text = "From: System Administrator <postmaster@localhost>\r\nSubject: message unavailable\r\n\r\nThis message is no longer \
                available.\r\n";
    Body { octets: text.as_bytes().to_vec(), date: 0 }
}

fn write_items(out: &mut Vec<u8>, items: &[Item], entry: &Entry, flags: &str, modseq: u64, served: Expunged) {
    let made_up = fabricated();
    let body: &Body = if served == Expunged::Fabricated { &made_up } else { &entry.body };
    let octets = &body.octets;
    let mut parsed: Option<Node> = None;
    let mut node = || parsed.get_or_insert_with(|| mime::parts(octets)).clone();
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        let mut plain = |text: String| out.extend_from_slice(text.as_bytes());
        match item {
            Item::Uid => plain(format!("UID {}", entry.uid)),
            Item::Flags => plain(format!("FLAGS ({flags})")),
            Item::ModSeq => plain(format!("MODSEQ ({modseq})")),
            Item::Rfc822Size => plain(format!("RFC822.SIZE {}", octets.len())),
            Item::InternalDate => plain(format!("INTERNALDATE \"{}\"", date(body.date))),
            Item::Envelope => {
                out.extend_from_slice(b"ENVELOPE ");
                mime::envelope(out, mime::header(octets, &node()));
            }
            Item::Body => {
                out.extend_from_slice(b"BODY ");
                mime::structure(out, octets, &node(), false);
            }
            Item::BodyStructure => {
                out.extend_from_slice(b"BODYSTRUCTURE ");
                mime::structure(out, octets, &node(), true);
            }
            Item::Rfc822 => text(out, "RFC822", Some(octets.as_slice().into()), None, served),
            Item::Rfc822Header => {
                text(out, "RFC822.HEADER", Some(mime::header(octets, &node()).into()), None, served);
            }
            Item::Rfc822Text => {
                text(out, "RFC822.TEXT", Some(mime::text(octets, &node()).into()), None, served);
            }
            Item::BodyExt { section, partial, .. } => {
                let found = mime::section(octets, &node(), section.as_ref());
                let partial = partial.map(|(from, size)| (from, size.get()));
                text(out, &format!("BODY[{}]", named(section.as_ref())), found, partial, served);
            }
            // Not offered, and refused before.
            Item::Binary { .. } | Item::BinarySize { .. } => {}
        }
    }
}

/// An item with a text, of which only a part may be wanted.
fn text(
    out: &mut Vec<u8>,
    name: &str,
    octets: Option<Cow<'_, [u8]>>,
    partial: Option<(u32, u32)>,
    served: Expunged,
) {
    out.extend_from_slice(name.as_bytes());
    let octets = octets.filter(|_| served != Expunged::Nil);
    let octets = octets.as_deref().map(|octets| match partial {
        None => octets,
        Some((from, size)) => {
            let from = (from as usize).min(octets.len());
            &octets[from..from.saturating_add(size as usize).min(octets.len())]
        }
    });
    if let Some((from, _)) = partial {
        out.extend_from_slice(format!("<{from}>").as_bytes());
    }
    out.push(b' ');
    match octets {
        Some(octets) => output::literal(out, octets),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// A section as it is told.
fn named(section: Option<&Section<'_>>) -> String {
    let number = |part: &imap_codec::imap_types::fetch::Part| {
        part.0.as_ref().iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
    };
    let below = |part: &Option<_>, what: &str| match part {
        Some(part) => format!("{}.{what}", number(part)),
        None => what.to_owned(),
    };
    match section {
        None => String::new(),
        Some(Section::Part(part)) => number(part),
        Some(Section::Mime(part)) => format!("{}.MIME", number(part)),
        Some(Section::Header(part)) => below(part, "HEADER"),
        Some(Section::Text(part)) => below(part, "TEXT"),
        Some(Section::HeaderFields(part, names)) => {
            below(part, &format!("HEADER.FIELDS ({})", names_of(names.as_ref())))
        }
        Some(Section::HeaderFieldsNot(part, names)) => {
            below(part, &format!("HEADER.FIELDS.NOT ({})", names_of(names.as_ref())))
        }
    }
}

fn names_of(names: &[AString<'_>]) -> String {
    let mut out = Vec::new();
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        output::astring(&mut out, &String::from_utf8_lossy(name.as_ref()), false);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A date-time (RFC 3501 section 9); what no calendar has is the first second of 1970.
fn date(seconds: i64) -> String {
    let date = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    date.format("%e-%b-%Y %H:%M:%S +0000").to_string()
}
