//! What must hold, always: one file for each invariant of `docs/protocol.md` section 9, written from the requirement.
//! Crash safety (8) is that all of these hold across crashes, and totality (10) that nothing panics and that a machine takes
//! every answer to its own requests; both are noticed where they happen.

mod authenticity;
mod bounded;
mod convergence;
mod correspondents;
mod current;
mod durable;
mod effect;
mod foreign;
mod growth;
mod innocence;
mod lost;
mod quiescence;
mod resurrection;
mod secrecy;
mod shown;
mod wishes;

use std::collections::BTreeSet;

pub use quiescence::{Lost, Quiet};
use serde::Serialize;
use sma_core::{Command, Event, Fingerprint, Folder, Muaa, Phase};

use crate::{deeds::Before, lab::Lab, symbolic::Symbolic, truth::member_keys};

/// An invariant that does not hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Violation {
    /// Its number and name.
    pub invariant: String,
    /// What was seen.
    pub sentence: String,
}

type Verdict = Result<(), String>;

/// What must hold after each step of a machine. The verdict over what was judged before is the same; and so is it where nothing was `saved`,
/// which a change is (8).
pub fn after_step(lab: &mut Lab, at: usize, saved: bool) {
    let verdicts = [("8 crash safety", durable::check(lab, at)), ("11 innocence", innocence::check(lab, at))];
    report(lab, verdicts);
    let machine = &lab.machines[at];
    let Some(muaa) = &machine.muaa else { return };
    if !lab.truth.is_news(at, machine.life, muaa, saved) {
        return;
    }
    current::note(lab, at);
    let verdicts = [
        ("2 no lost update", lost::check(lab, at)),
        ("3 no resurrection", resurrection::check(lab, at)),
        ("4 secrecy", secrecy::check(lab, at)),
        ("5 authenticity", authenticity::check(lab, at)),
        ("12 what is shown", shown::check(lab, at)),
    ];
    report(lab, verdicts);
}

/// What must hold before a request leaves a machine.
pub(crate) fn before_request(lab: &mut Lab, at: usize) {
    let verdict = durable::check(lab, at);
    report(lab, [("8 crash safety", verdict)]);
}

/// What must hold when a machine took a person's word.
pub(crate) fn after_command(lab: &mut Lab, at: usize, command: &Command, before: Option<&Before>) {
    let verdict = effect::check(lab, at, command, before);
    report(lab, [("15 effect", verdict)]);
}

/// What must hold each day.
pub(crate) fn after_day(lab: &mut Lab, day: u64) {
    let verdict = growth::check(lab, day);
    report(lab, [("14 bounded growth", verdict)]);
}

/// What must hold of what a machine tells its user.
pub(crate) fn after_event(lab: &mut Lab, at: usize, event: &Event) {
    resurrection::note_wiped(lab, at, event);
    if matches!(event, Event::MemberGone { .. } | Event::Joined { .. } | Event::Moved { .. }) {
        lab.truth.deeds.members_changed();
    }
    let innocence = innocence::check_event(lab, at, event);
    report(lab, [("11 innocence", innocence)]);
}

/// What must hold after each change of a folder.
pub fn after_change(lab: &mut Lab, folder: Folder) {
    let verdicts = [
        ("4 secrecy", secrecy::check_folder(lab, folder)),
        ("6 bounded store", bounded::check(lab, folder)),
        ("9 foreign mail", foreign::check(lab, folder)),
    ];
    report(lab, verdicts);
}

/// What must hold when faults have stopped, everybody is paired and nothing is under way.
pub fn at_rest(lab: &mut Lab) {
    if let Some((invariant, sentence)) = broken_at_rest(lab) {
        lab.break_invariant(invariant, sentence);
    }
}

/// The first of these that does not hold, with what was seen.
#[must_use]
pub fn broken_at_rest(lab: &Lab) -> Option<(&'static str, String)> {
    let convergence = || Some(("1 convergence", convergence::check(lab).err()?));
    let lost = || Some(("2 no lost update", lost::check_at_rest(lab).err()?));
    let bounded = || Some(("6 bounded store", bounded::check_at_rest(lab).err()?));
    let foreign = || Some(("9 foreign mail", foreign::check_all(lab).err()?));
    let innocence = || Some(("11 innocence", innocence::check_at_rest(lab).err()?));
    convergence().or_else(innocence).or_else(lost).or_else(bounded).or_else(foreign)
}

/// What must hold when all has been at rest for long: what is judged from all that people did, and from all that is saved.
pub fn at_end(lab: &mut Lab) {
    if let Some((invariant, sentence)) = broken_at_end(lab) {
        lab.break_invariant(invariant, sentence);
    }
}

/// The first of these that does not hold, with what was seen.
#[must_use]
pub fn broken_at_end(lab: &Lab) -> Option<(&'static str, String)> {
    let wishes = || Some(("2 no lost update", wishes::check_at_end(lab).err()?));
    let current = || Some(("4 secrecy", current::check_at_end(lab).err()?));
    let durable = || Some(("8 crash safety", durable::check_at_end(lab).err()?));
    let shown = || Some(("12 what is shown", shown::check_at_end(lab).err()?));
    let correspondents = || Some(("13 correspondents", correspondents::check_at_end(lab).err()?));
    let growth = || Some(("14 bounded growth", growth::check_at_end(lab).err()?));
    let effect = || Some(("15 effect", effect::check_at_end(lab).err()?));
    let said = wishes().or_else(current).or_else(durable).or_else(shown);
    said.or_else(correspondents).or_else(growth).or_else(effect)
}

fn report<const N: usize>(lab: &mut Lab, verdicts: [(&'static str, Verdict); N]) {
    for (invariant, verdict) in verdicts {
        if let Err(sentence) = verdict {
            lab.break_invariant(invariant, sentence);
        }
    }
}

/// The machines that run and whose device is not out. One that waits for a person's word is none of those either that are over: it may know
/// less for a while, and at rest no person is waited for.
pub(crate) fn living(lab: &Lab) -> impl Iterator<Item = &crate::lab::Machine> {
    lab.machines.iter().filter(|machine| {
        let phase = machine.muaa.as_ref().map(Muaa::phase);
        phase.is_some_and(|phase| !matches!(phase, Phase::Removed | Phase::Left))
    })
}

/// Whether people parted these two: nobody is a member for both, and each knows that one which is a member for the other was removed by a
/// person. Who is out ends nobody that knows it, so neither side believes the other's removal, and both go on (8.2). One that is a
/// member for both would decide between them.
fn are_apart(lab: &Lab, one: &Muaa<Symbolic>, other: &Muaa<Symbolic>) -> bool {
    let (ours, theirs) = (member_keys(one), member_keys(other));
    let knows = |of: &BTreeSet<Fingerprint>, by: &Muaa<Symbolic>| {
        of.iter().any(|key| lab.truth.removed.contains_key(key) && by.is_out(key))
    };
    ours.is_disjoint(&theirs) && knows(&theirs, one) && knows(&ours, other)
}
