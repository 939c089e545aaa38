//! A lab without dice: every machine takes its turn, everything arrives at once, and somebody else says what goes wrong.
//! Stories and tests of single claims play here.

use std::{collections::BTreeSet, time::Duration};

use sma_core::{Command, Config, Event, Folder, Form, MuaaId, Op, OpError, OpId, Phase, Timestamp};

use crate::{
    lab::{Fate, Lab, Step, changed_folder},
    person,
};

/// 2026-01-01 00:00 UTC.
const BEGIN: Timestamp = Timestamp::from_secs(1_767_225_600);
/// More turns than this without a rest are a storm.
const TURNS_MAX: usize = 20_000;
/// Timers due within this time are waited for when the stage settles.
const PATIENCE: Duration = Duration::from_secs(60);

/// Something that is to go wrong once.
#[derive(Clone, Debug)]
pub struct Mishap {
    /// Whose operation it is.
    pub at: usize,
    /// A word that the operation's line has in it, as `APPEND` or `accept`.
    pub on: String,
    /// What happens to it.
    pub fate: Fate,
    /// The program dies before it hears the answer.
    pub crash: bool,
}

/// A lab and what is to go wrong in it.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The machines and the store.
    pub lab: Lab,
    /// Machines without a connection.
    pub cut: BTreeSet<usize>,
    /// What is to go wrong.
    pub mishaps: Vec<Mishap>,
    /// Operations that were lost, in their order, and whose they were: a network may bring one of them after all.
    pub lost: Vec<(usize, Op)>,
    /// Counts the outputs of all machines.
    pub outputs: u64,
    /// A program dies right after this output.
    pub crash_after: Option<u64>,
    /// A program dies when so many more of its operations were done, before it hears of the last: whose, and how many.
    pub crash_at_operation: Option<(usize, u64)>,
    /// People confirm at once that a device goes over to another group; else a story says what they do.
    pub confirms: bool,
    /// All events so far.
    pub told: Vec<(usize, Event)>,
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

impl Stage {
    /// An empty stage.
    #[must_use]
    pub fn new() -> Self {
        let mut lab = Lab { now: BEGIN, ..Lab::default() };
        lab.trace.on = true;
        lab.trace.terse = true;
        Self {
            lab,
            cut: BTreeSet::new(),
            mishaps: Vec::new(),
            lost: Vec::new(),
            outputs: 0,
            crash_after: None,
            crash_at_operation: None,
            confirms: true,
            told: Vec::new(),
        }
    }

