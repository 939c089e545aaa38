//! Machines on one store, moved one step at a time by somebody else: the world with its dice, or a story's lines.

use std::collections::{BTreeMap, BTreeSet};

use sma_core::{
    Command, Config, Event, Fingerprint, Folder, Input, InputError, Muaa, MuaaId, Op, OpError, OpId, Output,
    Reply, SessionId, Snapshot, Timestamp,
};

use crate::{
    check::{self, Violation},
    deeds::Before,
    store::Store,
    symbolic::{Symbolic, device_key_of},
    truth::Truth,
    words::Trace,
};

/// What the network and the server do to an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It is done and answered.
    Fine,
    /// It is not done, and this is the answer.
    Refused(OpError),
    /// It is done, and the answer is lost.
    UnknownDone,
    /// It is lost.
    UnknownLost,
    /// It is not done, and the server says that it is.
    Claimed,
}

/// A code or a link on a machine's screen.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The session it belongs to.
    pub session: SessionId,
    /// The code as a person reads it, or the link.
    pub code: String,
}

/// A computer with a mail program, running or not.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its name in the trace.
    pub name: String,
    /// Its settings.
    pub config: Config,
    /// The program, while it runs.
    pub muaa: Option<Muaa<Symbolic>>,
    /// What survives a crash.
    pub durable: Option<Snapshot>,
    /// What survived once.
    pub backup: Option<Snapshot>,
    /// How often it was started.
    pub life: u32,
    /// Requests that were not answered.
    pub outstanding: BTreeMap<OpId, Op>,
    /// Folders it wants to be told of.
    pub watching: BTreeSet<Folder>,
    /// How far its clock is off, in milliseconds.
    pub clock: i64,
    misled: bool,
    /// Somebody took it: its program does not run any more.
    pub stolen: bool,
    /// The code or the link on its screen.
    pub shown: Option<Shown>,
    first_id: Option<MuaaId>,
    seed: [u8; 32],
    /// Its device key when it was last looked at.
    key: Option<Fingerprint>,
}

impl Machine {
    /// Its clock goes wrong, or is put right.
    pub fn set_clock(&mut self, off: i64) {
        self.misled |= self.is_misled();
        self.clock = off;
    }

    /// Whether its clock is, or was at some time, off by a day or more.
    #[must_use]
    pub const fn is_misled(&self) -> bool {
        self.misled || self.clock.unsigned_abs() >= 86_400_000
    }

    /// What its clock says.
    #[must_use]
    pub fn local(&self, now: Timestamp) -> Timestamp {
        Timestamp(now.0.saturating_add_signed(self.clock))
    }

    /// The program as it would be after a crash.
    #[must_use]
    pub fn as_saved(&self) -> Option<Muaa<Symbolic>> {
        Muaa::restore(self.config.clone(), Symbolic, self.seed, self.durable.as_ref()?, Timestamp(0)).ok()
    }

    /// When it wants to be woken, in the world's time.
    #[must_use]
    pub fn wakes(&self) -> Option<Timestamp> {
        let (at, _) = self.muaa.as_ref()?.poll_timeout()?;
        Some(Timestamp(at.0.saturating_add_signed(-self.clock)))
    }
}

/// One step of a machine's output.
#[derive(Debug)]
pub enum Step {
    /// It saved its state.
    Saved,
    /// It asked for this.
    Asked(OpId),
    /// It told this.
    Told(Event),
}

/// Counts of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Operations that reached the store.
    pub operations: u64,
    /// Octets of all bodies that were appended.
    pub appended: u64,
    /// Starts after a crash or a silence.
    pub restarts: u64,
}

/// Of so many starts one reads the state back from its octets where the world is hasty.
const READS_BACK: u32 = 16;

/// Machines and their store.
#[derive(Clone, Debug, Default)]
pub struct Lab {
    /// The store.
    pub store: Store,
    /// The machines.
    pub machines: Vec<Machine>,
    /// The world's time.
    pub now: Timestamp,
    /// The run in words.
    pub trace: Trace,
    /// What an all-knowing observer knows.
    pub truth: Truth,
    /// Counts.
    pub counts: Counts,
    /// The first broken invariant.
    pub violation: Option<Violation>,
    /// Machines start from their snapshots themselves but for the first restart of each and one of some more. Else each snapshot is
    /// written out and read back.
    pub hasty: bool,
}

