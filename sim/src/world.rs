//! A world: machines, a store, people and faults, moved by an event queue in virtual time. Every question is asked of
//! [`Choices`], so a world is its choices.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeSet, BinaryHeap},
    time::Duration,
};

use sma_core::{Config, Event, Folder, MuaaId, Op, OpError, OpId, Phase, Reply, Timestamp};

use crate::{
    check::{self, Lost, Quiet, Violation},
    choices::Choices,
    daily,
    faults::{FaultSet, Faults},
    lab::{Fate, Lab, Step},
    malice::{self, Malice, MaliceSet},
    person::Person,
    store::Kept,
};

/// 2026-01-01 00:00 UTC.
const BEGIN: Timestamp = Timestamp::from_secs(1_767_225_600);
pub(crate) const MINUTE: u64 = 60_000;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;
/// How long a world may take, once faults have stopped, until all is at rest.
const CALM_DAYS_MAX: u64 = 150;
/// How long a world at rest is watched.
const QUIET_DAYS: u64 = 30;
/// How often the watch over a world at rest is begun anew.
const RESTS_MAX: u32 = 6;
/// More happenings within a day than this, for each machine, are no protocol but a storm.
const HAPPENINGS_MAX: u64 = 5_000;

/// How many copies of machines there may be.
const COPIES_MAX: usize = 2;

/// What a world is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setup {
    /// How many machines, at least one.
    pub muaas: usize,
    /// How many days faults go on for, at most.
    pub days: u64,
    /// Which faults may be drawn.
    pub faults: FaultSet,
    /// Which malice may be drawn.
    pub malice: MaliceSet,
}

/// What can happen next.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// An operation arrives at the server.
    Arrives { at: usize, life: u32, id: OpId, op: Op },
    /// An answer arrives at a machine.
    Answered { at: usize, life: u32, id: OpId, result: Result<Reply, OpError> },
    /// A notice arrives at a machine.
    Noticed { at: usize, life: u32, folder: Folder },
    /// A machine wanted to be woken now.
    Wakes { at: usize },
    /// A program is started.
    Starts { at: usize },
    /// A person looks up.
    Person,
    /// A day begins.
    Day,
    /// Whoever means harm has an occasion.
    Malice,
}

/// What is to happen at a time; of what is due at one time what was planned first. No two have one time and ticket.
#[derive(Clone, Debug)]
struct Due {
    time: Timestamp,
    ticket: u64,
    happening: Box<Happening>,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.time, self.ticket).cmp(&(other.time, other.ticket))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

/// How a world ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The first invariant that broke.
    pub violation: Option<Violation>,
    /// What happened, as sentences.
    pub sentences: Vec<String>,
    /// Operations that reached the store.
    pub operations: u64,
    /// Octets of all bodies that were appended.
    pub appended: u64,
    /// Octets of bodies in the store at the end.
    pub stored: u64,
    /// Messages in the store at the end.
    pub messages: u64,
    /// Starts after a crash or a silence.
    pub restarts: u64,
    /// How many devices are paired at the end.
    pub paired: usize,
    /// How many groups there are at the end.
    pub groups: usize,
    /// How many days went by.
    pub days: u64,
    /// The run in words, if it was traced.
    pub trace: Vec<String>,
}

/// A world.
#[derive(Clone, Debug)]
pub struct World<C> {
    pub(crate) lab: Lab,
    pub(crate) choices: C,
    pub(crate) faults: Faults,
    pub(crate) malice: Malice,
    person: Person,
    queue: BinaryHeap<Reverse<Due>>,
    tickets: u64,
    woken_at: Vec<Option<Timestamp>>,
    happenings: u64,
    quiet: Option<Quiet>,
    is_calm: bool,
    setup: Setup,
    sentences: Vec<String>,
}

impl<C: Choices> World<C> {
    /// A world that has not begun; `traced` to have it told in words.
    #[must_use]
    pub fn new(setup: Setup, mut choices: C, traced: bool) -> Self {
        let faults = Faults::draw(setup.faults, &mut choices);
        let malice = Malice::draw(setup.malice, &mut choices);
        let mut lab = Lab { now: BEGIN, hasty: true, ..Lab::default() };
        lab.truth.server_is_hostile = setup.malice.has_server();
        lab.trace.on = traced;
        lab.trace.terse = true;
        let mut world = Self {
            lab,
            choices,
            faults,
            malice,
            person: Person::default(),
            queue: BinaryHeap::new(),
            tickets: 0,
            woken_at: vec![None; setup.muaas],
            happenings: 0,
            quiet: None,
            is_calm: false,
            setup,
            sentences: Vec::new(),
        };
        world.furnish();
        world
    }