    /// Puts a machine there that tries `id` first, and starts it. Gives its place.
    pub fn add(&mut self, id: u64) -> usize {
        let config = Config {
            poll_interval: Duration::from_secs(86_400),
            merge_wait: Duration::ZERO,
            ..Config::new("anna@example.org", &format!("device {id}"))
        };
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&(id + 1000 * self.lab.machines.len() as u64).to_be_bytes());
        let at = self.lab.add(&id.to_string(), config, Some(MuaaId(id)), seed);
        self.lab.start(at);
        at
    }

    /// A person's wish, with a complaint for an answer if it cannot be.
    pub fn command(&mut self, at: usize, command: Command) -> Result<(), String> {
        match self.lab.command(at, command) {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("the program does not run".to_owned()),
        }
    }

    /// Lets all machines take turns until nothing is under way and no timer is due within a minute.
    pub fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            if self.turn() {
                continue;
            }
            let soon = self.next_timer().filter(|at| *at <= self.lab.now + PATIENCE);
            let Some(at) = soon else { return };
            self.pass_to(at);
        }
        self.lab.break_invariant("7 quiescence", format!("{TURNS_MAX} turns without a rest"));
    }

    /// Lets time pass, with everything that becomes due on the way.
    pub fn advance(&mut self, time: Duration) {
        let end = self.lab.now + time;
        self.settle();
        while let Some(at) = self.next_timer().filter(|at| *at <= end) {
            if self.lab.violation.is_some() {
                return;
            }
            self.pass_to(at);
            self.settle();
        }
        self.lab.now = self.lab.now.max(end);
        self.settle();
    }

    fn next_timer(&self) -> Option<Timestamp> {
        self.lab.machines.iter().filter_map(crate::lab::Machine::wakes).min()
    }

    fn pass_to(&mut self, at: Timestamp) {
        // A deadline that is due and stays due would hold the time still.
        self.lab.now = at.max(self.lab.now + Duration::from_millis(1));
        for machine in 0..self.lab.machines.len() {
            if self.lab.machines[machine].wakes().is_some_and(|due| due <= self.lab.now) {
                self.lab.wake(machine);
            }
        }
    }

    /// Every machine takes one turn; whether anything happened.
    fn turn(&mut self) -> bool {
        let mut moved = false;
        for at in 0..self.lab.machines.len() {
            moved |= self.turn_of(at);
        }
        moved
    }

    /// One machine says what it has to say, and its oldest operation is done; whether anything happened.
    pub fn turn_of(&mut self, at: usize) -> bool {
        let mut moved = false;
        while let Some(step) = self.lab.step(at) {
            moved = true;
            self.outputs += 1;
            if let Step::Told(event) = step {
                if self.confirms && matches!(event, Event::JoinAsks { .. }) {
                    self.lab.command(at, Command::ConfirmJoin);
                }
                self.told.push((at, event));
            }
            if self.crash_after == Some(self.outputs) {
                self.crash(at);
                self.lab.start(at);
            }
        }
        crate::check::after_step(&mut self.lab, at, true);
        let Some(id) = self.lab.machines[at].outstanding.keys().next().copied() else { return moved };
        self.perform(at, id);
        true
    }

    fn perform(&mut self, at: usize, id: OpId) {
        let Some(op) = self.lab.machines[at].outstanding.get(&id).cloned() else { return };
        let line = self.lab.trace.names.op(&op);
        let planned = self.mishaps.iter().position(|mishap| mishap.at == at && line.contains(&mishap.on));
        let mishap = planned.map(|planned| self.mishaps.remove(planned));
        let fate = match &mishap {
            Some(mishap) => mishap.fate,
            None if self.cut.contains(&at) => Fate::Refused(OpError::NotSent),
            None => Fate::Fine,
        };
        if fate == Fate::UnknownLost {
            self.lost.push((at, op));
        }
        let (result, changed) = self.lab.perform(at, id, fate);
        if let Some(folder) = changed {
            self.spread(folder, Some(at));
        }
        if mishap.is_some_and(|mishap| mishap.crash) || self.is_last_operation(at) {
            self.crash(at);
            self.lab.start(at);
        } else {
            self.lab.answer(at, id, result);
        }
    }

    /// Everybody but its author hears of a change of a folder.
    fn spread(&mut self, folder: Folder, by: Option<usize>) {
        for other in (0..self.lab.machines.len()).filter(|other| Some(*other) != by) {
            self.lab.notice(other, folder);
        }
        crate::check::after_change(&mut self.lab, folder);
    }

    /// The network brings the first operation of a machine that was lost, however long ago, and has this word in its line; whether
    /// there is one.
    pub fn arrive(&mut self, at: usize, on: &str) -> bool {
        let names = &mut self.lab.trace.names;
        let mut of = |(whose, op): &(usize, Op)| *whose == at && names.op(op).contains(on);
        let Some(first) = self.lost.iter().position(&mut of) else { return false };
        let (_, op) = self.lost.remove(first);
        let done = self.lab.perform_for_the_dead(at, &op);
        if let Some(folder) = changed_folder(&op).filter(|_| done) {
            self.spread(folder, None);
        }
        true
    }

    fn is_last_operation(&mut self, at: usize) -> bool {
        match &mut self.crash_at_operation {
            Some((whose, 0)) if *whose == at => {
                self.crash_at_operation = None;
                true
            }
            Some((whose, left)) if *whose == at => {
                *left -= 1;
                false
            }
            Some(_) | None => false,
        }
    }

    /// Ends a program at once.
    pub fn crash(&mut self, at: usize) {
        let name = self.lab.machines[at].name.clone();
        self.lab.trace.say(|_| format!("{name} crashes"));
        self.lab.stop(at);
    }

    /// Has `member` show a code for `newcomer`.
    pub fn offer(&mut self, member: usize, newcomer: usize) -> Result<(), String> {
        let to = self.id(newcomer);
        self.command(member, Command::Offer { to, form: Form::Code })
    }

    /// Types the code, or opens the link, that `member` shows at `newcomer`.
    pub fn type_code(&mut self, member: usize, newcomer: usize) -> Result<(), String> {
        let shown = self.lab.machines[member].shown.clone().ok_or("no code is shown")?;
        let from = self.id(member);
        person::pair_in_truth(&mut self.lab, member, newcomer);
        self.command(newcomer, Command::EnterCode { code: shown.code.into(), from, key: None })
    }

    /// Pairs two machines as a person does who tries again when something went wrong; whether it worked.
    pub fn pair(&mut self, member: usize, newcomer: usize) -> bool {
        for _ in 0..4 {
            self.settle();
            if self.are_paired(&[member, newcomer]) {
                return true;
            }
            if self.offer(member, newcomer).is_ok() {
                self.settle();
                if self.type_code(member, newcomer).is_ok() {
                    self.settle();
                }
            } else {
                self.advance(Duration::from_secs(600));
            }
        }
        self.are_paired(&[member, newcomer])
    }

    /// Whether these are paired and in one group.
    #[must_use]
    pub fn are_paired(&self, machines: &[usize]) -> bool {
        let muaas: Vec<_> = machines.iter().filter_map(|at| self.lab.machines[*at].muaa.as_ref()).collect();
        muaas.len() == machines.len()
            && muaas.iter().all(|muaa| muaa.phase() == Phase::Paired && muaa.group() == muaas[0].group())
    }

    /// The id under which a machine runs.
    #[must_use]
    pub fn id(&self, at: usize) -> Option<MuaaId> {
        self.lab.machines[at].muaa.as_ref()?.id()
    }

    /// Deletes a folder as a person does with any mail program.
    pub fn delete_folder(&mut self, folder: Folder) {
        self.lab.delete_by_hand(folder);
        for at in 0..self.lab.machines.len() {
            self.lab.notice(at, folder);
        }
    }

    /// The first invariant that does not hold at rest, or that was broken on the way.
    #[must_use]
    pub fn broken(&self) -> Option<String> {
        let on_the_way = self.lab.violation.as_ref().map(|v| format!("{}: {}", v.invariant, v.sentence));
        let at_rest =
            || crate::check::broken_at_rest(&self.lab).map(|(name, what)| format!("{name}: {what}"));
        on_the_way.or_else(at_rest)
    }
}
