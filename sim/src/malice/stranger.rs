//! Somebody with the account's password and no device of the group: he writes what he likes, with keys of his own.

use bytes::Bytes;
use sma_core::{
    Class, Crypto, Envelope, Folder, Form, Hash, MuaaId, PakeRun, Secret, Side, Timestamp, Token,
    state::Register,
    wire::{self, Kind, SignedOp, Update},
};

use super::put;
use crate::{
    choices::Choices,
    insider::{Insider, token_of},
    mail::{Key, Mail},
    symbolic::Symbolic,
    world::World,
};

/// So many keys he has in use.
const KEYS: usize = 3;
/// So many devices he makes up at once.
const MANY: u64 = 40;
/// So many mails he sends at once. Each is told in an update of its own, updates being small here.
const MAILS: u64 = 8;

/// One of his keys.
fn somebody<C: Choices>(world: &mut World<C>) -> Option<Insider> {
    if world.malice.strangers.len() < KEYS {
        let seed = world.choices.seed();
        let id = MuaaId(900 + world.malice.strangers.len() as u64);
        world.malice.strangers.extend(Insider::made_up(id, &seed));
    }
    let strangers = world.malice.strangers.clone();
    let mut one = world.any_of(&strangers)?;
    let sequence = world.choices.below(1 << 20);
    one.sequence = [sequence, 1 << 40, (1 << 48) - 2][world.choices.below(3) as usize];
    Some(one)
}

/// What he signs, as it lies in a folder.
fn envelope(by: &Insider, class: Class, op: &SignedOp) -> Envelope {
    let body = Bytes::from(wire::encode(op));
    let token = Token(token_of(&body));
    Envelope { sender: by.id(), token, class, date: Timestamp(0), body }
}

fn any_inbox<C: Choices>(world: &mut World<C>) -> Option<Folder> {
    let inboxes: Vec<_> = world.lab.store.inboxes().into_iter().collect();
    world.any_of(&inboxes)
}

fn announcement(one: &mut Insider, digest: Option<Hash>) -> Envelope {
    let body =
        wire::Announcement { certificate: one.certificate.clone(), capabilities: 0, digest, moves: None };
    one.announce(wire::encode(&body))
}

/// He says to be there, with a digest or none.
pub(super) fn announce<C: Choices>(world: &mut World<C>) {
    let Some(mut one) = somebody(world) else { return };
    let digest = world.choices.chance(500_000).then(|| Hash(world.choices.seed()));
    let said = announcement(&mut one, digest);
    put(world, Folder::Announcements, said, "a stranger's announcement");
}

/// He asks to be let in.
pub(super) fn ask<C: Choices>(world: &mut World<C>) {
    let (Some(mut one), Some(inbox)) = (somebody(world), any_inbox(world)) else { return };
    let said = announcement(&mut one, None);
    put(world, Folder::Announcements, said, "a stranger's announcement");
    let nonce = world.choices.below(1 << 30);
    let body = wire::Request { certificate: one.certificate.clone(), nonce, replaces: None };
    let op = one.say(Kind::Request.number(), wire::encode(&body));
    put(world, inbox, envelope(&one, Class::Request, &op), "a stranger's request");
}

/// He signs anew what another one said.
pub(super) fn copy<C: Choices>(world: &mut World<C>) {
    let (Some(mut one), all) = (somebody(world), world.lab.store.ever_seen()) else { return };
    let Some((folder, theirs)) = world.any_of(&all) else { return };
    let Some(content) = wire::decode::<SignedOp>(&theirs.body).and_then(|op| op.content()) else { return };
    let op = one.say(content.kind, content.body.to_vec());
    put(
        world,
        folder,
        Envelope { sender: theirs.sender, ..envelope(&one, theirs.class, &op) },
        "a stranger's copy",
    );
}

