//! What the server, and whoever has the account's password, does in a story.

use bytes::Bytes;
use datadriven::TestCase;
use sma_core::{
    Class, Envelope, Folder, MuaaId, Op, OpError, Token, Uid,
    wire::{self, SignedOp},
};
use sma_sim::{
    lab::Fate,
    stage::Mishap,
    store::{Kept, Store},
};

use super::{Story, milliseconds, numbers, taken, word};

impl Story {
    /// `fail 27 on=accept how=refused`, with `crash` if the program dies as well.
    pub(super) fn fail(&mut self, case: &mut TestCase) -> Result<String, String> {
        let at = self.who(case)?;
        let on = taken(case, "on").ok_or("on what?")?;
        let how = taken(case, "how").ok_or("how?")?;
        let fate = match how.as_str() {
            "refused" => Fate::Refused(OpError::Denied),
            "full" => Fate::Refused(OpError::OverQuota),
            "unknown-done" => Fate::UnknownDone,
            "unknown-lost" => Fate::UnknownLost,
            "fine" => Fate::Fine,
            other => return Err(format!("nothing fails {other}")),
        };
        let crash = case.take_flag("crash").map_err(|error| error.to_string())?;
        self.stage.mishaps.push(Mishap { at, on, fate, crash });
        Ok(String::new())
    }

    /// `arrives 4 on=announcement`: the first such operation of 4 that was lost reaches the server after all.
    pub(super) fn arrives(&mut self, case: &mut TestCase) -> Result<String, String> {
        let on = taken(case, "on").ok_or("what?")?;
        let at = self.who(case)?;
        if self.stage.arrive(at, &on) { Ok(String::new()) } else { Err("nothing was lost".to_owned()) }
    }

    /// `inject _Autocrypt_SMA_27 foreign`: `foreign`, `huge` or `garbage`.
    pub(super) fn inject(&mut self, case: &mut TestCase) -> Result<String, String> {
        let name = word(case, |w| w.starts_with('_'))?;
        let folder = Folder::parse(&name).ok_or("no folder of the archive")?;
        let what = word(case, |_| true)?;
        self.said += 1;
        let kept = match what.as_str() {
            "foreign" => Kept::Foreign(b"a mail that a filter filed here"[..].into()),
            "huge" => Kept::Huge(100 << 20),
            "garbage" => Kept::Envelope(Envelope {
                sender: MuaaId(666),
                token: Token([self.said as u8; 16]),
                class: Class::Request,
                date: self.stage.lab.now.hour(),
                body: b"garbage"[..].into(),
            }),
            other => return Err(format!("nobody injects {other}")),
        };
        let uid = self.stage.lab.store.put(folder, kept.clone(), true, self.stage.lab.now);
        let uid = uid.ok_or("there is no such folder")?;
        if let Kept::Foreign(octets) = kept {
            self.stage.lab.truth.foreign.push((folder, uid, octets));
        }
        for at in 0..self.stage.lab.machines.len() {
            self.stage.lab.notice(at, folder);
        }
        Ok(format!("uid {}", uid.0))
    }

    /// `replay announcement of=2`: the first such message there ever was lies in its folder again; with `replay pairing` the first
    /// offer, join, accept and update, with `replay all` all that ever were. With `into=` it is another folder, with `as=` another
    /// sender stands in its header; with `anew` it has another token, with `unsigned` no signature either.
    pub(super) fn replay(&mut self, case: &mut TestCase) -> Result<String, String> {
        let into = taken(case, "into").map(|name| Folder::parse(&name).ok_or("no folder of the archive"));
        let into = into.transpose()?;
        let sender = taken(case, "as").map(|id| id.parse().map_err(|_| "no id")).transpose()?.map(MuaaId);
        let mut flag = |name| case.take_flag(name).map_err(|error| error.to_string());
        let (anew, unsigned) = (flag("anew")?, flag("unsigned")?);
        let what = match taken(case, "of") {
            Some(id) => format!("{}({id})", word(case, |_| true)?),
            None => word(case, |w| w == "all" || w == "pairing")?,
        };
        let lying: Vec<_> =
            self.stage.lab.store.envelopes().map(|(place, _, envelope)| (place, envelope.clone())).collect();
        let mut known = self.stage.lab.store.remembered.clone();
        let names = &mut self.stage.lab.trace.names;
        match what.as_str() {
            "all" => {}
            "pairing" => {
                let mut classes = vec![Class::Offer, Class::Join, Class::Accept, Class::Sync];
                known.retain(|(_, envelope)| {
                    let place = classes.iter().position(|class| *class == envelope.class);
                    place.map(|place| classes.swap_remove(place)).is_some()
                });
            }
            what => {
                known.extend(lying);
                known.retain(|(_, envelope)| names.envelope(envelope) == what);
                known.truncate(1);
            }
        }
        if known.is_empty() {
            return Err(format!("there never was {what}"));
        }
        let mut count = 0;
        for (place, mut envelope) in known {
            envelope.sender = sender.unwrap_or(envelope.sender);
            if anew || unsigned {
                self.said += 1;
                envelope.token = Token(u128::from(self.said).to_be_bytes());
            }
            if unsigned && let Some(op) = wire::decode::<SignedOp>(&envelope.body) {
                envelope.body = wire::encode(&SignedOp { signature: Bytes::new(), ..op }).into();
            }
            let folder = into.unwrap_or(place);
            count += usize::from(self.lay(folder, Kept::Envelope(envelope)).is_some());
        }
        Ok(format!("{count} messages"))
    }

