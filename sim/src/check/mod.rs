//! What must hold, always: one file for each invariant of `docs/protocol.md` section 9, written from the requirement.
//! Crash safety (8) is that all of these hold across crashes, and totality (10) that nothing panics and that a machine takes
//! every answer to its own requests; both are noticed where they happen.

mod authenticity;
mod bounded;
mod convergence;
mod durable;
mod foreign;
mod innocence;
mod lost;
mod quiescence;
mod resurrection;
mod secrecy;

use std::collections::BTreeSet;

pub use quiescence::{Lost, Quiet};
use serde::Serialize;
use sma_core::{Event, Fingerprint, Folder, Muaa, Phase};

use crate::{lab::Lab, symbolic::Symbolic, truth::member_keys};

/// An invariant that does not hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Violation {
    /// Its number and name.
    pub invariant: String,
    /// What was seen.
    pub sentence: String,
}

type Verdict = Result<(), String>;

/// What must hold after each step of a machine. The verdict over what was judged before is the same.
pub fn after_step(lab: &mut Lab, at: usize) {
    let verdicts = [("8 crash safety", durable::check(lab, at)), ("11 innocence", innocence::check(lab, at))];
    report(lab, verdicts);
    let Some(muaa) = &lab.machines[at].muaa else { return };
    if !lab.truth.is_news(at, muaa) {
        return;
    }
    let verdicts = [
        ("2 no lost update", lost::check(lab, at)),
        ("3 no resurrection", resurrection::check(lab, at)),
        ("4 secrecy", secrecy::check(lab, at)),
        ("5 authenticity", authenticity::check(lab, at)),
    ];
    report(lab, verdicts);
}

/// What must hold of what a machine tells its user.
pub(crate) fn after_event(lab: &mut Lab, at: usize, event: &Event) {
    resurrection::note_wiped(lab, at, event);
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
    convergence().or_else(lost).or_else(bounded).or_else(foreign)
}

fn report<const N: usize>(lab: &mut Lab, verdicts: [(&'static str, Verdict); N]) {
    for (invariant, verdict) in verdicts {
        if let Err(sentence) = verdict {
            lab.break_invariant(invariant, sentence);
        }
    }
}

/// The machines that run and whose device is neither out nor waiting for a person's word.
pub(crate) fn living(lab: &Lab) -> impl Iterator<Item = &crate::lab::Machine> {
    lab.machines.iter().filter(|machine| {
        let phase = machine.muaa.as_ref().map(Muaa::phase);
        phase.is_some_and(|phase| !matches!(phase, Phase::Removed | Phase::Left | Phase::Suspended))
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