/// He offers to let somebody in.
pub(super) fn offer<C: Choices>(world: &mut World<C>) {
    let Some(mut one) = somebody(world) else { return };
    let said = announcement(&mut one, None);
    put(world, Folder::Announcements, said, "a stranger's announcement");
    let seed = world.choices.seed();
    let session = sma_core::SessionId(std::array::from_fn(|at| seed[at]));
    let password = Secret::new(b"12345678".to_vec());
    let run = PakeRun { side: Side::Member, password: &password, session, seed: &seed };
    let form = if world.choices.chance(500_000) { Form::Link } else { Form::Code };
    let expires = Timestamp(world.lab.now.0 + world.choices.below(1 << 34));
    let (share, certificate) = (Symbolic.pake_share(run), one.certificate.clone());
    let inbox = any_inbox(world).filter(|_| world.choices.chance(500_000));
    let to = if let Some(Folder::Inbox(id)) = inbox { Some(id) } else { None };
    let body = wire::Offer { session, share, certificate, to, expires, form };
    let op = one.say(Kind::Offer.number(), wire::encode(&body));
    put(
        world,
        inbox.unwrap_or(Folder::Announcements),
        envelope(&one, Class::Offer, &op),
        "a stranger's offer",
    );
}

/// All offers that he sees.
fn offers<C: Choices>(world: &World<C>) -> Vec<(MuaaId, wire::Offer)> {
    let read = |envelope: &Envelope| {
        let content = wire::decode::<SignedOp>(&envelope.body)?.content()?;
        (content.kind() == Kind::Offer).then_some((content.author(), content.body::<wire::Offer>()?))
    };
    world.lab.store.ever_seen().iter().filter_map(|(_, envelope)| read(envelope)).collect()
}

/// He answers an offer without knowing the code.
pub(super) fn guess<C: Choices>(world: &mut World<C>) {
    let (Some(mut one), offers) = (somebody(world), offers(world)) else { return };
    let Some((member, offer)) = world.any_of(&offers) else { return };
    let said = announcement(&mut one, None);
    put(world, Folder::Announcements, said, "a stranger's announcement");
    let seed = world.choices.seed();
    let password = Secret::new(world.choices.below(100_000_000).to_string().into_bytes());
    let run = PakeRun { side: Side::Newcomer, password: &password, session: offer.session, seed: &seed };
    let (share, certificate) = (Symbolic.pake_share(run), one.certificate.clone());
    let body = wire::Join { session: offer.session, share, certificate, mac: Hash(seed), replaces: None };
    let op = one.say(Kind::Join.number(), wire::encode(&body));
    put(world, Folder::Inbox(member), envelope(&one, Class::Join, &op), "a stranger's guess");
}

/// He says that a pairing is over, or was refused.
pub(super) fn end<C: Choices>(world: &mut World<C>) {
    let (Some(mut one), Some(inbox)) = (somebody(world), any_inbox(world)) else { return };
    let sessions: Vec<_> = offers(world).into_iter().map(|(_, offer)| offer.session).collect();
    let session = world.any_of(&sessions);
    let keys: Vec<_> =
        world.lab.machines.iter().filter_map(|machine| Some(machine.muaa.as_ref()?.fingerprint())).collect();
    let Some(to) = world.any_of(&keys) else { return };
    let (certificate, reason) = (one.certificate.clone(), world.choices.below(6) as u8);
    let (kind, class, body) = match session {
        Some(session) if world.choices.chance(500_000) => {
            (Kind::Abort, Class::Abort, wire::encode(&wire::Abort { session, to, reason, certificate }))
        }
        session => {
            (Kind::Reject, Class::Reject, wire::encode(&wire::Reject { session, to, reason, certificate }))
        }
    };
    let op = one.say(kind.number(), body);
    put(world, inbox, envelope(&one, class, &op), "a stranger's word that it is over");
}

/// He makes up many devices, each of which is there and asks.
pub(super) fn flood<C: Choices>(world: &mut World<C>) {
    let seed = world.choices.seed();
    let inbox = any_inbox(world);
    for n in 0..MANY {
        let seed = *blake3::keyed_hash(&seed, &n.to_be_bytes()).as_bytes();
        let Some(mut one) = Insider::made_up(MuaaId(1_000_000 + n), &seed) else { return };
        let said = announcement(&mut one, None);
        put(world, Folder::Announcements, said, "a made-up device's announcement");
        let body = wire::Request { certificate: one.certificate.clone(), nonce: n, replaces: None };
        let op = one.say(Kind::Request.number(), wire::encode(&body));
        if let Some(inbox) = inbox {
            put(world, inbox, envelope(&one, Class::Request, &op), "a made-up device's request");
        }
    }
}