    fn furnish(&mut self) {
        for n in 1..=self.setup.muaas {
            let honest = !self.setup.malice.has_server();
            let same = n > 1 && honest && self.choices.chance(self.faults.same_id);
            let id = MuaaId(if same { n as u64 - 1 } else { n as u64 });
            let name = n.to_string();
            let mut config = Config {
                poll_interval: Duration::from_millis(DAY),
                // So small that a few peers are too many for one update.
                update_bytes_max: 512,
                ..Config::new("anna@example.org", &format!("device {n}"))
            };
            if self.setup.malice.has_stranger() {
                // So small that one who writes now and then fills it.
                config.peers_max = 24;
            }
            // No two machines draw the same, not even if the choices say so again and again.
            let seed = *blake3::keyed_hash(&self.choices.seed(), &n.to_be_bytes()).as_bytes();
            let at = self.lab.add(&name, config, Some(id), seed);
            if self.choices.chance(self.faults.clock) {
                let decade = 3650 * DAY;
                let off = self.choices.below(2 * decade) as i64 - decade as i64;
                self.lab.machines[at].set_clock(off);
            }
            let begins =
                if self.choices.chance(500_000) { self.choices.below(self.setup.days * DAY / 2) } else { 0 };
            let soon = self.choices.below(10_000);
            self.later(begins + soon, Happening::Starts { at });
        }
        self.later(MINUTE, Happening::Person);
        self.later(DAY, Happening::Day);
        if self.setup.malice != MaliceSet::None {
            self.later(HOUR, Happening::Malice);
        }
    }

    pub(crate) fn machines_max(&self) -> usize {
        self.setup.muaas + COPIES_MAX
    }

    pub(crate) fn add_copy(&mut self, of: usize, seed: [u8; 32]) -> usize {
        self.woken_at.push(None);
        self.lab.add_copy(of, seed)
    }

    /// Lets the world run to its end, or to the first broken invariant.
    pub fn run(&mut self) {
        let stormy = self.setup.faults != FaultSet::None || self.setup.malice != MaliceSet::None;
        self.run_until(BEGIN + days(self.setup.days), !stormy);
        self.calm();
        let limit = self.lab.now + days(CALM_DAYS_MAX);
        self.run_until(limit, true);
        if self.lab.violation.is_none() {
            check::at_rest(&mut self.lab);
        }
        if self.lab.violation.is_none() {
            self.watch_rest();
        }
    }

    /// Ends early when all is at rest, if `may_rest`.
    fn run_until(&mut self, end: Timestamp, may_rest: bool) {
        let mut look = self.lab.now + days(1);
        while self.lab.violation.is_none() {
            let Some(Reverse(Due { time, happening, .. })) = self.queue.pop() else { return };
            if time > end {
                self.queue.push(Reverse(Due { time, ticket: 0, happening }));
                self.lab.now = end;
                return;
            }
            if time >= look {
                if may_rest && self.is_at_rest() {
                    self.queue.push(Reverse(Due { time, ticket: 0, happening }));
                    return;
                }
                look = time + days(1);
                self.happenings = 0;
            }
            self.lab.now = self.lab.now.max(time);
            self.happenings += 1;
            if self.happenings > HAPPENINGS_MAX * self.setup.muaas as u64 {
                let sentence = format!("more than {HAPPENINGS_MAX} happenings a machine within a day");
                return self.lab.break_invariant("7 quiescence", sentence);
            }
            self.happen(*happening);
        }
    }

    fn is_at_rest(&self) -> bool {
        let idle = self.lab.machines.iter().filter(|machine| !machine.stolen).all(|machine| {
            machine.muaa.as_ref().is_some_and(|muaa| muaa.is_idle() && muaa.phase() != Phase::Suspended)
        });
        idle && check::broken_at_rest(&self.lab).is_none()
    }

    /// Faults stop, and everything is switched on.
    fn calm(&mut self) {
        self.faults = Faults::default();
        if self.setup.malice != MaliceSet::None {
            malice::stop(self);
        }
        self.is_calm = true;
        for at in 0..self.lab.machines.len() {
            if self.lab.machines[at].muaa.is_none() {
                self.later(0, Happening::Starts { at });
            }
        }
    }

