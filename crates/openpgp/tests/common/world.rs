//! Programs with real cryptography on the simulator's store, without dice.

use std::{collections::VecDeque, time::Duration};

use sma_core::{
    Command, Config, Crypto, Event, Folder, Input, Muaa, Op, OpId, Output, Phase, Snapshot, Timestamp,
};
use sma_sim::store::Store;

use super::NOW;

/// Timers due within this time are waited for.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Program<C> {
    pub(crate) muaa: Muaa<C>,
    pub(crate) events: Vec<Event>,
    pub(crate) saved: Option<Snapshot>,
    asked: VecDeque<(OpId, Op)>,
}

pub(crate) struct World<C> {
    pub(crate) programs: Vec<Program<C>>,
    /// Every message that was ever appended.
    pub(crate) appended: Vec<sma_core::Envelope>,
    pub(crate) now: Timestamp,
    store: Store,
}

impl<C: Crypto> World<C> {
    pub(crate) fn new() -> Self {
        Self { programs: Vec::new(), appended: Vec::new(), now: NOW, store: Store::default() }
    }

    /// Starts a program; gives its place.
    pub(crate) fn add(&mut self, crypto: C, id: u8) -> usize {
        let config = Config::new("anna@example.org", &format!("device {id}"));
        let muaa = Muaa::new(config, crypto, [id; 32], self.now);
        self.programs.push(Program { muaa, events: vec![], saved: None, asked: VecDeque::new() });
        self.programs.len() - 1
    }

    pub(crate) fn command(&mut self, at: usize, command: Command) {
        self.programs[at].muaa.handle_input(Input::Command(command), self.now).unwrap();
    }

    /// Until nothing is under way and no timer is due soon.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut moved = false;
            for at in 0..self.programs.len() {
                moved |= self.turn(at);
            }
            if moved {
                continue;
            }
            let next = self.programs.iter().filter_map(|program| program.muaa.poll_timeout()).min();
            let Some((at, _)) = next.filter(|(at, _)| *at <= self.now + PATIENCE) else { return };
            self.now = at.max(self.now + Duration::from_millis(1));
            for program in &mut self.programs {
                program.muaa.handle_timeout(self.now);
            }
        }
        panic!("a storm");
    }

    /// Time passes; all that is due until then happens.
    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some((at, _)) = self.programs.iter().filter_map(|p| p.muaa.poll_timeout()).min() {
            if at > end {
                break;
            }
            self.now = at.max(self.now);
            self.programs.iter_mut().for_each(|program| program.muaa.handle_timeout(self.now));
            self.settle();
        }
        self.now = self.now.max(end);
    }

    fn turn(&mut self, at: usize) -> bool {
        let program = &mut self.programs[at];
        let mut moved = false;
        while let Some(output) = program.muaa.poll_output() {
            moved = true;
            match output {
                Output::Persist(snapshot) => program.saved = Some(snapshot),
                Output::Event(event) => program.events.push(event),
                Output::Request { id, op } => program.asked.push_back((id, op)),
            }
        }
        let Some((id, op)) = program.asked.pop_front() else { return moved };
        let result = self.store.apply(&op, self.now).map(|(reply, _)| reply);
        program.muaa.handle_input(Input::Done { id, result }, self.now).unwrap();
        if let Op::Append { folder, envelope } = op {
            self.appended.push(envelope);
            self.tell_others(at, folder);
        }
        true
    }

    fn tell_others(&mut self, at: usize, folder: Folder) {
        for (_, other) in self.programs.iter_mut().enumerate().filter(|(other, _)| *other != at) {
            other.muaa.handle_input(Input::Changed(folder), self.now).unwrap();
        }
    }

    /// Pairs two programs as a person does who reads the code on one and types it on the other; gives the code.
    pub(crate) fn pair(&mut self, member: usize, newcomer: usize) -> String {
        self.settle();
        self.command(
            member,
            Command::Offer { to: self.programs[newcomer].muaa.id(), form: sma_core::Form::Code },
        );
        self.settle();
        let shown = self.programs[member].events.iter().rev().find_map(|event| {
            let Event::ShowCode { code, .. } = event else { return None };
            Some(code.shown())
        });
        let code = shown.expect("a code is shown");
        self.command(newcomer, Command::EnterCode { code: code.clone().into(), from: None, key: None });
        self.settle();
        for at in [member, newcomer] {
            assert_eq!(self.programs[at].muaa.phase(), Phase::Paired);
        }
        code
    }

    /// The current account key of a program.
    pub(crate) fn account_secret(&self, at: usize) -> sma_core::Secret {
        let muaa = &self.programs[at].muaa;
        let current = muaa.account().current.expect("an account key");
        muaa.account_secret(&current).expect("its secret").clone()
    }
}