    /// Puts a message there that no MUAA did.
    pub(super) fn lay(&mut self, folder: Folder, kept: Kept) -> Option<Uid> {
        let uid = self.stage.lab.store.put(folder, kept, true, self.stage.lab.now)?;
        self.notice_all(folder);
        Some(uid)
    }

    fn notice_all(&mut self, folder: Folder) {
        for at in 0..self.stage.lab.machines.len() {
            self.stage.lab.notice(at, folder);
        }
    }

    /// `drop _Autocrypt_SMA_27 uid=2`: the server loses a message, or all of a folder.
    pub(super) fn lose(&mut self, case: &mut TestCase) -> Result<String, String> {
        let folder = folder(case)?;
        let uid = taken(case, "uid").map(|uid| uid.parse().map_err(|_| "no uid")).transpose()?;
        let mailbox = self.stage.lab.store.folders.get_mut(&folder).ok_or("there is no such folder")?;
        std::sync::Arc::make_mut(mailbox).messages.retain(|at, _| uid.is_some_and(|uid: u32| at.0 != uid));
        self.stage.lab.truth.forget_foreign(folder);
        Ok(String::new())
    }

    /// `personality never-deletes`.
    pub(super) fn personality(&mut self, case: &mut TestCase) -> Result<String, String> {
        let personality = &mut self.stage.lab.store.personality;
        match word(case, |_| true)?.as_str() {
            "never-deletes" => personality.never_deletes = true,
            "reuses-validity" => personality.reuses_validity = true,
            "hides-announcements" => personality.hides_announcements = true,
            other => return Err(format!("no server {other}")),
        }
        Ok(String::new())
    }

    /// `server save=a`, `server load=a`: everything is as it was when it was saved; `server merge=a`: what lay there then lies
    /// there as well.
    pub(super) fn server(&mut self, case: &mut TestCase) -> Result<String, String> {
        let now = self.stage.lab.store.clone();
        if let Some(name) = taken(case, "save") {
            self.saved.insert(name, now);
        } else if let Some(name) = taken(case, "load") {
            self.stage.lab.store = self.saved.get(&name).ok_or("nothing was saved")?.clone();
            self.stage.lab.store.remembered = now.remembered;
        } else {
            let name = taken(case, "merge").ok_or("save, load or merge?")?;
            let other: Store = self.saved.get(&name).ok_or("nothing was saved")?.clone();
            for folder in other.folders.keys().filter(|folder| !now.folders.contains_key(folder)) {
                let made = self.stage.lab.store.apply(&Op::CreateFolder(*folder), self.stage.lab.now);
                made.map_err(|error| error.to_string())?;
            }
            let there: Vec<_> = now.all().map(|(folder, _, stored)| (folder, stored.kept.clone())).collect();
            let then = other.all().map(|(folder, _, stored)| (folder, stored.kept.clone()));
            for (folder, kept) in then.filter(|one| !there.contains(one)) {
                self.stage.lab.store.put(folder, kept, false, self.stage.lab.now);
            }
        }
        let folders: Vec<_> = self.stage.lab.store.folders.keys().copied().collect();
        folders.into_iter().for_each(|folder| self.notice_all(folder));
        Ok(String::new())
    }

    /// `quota full` or so many octets; 0 is none.
    pub(super) fn quota(&mut self, case: &mut TestCase) -> Result<String, String> {
        let store = &mut self.stage.lab.store;
        store.quota = match word(case, |_| true)?.as_str() {
            "full" => store.bytes.max(1),
            octets => octets.parse().map_err(|_| "no number")?,
        };
        Ok(String::new())
    }

    /// `body-max 1000`: the server takes no larger message; 0 is no limit.
    pub(super) fn body_max(&mut self, case: &mut TestCase) -> Result<String, String> {
        self.stage.lab.store.body_max = *numbers(case).first().ok_or("how large?")?;
        Ok(String::new())
    }

    /// `dates ahead=400d`: what the server's clock is off.
    pub(super) fn dates(&mut self, case: &mut TestCase) -> Result<String, String> {
        self.stage.lab.store.clock_offset = offset(case)?;
        Ok(String::new())
    }

    /// `clock 1 behind=3650d`: what a device's clock is off.
    pub(super) fn clock(&mut self, case: &mut TestCase) -> Result<String, String> {
        let offset = offset(case)?;
        let at = self.who(case)?;
        self.stage.lab.machines[at].set_clock(offset);
        self.stage.lab.wake(at);
        Ok(String::new())
    }
}

pub(super) fn offset(case: &mut TestCase) -> Result<i64, String> {
    match (taken(case, "ahead"), taken(case, "behind")) {
        (Some(time), None) => milliseconds(&time),
        (None, Some(time)) => Ok(-milliseconds(&time)?),
        (None, None) => Ok(0),
        (Some(_), Some(_)) => Err("ahead or behind?".to_owned()),
    }
}

pub(super) fn folder(case: &mut TestCase) -> Result<Folder, String> {
    let name = word(case, |w| w.starts_with('_'))?;
    Folder::parse(&name).ok_or_else(|| "no folder of the archive".to_owned())
}