    /// What went wrong may be noticed late, so a rest may be disturbed; but then less and less. One in which what is left of a lost device
    /// went does not count: there are only so many of these.
    fn watch_rest(&mut self) {
        let mut left = RESTS_MAX;
        loop {
            self.quiet = Some(Quiet::default());
            let (begun, lost) = (self.lab.now, Lost::of(&self.lab));
            self.run_until(begun + days(QUIET_DAYS), false);
            let lasted = self.lab.now.since(begun);
            let broken = self.quiet.take().and_then(|quiet| quiet.broken(&self.lab, lasted));
            if self.lab.violation.is_some() {
                return;
            }
            let Some(sentence) = broken else { break };
            if lost.became(&Lost::of(&self.lab)) {
                continue;
            }
            left -= 1;
            if left == 0 {
                return self.lab.break_invariant("7 quiescence", sentence);
            }
        }
        self.run_until(self.lab.now + days(CALM_DAYS_MAX), true);
        if self.lab.violation.is_none() {
            check::at_rest(&mut self.lab);
            check::at_end(&mut self.lab);
        }
    }

    pub(crate) fn later(&mut self, wait: u64, happening: Happening) {
        self.tickets += 1;
        let (time, ticket) = (self.lab.now + Duration::from_millis(wait), self.tickets);
        self.queue.push(Reverse(Due { time, ticket, happening: Box::new(happening) }));
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrives { at, life, id, op } => self.arrives(at, life, id, op),
            Happening::Answered { at, life, id, result } => {
                if self.lab.machines[at].life == life {
                    self.lab.answer(at, id, result);
                    self.pump(at);
                }
            }
            Happening::Noticed { at, life, folder } => {
                if self.lab.machines[at].life == life {
                    self.lab.notice(at, folder);
                    self.pump(at);
                }
            }
            Happening::Wakes { at } => {
                if self.woken_at[at].is_some_and(|due| due <= self.lab.now) {
                    self.woken_at[at] = None;
                    self.lab.wake(at);
                    self.pump(at);
                }
            }
            Happening::Starts { at } => {
                if self.lab.machines[at].muaa.is_none() {
                    self.lab.trace.say(|_| format!("{} starts", at + 1));
                    self.lab.start(at);
                    self.woken_at[at] = None;
                    self.pump(at);
                }
            }
            Happening::Person => {
                let (wait, touched) = self.person.act(&mut self.lab, &self.faults, &mut self.choices);
                touched.into_iter().for_each(|at| self.pump(at));
                self.later(wait, Happening::Person);
            }
            Happening::Day => {
                daily::happen(self);
                let day = self.lab.now.since(BEGIN).as_millis() as u64 / DAY;
                check::after_day(&mut self.lab, day);
                self.later(DAY, Happening::Day);
            }
            Happening::Malice => {
                if !self.is_calm {
                    let wait = malice::act(self);
                    self.later(wait, Happening::Malice);
                }
            }
        }
    }

    /// Takes what a machine has to say, unless it dies on the way.
    pub(crate) fn pump(&mut self, at: usize) {
        let mut saved = false;
        while let Some(step) = self.lab.step(at) {
            match step {
                Step::Saved => saved = true,
                Step::Asked(id) => self.send(at, id),
                Step::Told(event) => self.note(at, &event),
            }
            if self.choices.chance(self.faults.crash) {
                self.lab.trace.say(|_| format!("{} crashes", at + 1));
                self.lab.stop(at);
                let wait = self.choices.between(1000, 6 * HOUR);
                self.later(wait, Happening::Starts { at });
            }
        }
        check::after_step(&mut self.lab, at, saved);
        let wakes = self.lab.machines[at].wakes().map(|due| due.max(self.lab.now));
        if let Some(due) = wakes.filter(|_| wakes != self.woken_at[at]) {
            self.woken_at[at] = wakes;
            self.later(due.since(self.lab.now).as_millis() as u64, Happening::Wakes { at });
        }
    }

    fn note(&mut self, at: usize, event: &Event) {
        if let Event::Joined { by, .. } = event {
            let day = self.lab.now.since(BEGIN).as_millis() as u64 / DAY;
            let name = &self.lab.machines[at].name;
            self.sentences.push(format!("device {name} was let in by device {by} on day {day}"));
        }
    }

    fn send(&mut self, at: usize, id: OpId) {
        let life = self.lab.machines[at].life;
        let Some(op) = self.lab.machines[at].outstanding.get(&id).cloned() else { return };
        if self.choices.chance(self.faults.not_sent) {
            let (result, _) = self.lab.perform(at, id, Fate::Refused(OpError::NotSent));
            return self.later(1, Happening::Answered { at, life, id, result });
        }
        let wait = self.latency();
        self.later(wait, Happening::Arrives { at, life, id, op });
    }

    fn latency(&mut self) -> u64 {
        let slow = if self.choices.chance(self.faults.slow) { self.choices.below(6 * HOUR) } else { 0 };
        20 + self.choices.below(300) + slow
    }

    fn arrives(&mut self, at: usize, life: u32, id: OpId, op: Op) {
        if self.lab.machines[at].life != life || self.lab.machines[at].muaa.is_none() {
            // The machine died with this under way; the server may have got it all the same.
            if self.choices.chance(500_000) && self.lab.perform_for_the_dead(at, &op) {
                self.changed(at, &op);
            }
            return;
        }
        let fate = self.fate(at, &op);
        let (result, changed) = self.lab.perform(at, id, fate);
        if changed.is_some() {
            self.changed(at, &op);
        }
        let wait = self.latency();
        self.later(wait, Happening::Answered { at, life, id, result });
    }

    fn fate(&mut self, at: usize, op: &Op) -> Fate {
        if let Some(fate) = self.malice.fate(op, at, self.lab.now, &mut self.choices) {
            return fate;
        }
        let faults = self.faults;
        let fates = [
            (faults.unknown_done, Fate::UnknownDone),
            (faults.unknown_lost, Fate::UnknownLost),
            (faults.denied, Fate::Refused(OpError::Denied)),
            (faults.over_quota, Fate::Refused(OpError::OverQuota)),
        ];
        for (rate, fate) in fates {
            if self.choices.chance(rate) {
                return fate;
            }
        }
        Fate::Fine
    }

    fn changed(&mut self, by: usize, op: &Op) {
        let folder = match op {
            Op::CreateFolder(folder) | Op::DeleteFolder(folder) => *folder,
            Op::Append { folder, .. } | Op::Remove { folder, .. } => *folder,
            Op::ListFolders | Op::Fetch { .. } | Op::Watch(_) => return,
        };
        if let Some(quiet) = &mut self.quiet {
            quiet.saw(&self.lab.machines[by].name, op);
        }
        self.spread(folder, Some(by));
        check::after_change(&mut self.lab, folder);
    }

    /// One of these, if there is any.
    pub(crate) fn any_of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        all.get(self.choices.below(all.len() as u64) as usize).cloned()
    }

    /// One of the folders that exist.
    pub(crate) fn any_folder(&mut self) -> Option<Folder> {
        let folders: Vec<_> = self.lab.store.folders.keys().copied().collect();
        self.any_of(&folders)
    }

    /// Somebody else than a program puts a message into a folder.
    pub(crate) fn put(&mut self, folder: Folder, kept: Kept, what: &str) {
        let now = self.lab.now;
        if let Some(uid) = self.lab.store.put(folder, kept.clone(), true, now) {
            self.lab
                .trace
                .say(|names| format!("somebody puts {what} into {} as uid {}", names.folder(folder), uid.0));
            if let Kept::Foreign(octets) = kept {
                self.lab.truth.foreign.push((folder, uid, octets));
            }
            self.spread(folder, None);
        }
    }

    /// Everybody who watches a folder hears of a change, sooner or later or never.
    pub(crate) fn spread(&mut self, folder: Folder, by: Option<usize>) {
        for at in 0..self.lab.machines.len() {
            let watches = self.lab.machines[at].watching.contains(&folder) && Some(at) != by;
            if watches && !self.choices.chance(self.faults.notice_lost) {
                let life = self.lab.machines[at].life;
                let wait = self.latency();
                self.later(wait, Happening::Noticed { at, life, folder });
            }
        }
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(mut self) -> Outcome {
        self.lab.say_states();
        let living: Vec<_> = check::living(&self.lab).filter_map(|machine| machine.muaa.as_ref()).collect();
        let paired = living.iter().filter(|muaa| muaa.phase() == Phase::Paired).count();
        let groups: BTreeSet<_> = living.iter().filter_map(|muaa| muaa.group()).collect();
        Outcome {
            paired,
            groups: groups.len(),
            operations: self.lab.counts.operations,
            appended: self.lab.counts.appended,
            stored: self.lab.store.bytes,
            messages: self.lab.store.all().count() as u64,
            restarts: self.lab.counts.restarts,
            days: self.lab.now.since(BEGIN).as_millis() as u64 / DAY,
            trace: self.lab.trace.take(),
            violation: self.lab.violation,
            sentences: self.sentences,
        }
    }
}

fn days(days: u64) -> Duration {
    Duration::from_millis(days * DAY)
}