impl Lab {
    /// Puts a machine there that does not run yet; gives its place.
    pub fn add(&mut self, name: &str, config: Config, first_id: Option<MuaaId>, seed: [u8; 32]) -> usize {
        self.machines.push(Machine {
            name: name.to_owned(),
            config,
            muaa: None,
            durable: None,
            backup: None,
            life: 0,
            outstanding: BTreeMap::new(),
            watching: BTreeSet::new(),
            clock: 0,
            misled: false,
            stolen: false,
            shown: None,
            first_id,
            seed,
            key: None,
        });
        self.machines.len() - 1
    }

    /// Puts a machine there, off, with a copy of what another one has saved.
    pub fn add_copy(&mut self, of: usize, seed: [u8; 32]) -> usize {
        let name = (self.machines.len() + 1).to_string();
        let (config, durable) = (self.machines[of].config.clone(), self.machines[of].durable.clone());
        let at = self.add(&name, config, None, seed);
        self.machines[at].durable = durable;
        self.machines[at].misled = self.machines[of].is_misled();
        self.truth.copied = true;
        self.truth.deeds.put_back();
        at
    }

    /// Keeps what a machine has saved.
    pub fn back_up(&mut self, at: usize) {
        self.machines[at].backup = self.machines[at].durable.clone();
    }

    /// Puts a machine back to its backup, if it has one; it is off then.
    pub fn restore_backup(&mut self, at: usize) {
        if let Some(backup) = self.machines[at].backup.clone() {
            self.stop(at);
            self.machines[at].durable = Some(backup);
            self.machines[at].key = None;
            self.truth.seen.remove(&at);
            self.truth.held.remove(&at);
            self.truth.named.remove(&at);
            self.truth.versions.retain(|(machine, _), _| *machine != at);
            self.truth.letters.put_back(at);
            self.truth.deeds.put_back();
            self.truth.copied = true;
        }
    }

    /// A device that goes on under another key is the same to the observer.
    fn note_key(&mut self, at: usize) {
        let machine = &mut self.machines[at];
        let Some(muaa) = &machine.muaa else { return };
        let key = muaa.fingerprint();
        let Some(before) = machine.key.replace(key).filter(|before| *before != key) else { return };
        if muaa.group().is_some() {
            self.truth.moves(before, key);
        } else {
            // It began anew, and knows nothing of the group.
            self.truth.seen.remove(&at);
        }
    }

    /// Starts a program: anew, or from what survived, which is written out and read back on the way.
    pub fn start(&mut self, at: usize) {
        let now = self.now;
        let machine = &mut self.machines[at];
        if machine.stolen {
            return;
        }
        machine.life += 1;
        let seed = *blake3::keyed_hash(&machine.seed, &machine.life.to_be_bytes()).as_bytes();
        let (config, local) = (machine.config.clone(), machine.local(now));
        let started = match &machine.durable {
            Some(saved) => {
                self.counts.restarts += 1;
                let reads_back = !self.hasty || machine.life % READS_BACK == 2;
                let read = if reads_back { read_back(saved) } else { Ok(saved.clone()) };
                read.and_then(|read| {
                    Muaa::restore(config, Symbolic, seed, &read, local).map_err(|error| error.to_string())
                })
            }
            None => Ok(match machine.first_id {
                Some(id) => {
                    let device = device_key_of(id, &seed).expect("a symbolic key can be made");
                    Muaa::with_device(config, Symbolic, seed, device, local)
                }
                None => Muaa::new(config, Symbolic, seed, local),
            }),
        };
        match started {
            Ok(muaa) => machine.muaa = Some(muaa),
            Err(why) => self.break_invariant("8 crash safety", format!("{}: {why}", self.machines[at].name)),
        }
    }

    /// Ends a program at once.
    pub fn stop(&mut self, at: usize) {
        let machine = &mut self.machines[at];
        machine.muaa = None;
        machine.outstanding.clear();
        machine.watching.clear();
        machine.shown = None;
    }

