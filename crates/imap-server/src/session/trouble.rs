//! What goes wrong with a command.

use super::{Answer, Session, World};
use crate::{Malice, Trouble, command::Request, faults};

impl Session {
    /// Runs a command, unless something is to go wrong with it.
    pub(super) fn run(&mut self, tag: &str, name: &str, request: Request, world: &mut World<'_>) {
        let planned = faults::take(world.planned, name);
        match planned.or_else(|| world.config.faults().trouble(world.rng)) {
            None => self.perform(tag, name, request, world),
            Some(Trouble::Refused("")) => self.answer(tag, &Answer::no("Cannot do this now")),
            Some(Trouble::Refused(code)) => self.answer(tag, &Answer::no("Cannot do this now").with(code)),
            Some(Trouble::CutBefore) => self.closed = true,
            Some(Trouble::CutAfter) => {
                let said = self.out.len();
                self.perform(tag, name, request, world);
                self.out.truncate(said);
                self.closed = true;
            }
            Some(Trouble::Dishonest(malice)) => self.spoil(malice, tag, name, request, world),
        }
    }

    /// Answers as no honest server does.
    fn spoil(&mut self, malice: Malice, tag: &str, name: &str, request: Request, world: &mut World<'_>) {
        let said = self.out.len();
        if !malice.prevents() {
            self.perform(tag, name, request, world);
        }
        let honest = self.out.split_off(said);
        let before = std::mem::replace(&mut self.before, honest.clone());
        let spoilt = malice.spoil(tag, honest, &before, world.rng);
        self.out.extend_from_slice(&spoilt);
        self.closed |= malice.ends();
    }
}