/// He seals to a device what only a member may say.
pub(super) fn whisper<C: Choices>(world: &mut World<C>) {
    let Some(mut one) = somebody(world) else { return };
    let others: Vec<_> = world.lab.machines.iter().filter_map(Insider::of).collect();
    let Some(to) = world.any_of(&others) else { return };
    let own = one.log().ops();
    let (group, update) = match world.choices.below(4) {
        0 => (None, Update { ops: own, ..Update::new(to.key()) }),
        1 => {
            (Some(to.log().group()), Update { ops: own.clone(), merged: Some(own), ..Update::new(to.key()) })
        }
        2 => (
            Some(to.log().group()),
            Update { ask: true, received: world.choices.below(1 << 40), ..Update::new(to.key()) },
        ),
        _ => (Some(to.log().group()), Update { digest: Hash(world.choices.seed()), ..Update::new(to.key()) }),
    };
    let said = one.send(&to, group, update);
    put(world, Folder::Inbox(to.id()), said, "what a stranger sealed");
}

/// He says in the name of a device what only that one may say. He has not its key, so the signature is his own.
pub(super) fn pretend<C: Choices>(world: &mut World<C>) {
    let Some(one) = somebody(world) else { return };
    let others: Vec<_> = world.lab.machines.iter().filter_map(Insider::of).collect();
    let (Some(posed_as), Some(to)) = (world.any_of(&others), world.any_of(&others)) else { return };
    let own_key = one.key();
    let mut one = one.posing_as(&posed_as);
    one.sequence += world.choices.below(1 << 10);
    let inbox = Folder::Inbox(to.id());
    let (folder, said) = match world.choices.below(5) {
        0 => {
            let digest = world.choices.chance(500_000).then(|| Hash(world.choices.seed()));
            (Folder::Announcements, announcement(&mut one, digest))
        }
        1 => {
            let body = wire::Request {
                certificate: one.certificate.clone(),
                nonce: world.choices.below(1 << 30),
                replaces: None,
            };
            let op = one.say(Kind::Request.number(), wire::encode(&body));
            (inbox, envelope(&one, Class::Request, &op))
        }
        2 => {
            let Some((_, offer)) = offers(world).pop() else { return };
            let (certificate, reason) = (one.certificate.clone(), world.choices.below(6) as u8);
            let body = wire::Abort { session: offer.session, to: to.key(), reason, certificate };
            let op = one.say(Kind::Abort.number(), wire::encode(&body));
            (inbox, envelope(&one, Class::Abort, &op))
        }
        _ => {
            let mut update = Update { received: posed_as.received, ..Update::new(to.key()) };
            let value = if world.choices.chance(500_000) { "mutual" } else { "nopreference" };
            let time = 1 + world.choices.below(1 << 10);
            let register = Register { time, author: one.id(), value: value.to_owned(), removals: 0 };
            update.settings.insert("prefer-encrypt".to_owned(), register);
            if let Ok(made) =
                Symbolic.new_account_key("anna@example.org", &world.choices.seed(), world.lab.now)
            {
                world.lab.truth.made_by_stranger(made.fingerprint, own_key);
                update.keys.push(wire::KeyMaterial { secret: made.secret });
            }
            update.ask = world.choices.chance(500_000);
            let group = world.choices.chance(300_000).then(|| Hash(world.choices.seed()));
            (inbox, one.send(&to, group, update))
        }
    };
    put(world, folder, said, "what a stranger says in a device's name");
}

/// He sends many mails, each of another address, with a key.
pub(super) fn write<C: Choices>(world: &mut World<C>) {
    let at = world.choices.below(world.lab.machines.len() as u64) as usize;
    let received = Timestamp(world.lab.now.0.saturating_add_signed(world.lab.store.clock_offset));
    let first = world.choices.below(1 << 20);
    for n in 0..MAILS {
        let key = Key { octets: vec![n as u8; 64].into(), mutual: true };
        let mail = Mail { from: format!("spam{}", first + n), date: received, received, key: Some(key) };
        if let Ok(command) = mail.read() {
            world.lab.command(at, command);
        }
    }
    world.pump(at);
}