    /// Takes one output.
    pub fn step(&mut self, at: usize) -> Option<Step> {
        self.note_key(at);
        let machine = &mut self.machines[at];
        Some(match machine.muaa.as_mut()?.poll_output()? {
            Output::Persist(snapshot) => {
                machine.durable = Some(snapshot);
                Step::Saved
            }
            Output::Request { id, op } => {
                machine.outstanding.insert(id, op);
                check::before_request(self, at);
                Step::Asked(id)
            }
            Output::Event(event) => {
                if let Some(shown) = shown(&event) {
                    machine.shown = Some(shown);
                }
                let name = &machine.name;
                self.trace.say(|names| format!("{name} {}", names.event(&event)));
                check::after_event(self, at, &event);
                if let Event::MemberGone { id, how } = event
                    && how.is_forced()
                {
                    // A person had it removed, or replaced, or it was silent for a year; or the thief did.
                    let removed =
                        self.machines.iter().filter_map(Machine::as_saved).find(|m| m.id() == Some(id));
                    let removed = removed.map(|muaa| muaa.fingerprint());
                    let removed = removed.filter(|key| !self.truth.removed.contains_key(key));
                    let by = self.machines[at].muaa.as_ref().map(|muaa| muaa.fingerprint());
                    let by = self.truth.thief.or(by);
                    if let Some((by, whom)) = by.zip(removed) {
                        self.truth.remove(by, whom);
                    }
                }
                Step::Told(event)
            }
        })
    }

    /// Does an outstanding operation on the store; the answer is to be handed in by [`Lab::answer`]. Tells which folder
    /// changed.
    pub fn perform(&mut self, at: usize, id: OpId, fate: Fate) -> (Result<Reply, OpError>, Option<Folder>) {
        let Some(op) = self.machines[at].outstanding.get(&id).cloned() else {
            return (Err(OpError::NotSent), None);
        };
        let reaches = matches!(fate, Fate::Fine | Fate::UnknownDone);
        let done = reaches.then(|| self.store.apply(&op, self.now));
        let mut changed = None;
        if let Some(Ok(_)) = &done {
            self.counts.operations += 1;
            changed = changed_folder(&op);
            if let Op::DeleteFolder(folder) = &op {
                // Filed between the last look and the deletion; that a look is taken is what a story shows.
                self.truth.forget_foreign(*folder);
            }
            if let Op::CreateFolder(folder) = &op {
                self.truth.made(*folder, self.now);
            }
            if let Op::Append { envelope, .. } = &op {
                self.counts.appended += envelope.body.len() as u64;
            }
        }
        let uid = done.as_ref().and_then(|done| done.as_ref().ok()?.1);
        let (result, note) = match (fate, done) {
            (Fate::Refused(error), _) => (Err(error), ""),
            (Fate::UnknownDone, Some(Ok(_))) => (Err(OpError::Unknown), " (it was done)"),
            (Fate::UnknownDone | Fate::UnknownLost, _) => (Err(OpError::Unknown), " (it was not done)"),
            (Fate::Claimed, _) => (Ok(Reply::Ok), " (it was not done)"),
            (Fate::Fine, Some(done)) => (done.map(|(reply, _)| reply), ""),
            (Fate::Fine, None) => (Err(OpError::NotSent), ""),
        };
        if let (Op::CreateFolder(folder), Fate::Claimed) = (&op, fate)
            && !self.store.folders.contains_key(folder)
        {
            // As if somebody had deleted it at once.
            self.truth.deleted_by_hand(*folder, &BTreeSet::new());
        }
        if let (Op::Watch(folders), true) = (&op, result.is_ok()) {
            self.machines[at].watching = folders.iter().copied().collect();
        }
        self.trace.op(&self.machines[at].name, &op, &result, uid, note);
        (result, changed)
    }

    /// Does an operation of a machine that died after sending it; whether it succeeded.
    pub fn perform_for_the_dead(&mut self, at: usize, op: &Op) -> bool {
        let done = self.store.apply(op, self.now);
        if let Op::Append { envelope, .. } = op {
            self.truth.late.insert(envelope.token);
        }
        if let (Op::CreateFolder(folder), Ok(_)) = (op, &done) {
            self.truth.made(*folder, self.now);
        }
        let (result, uid) = match done {
            Ok((reply, uid)) => (Ok(reply), uid),
            Err(error) => (Err(error), None),
        };
        self.trace.op(&self.machines[at].name, op, &result, uid, " (nobody hears the answer)");
        result.is_ok()
    }

    /// Answers an outstanding operation.
    pub fn answer(&mut self, at: usize, id: OpId, result: Result<Reply, OpError>) {
        let machine = &mut self.machines[at];
        let local = machine.local(self.now);
        if machine.outstanding.remove(&id).is_none() {
            return;
        }
        let Some(muaa) = &mut machine.muaa else { return };
        if let Err(error) = muaa.handle_input(Input::Done { id, result }, local) {
            let sentence = format!("{} does not take the answer to its own request: {error}", machine.name);
            self.break_invariant("10 totality", sentence);
        }
    }

