//! The accept: the member's proof and the group's state, sealed for the newcomer, as large as the server takes it.

use super::{
    Muaa,
    member::reason,
    persistent::{Link, Stage},
};
use crate::{
    Class, Crypto, Ended, Event, Fingerprint, Folder, Hash, MuaaId, Secret, SessionId, Token,
    wire::{self, Kind},
};

impl<C: Crypto> Muaa<C> {
    /// Posts the accept for a newcomer that proved itself, in the place of what waited for it. What proves and seals it is kept
    /// until the newcomer is heard, so that it can be written again smaller.
    pub(super) fn post_accept(
        &mut self,
        session: SessionId,
        (id, key): (MuaaId, Fingerprint),
        mac: Hash,
        bundle: Secret,
    ) {
        let end = self.state.journal_end;
        let part = self.whole_part(key);
        let seed = self.random.seed();
        let sealed = self.crypto.seal_bundle(&bundle, &wire::encode(&part.update), &seed);
        let accept = wire::Accept { session, mac, bundle: sealed };
        let token = self.say(Folder::Inbox(id), Class::Accept, Kind::Accept, wire::encode(&accept));
        let sent = Some((self.state.sequence, end, self.now));
        let link = Link {
            acked: end,
            sent,
            backlog: Some(String::new()),
            backlog_left: part.backlog,
            sent_full: true,
            ..Link::default()
        };
        let former = self.state.links.insert(id, link);
        for (_, old, _) in former.into_iter().flat_map(|former| former.waiting) {
            // The accept brings all of it.
            self.withdraw(Folder::Inbox(id), old);
        }
        if let Some(session) = self.state.sessions.get_mut(&session) {
            session.stage = Stage::Accepted(key, token, mac, bundle);
        }
    }

    /// The server refused an accept as too large: it is written again with fewer peers. If there were none in it, the pairing ends.
    /// Whether it was an accept that somebody waits for.
    pub(super) fn accept_smaller(&mut self, token: Token, max: u64) -> bool {
        let accepted = |stage: &Stage| match stage {
            Stage::Accepted(key, posted, mac, bundle) if *posted == token => {
                Some((*key, *mac, bundle.clone()))
            }
            Stage::Accepted(..) | Stage::Open | Stage::Over => None,
        };
        let found =
            self.state.sessions.iter().find_map(|(id, session)| Some((*id, accepted(&session.stage)?)));
        let Some((session, (key, mac, bundle))) = found else { return false };
        let Some(post) = self.state.posts.remove(&token) else { return false };
        let Folder::Inbox(id) = post.folder else { return false };
        let had_peers = self.whole_part(key).update.peers.is_some();
        if had_peers && self.expect_at_most(max, post.body.len()) {
            self.post_accept(session, (id, key), mac, bundle);
        } else {
            self.give_up(session, (id, key));
        }
        true
    }

    /// The server takes not even the least of an accept: the newcomer is told, and nothing is tried again by itself.
    fn give_up(&mut self, session: SessionId, (id, key): (MuaaId, Fingerprint)) {
        if let Some(state) = self.state.sessions.get_mut(&session) {
            state.wipe(Stage::Over);
        }
        let end = self.state.journal_end;
        if let Some(link) = self.state.links.get_mut(&id) {
            // Whoever lets it in after all tells it everything.
            *link = Link { acked: end, folder_gone: link.folder_gone, ..Link::default() };
        }
        self.abort(session, id, key, reason::TOO_LARGE);
        self.tell(Event::PairingEnded { with: id, why: Ended::TooLarge });
        self.changed();
    }
}