    /// A person's wish.
    ///
    /// # Errors
    /// As the program says; `None` if it does not run.
    pub fn command(&mut self, at: usize, command: Command) -> Option<Result<(), InputError>> {
        let local = self.machines[at].local(self.now);
        let given = command.clone();
        let before = Before::of(&self.machines, at, &command);
        let muaa = self.machines[at].muaa.as_mut()?;
        let device = muaa.fingerprint();
        let taken = muaa.handle_input(Input::Command(command), local);
        if taken.is_ok() {
            if let Command::Rename { name } = &given {
                self.truth.named.insert(at, name.clone());
            }
            let target = before.as_ref().and_then(|before| before.target);
            let ended = if given == Command::Leave { Some(device) } else { target };
            ended.iter().for_each(|ended| self.truth.ends(ended));
            self.truth.deeds.done(&given, before.as_ref());
            self.truth.letters.done((at, device), &given, self.now);
            check::after_command(self, at, &given, before.as_ref());
        }
        Some(taken)
    }

    /// Tells a machine that a folder may have changed.
    pub fn notice(&mut self, at: usize, folder: Folder) {
        let machine = &mut self.machines[at];
        let local = machine.local(self.now);
        if let Some(muaa) = machine.muaa.as_mut().filter(|_| machine.watching.contains(&folder)) {
            let told = muaa.handle_input(Input::Changed(folder), local);
            debug_assert!(told.is_ok(), "a notice is always taken");
        }
    }

    /// Lets a machine look at its clock.
    pub fn wake(&mut self, at: usize) {
        let machine = &mut self.machines[at];
        let local = machine.local(self.now);
        if let Some(muaa) = &mut machine.muaa {
            muaa.handle_timeout(local);
        }
    }

    /// Writes down where each machine stands.
    pub fn say_states(&mut self) {
        for machine in &self.machines {
            let name = &machine.name;
            let Some(muaa) = &machine.muaa else {
                self.trace.say(|_| format!("{name}: off"));
                continue;
            };
            self.trace.say(|names| {
                let group = muaa.group().map(|group| names.group(group)).unwrap_or_default();
                let members: Vec<_> = muaa.members().into_iter().map(|id| names.id(id)).collect();
                format!("{name}: {}, {group} of {}", muaa.phase().name(), members.join(" "))
            });
        }
    }

    /// Records the first broken invariant.
    pub fn break_invariant(&mut self, invariant: &'static str, sentence: String) {
        if self.violation.is_none() {
            self.trace.say(|_| format!("BROKEN: {invariant}: {sentence}"));
            self.violation = Some(Violation { invariant: invariant.to_owned(), sentence });
        }
    }

    /// A person deletes a folder.
    pub(crate) fn delete_by_hand(&mut self, folder: Folder) {
        let lie_in_it = self.store.envelopes().filter(|(in_it, ..)| *in_it == folder);
        let senders = lie_in_it.map(|(.., envelope)| envelope.sender).collect();
        self.truth.deleted_by_hand(folder, &senders);
        self.store.delete(folder);
    }

    /// The machine that runs under this id.
    #[must_use]
    pub fn by_id(&self, id: MuaaId) -> Option<usize> {
        let runs = |machine: &Machine| machine.muaa.as_ref().is_some_and(|muaa| muaa.id() == Some(id));
        self.machines.iter().position(runs)
    }
}

/// A snapshot as it is after it was written and read.
fn read_back(saved: &Snapshot) -> Result<Snapshot, String> {
    match Snapshot::decode(saved.encode().expose()) {
        Ok(read) if read == *saved => Ok(read),
        Ok(_) => Err("a snapshot reads back as another one".to_owned()),
        Err(error) => Err(format!("a snapshot does not read back: {error}")),
    }
}

fn shown(event: &Event) -> Option<Shown> {
    if let Event::ShowCode { session, code, .. } = event {
        Some(Shown { session: *session, code: code.shown() })
    } else if let Event::ShowLink { session, link, .. } = event {
        Some(Shown { session: *session, code: link.shown().to_string() })
    } else {
        None
    }
}

/// The folder that an operation changes when it is done.
pub(crate) fn changed_folder(op: &Op) -> Option<Folder> {
    match op {
        Op::CreateFolder(folder) | Op::DeleteFolder(folder) => Some(*folder),
        Op::Append { folder, .. } | Op::Remove { folder, .. } => Some(*folder),
        Op::ListFolders | Op::Fetch { .. } | Op::Watch(_) => None,
    }
}
