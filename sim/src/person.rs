//! The people in front of the machines: they take a member, have it show a code or a link, and bring it to the newcomer.

use std::collections::BTreeMap;

use sma_core::{Code, Command, Form, Hash, InputError, Muaa, MuaaId, PairingLink, Phase};

use crate::{choices::Choices, faults::Faults, lab::Lab};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
/// How often a person looks whether the offer has arrived before giving up.
const LOOKS_MAX: u32 = 6;

/// What a person is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Doing {
    /// Nothing.
    #[default]
    Nothing,
    /// A member shows a code or a link, which is to be brought to a newcomer.
    Pairing { member: usize, newcomer: usize, looks: u32 },
}

/// The people of one account: they do one thing at a time.
#[derive(Clone, Debug, Default)]
pub struct Person {
    doing: Doing,
    /// Who showed a code last, and for whom.
    tried: Option<(usize, usize)>,
}

impl Person {
    /// Does the next thing; gives how long until the one after, in milliseconds, and the machines that were touched.
    pub fn act(&mut self, lab: &mut Lab, faults: &Faults, choices: &mut impl Choices) -> (u64, Vec<usize>) {
        if let Some(at) = suspended(lab) {
            lab.command(at, Command::Return);
            return (MINUTE, vec![at]);
        }
        if let Some(touched) = throw_out(lab) {
            return (MINUTE, touched);
        }
        if let Some(at) = asked(lab) {
            lab.command(at, Command::ConfirmJoin);
            return (MINUTE, vec![at]);
        }
        match self.doing {
            Doing::Nothing => self.begin(lab, faults, choices),
            Doing::Pairing { member, newcomer, looks } => {
                self.type_code(lab, faults, choices, (member, newcomer, looks))
            }
        }
    }

    fn begin(&mut self, lab: &mut Lab, faults: &Faults, choices: &mut impl Choices) -> (u64, Vec<usize>) {
        let pause = choices.between(MINUTE, 6 * HOUR);
        let picked = pick(lab, choices).filter(|(member, newcomer)| !are_out(lab, *member, *newcomer));
        let Some(picked) = picked else { return (pause, Vec::new()) };
        let (member, newcomer) = self.or_the_other_way_round(lab, picked);
        let id = id_of(lab, newcomer);
        if choices.chance(faults.silence) {
            say_whom_it_replaces(lab, newcomer, choices);
        }
        let known = |id: &MuaaId| {
            let muaa = lab.machines[member].muaa.as_ref();
            muaa.is_some_and(|muaa| muaa.siblings().iter().any(|sibling| sibling.id == *id))
        };
        let to = id.filter(known).filter(|_| !choices.chance(100_000));
        let form = if choices.chance(200_000) { Form::Link } else { Form::Code };
        let mut offered = lab.command(member, Command::Offer { to, form });
        if offered == Some(Err(InputError::CodesLocked)) {
            offered = lab.command(member, Command::Offer { to, form: Form::Link });
        }
        if offered != Some(Ok(())) {
            lab.command(member, Command::Poll);
            return (pause, vec![member, newcomer]);
        }
        self.doing = Doing::Pairing { member, newcomer, looks: 0 };
        let late = if choices.chance(faults.late) { choices.between(10 * MINUTE, 24 * HOUR) } else { 0 };
        (choices.between(20 * SECOND, 3 * MINUTE) + late, vec![member, newcomer])
    }

    /// What did not bring two groups together is tried the other way round: one side may not listen to the other.
    fn or_the_other_way_round(&mut self, lab: &Lab, (member, newcomer): (usize, usize)) -> (usize, usize) {
        let is_grouped = |at: usize| {
            lab.machines[at]
                .muaa
                .as_ref()
                .is_some_and(|muaa| matches!(muaa.phase(), Phase::Alone | Phase::Paired))
        };
        let again = self.tried == Some((member, newcomer)) && is_grouped(member) && is_grouped(newcomer);
        let pair = if again { (newcomer, member) } else { (member, newcomer) };
        self.tried = Some(pair);
        pair
    }

    fn type_code(
        &mut self,
        lab: &mut Lab,
        faults: &Faults,
        choices: &mut impl Choices,
        (member, newcomer, looks): (usize, usize, u32),
    ) -> (u64, Vec<usize>) {
        self.doing = Doing::Nothing;
        let pause = choices.between(MINUTE, HOUR);
        let touched = vec![newcomer];
        let (Some(shown), Some(from)) = (lab.machines[member].shown.clone(), id_of(lab, member)) else {
            return (pause, touched);
        };
        if choices.chance(faults.mistyped) {
            let typed = mistyped(&shown.code, choices);
            let taken =
                lab.command(newcomer, Command::EnterCode { code: typed.into(), from: Some(from), key: None });
            if taken == Some(Ok(())) {
                lab.break_invariant("2 pairing", "a mistyped code was taken".to_owned());
            }
        }
        let wrong = choices.chance(faults.wrong_code);
        let code = if wrong { other_code(&shown.code) } else { shown.code };
        if !wrong {
            pair_in_truth(lab, member, newcomer);
        }
        match lab.command(newcomer, Command::EnterCode { code: code.into(), from: Some(from), key: None }) {
            Some(Err(InputError::NoOffer)) if looks < LOOKS_MAX => {
                lab.command(newcomer, Command::Poll);
                self.doing = Doing::Pairing { member, newcomer, looks: looks + 1 };
                (choices.between(20 * SECOND, MINUTE), touched)
            }
            _ => (pause, touched),
        }
    }
}

/// Whoever sees a thief's device among the members removes it. Which device did.
fn throw_out(lab: &mut Lab) -> Option<Vec<usize>> {
    if lab.truth.unwanted.is_empty() {
        return None;
    }
    for at in 0..lab.machines.len() {
        let Some(muaa) = &lab.machines[at].muaa else { continue };
        let unwanted = |sibling: &&sma_core::Sibling| {
            sibling.member && lab.truth.unwanted.contains(&sibling.fingerprint)
        };
        let siblings = muaa.siblings();
        let Some(id) = siblings.iter().find(unwanted).map(|sibling| (sibling.id, sibling.fingerprint)) else {
            continue;
        };
        let own = muaa.fingerprint();
        if lab.command(at, Command::Remove { id: id.0 }) == Some(Ok(())) {
            lab.truth.remove(own, id.1);
            return Some(vec![at]);
        }
    }
    None
}

/// The newcomer takes the place of a device that it has heard of, which is silent or is not.
fn say_whom_it_replaces(lab: &mut Lab, newcomer: usize, choices: &mut impl Choices) {
    let Some(muaa) = &lab.machines[newcomer].muaa else { return };
    let others: Vec<_> = muaa.siblings().iter().map(|sibling| sibling.id).collect();
    let id = others.get(choices.below(others.len() as u64) as usize).copied();
    lab.command(newcomer, Command::Replace { id });
}

/// From now on the observer takes these two for paired by a person.
pub fn pair_in_truth(lab: &mut Lab, member: usize, newcomer: usize) {
    let key = |at: usize| lab.machines[at].muaa.as_ref().map(Muaa::fingerprint);
    if let (Some(one), Some(other)) = (key(member), key(newcomer)) {
        lab.truth.pair(one, other);
    }
}

fn id_of(lab: &Lab, at: usize) -> Option<MuaaId> {
    lab.machines[at].muaa.as_ref()?.id()
}

/// A device that asks whether it is to go over to another group.
fn asked(lab: &Lab) -> Option<usize> {
    let asks = |muaa: &Muaa<_>| muaa.join_question().is_some_and(|question| question.goes_at.is_none());
    lab.machines.iter().position(|machine| machine.muaa.as_ref().is_some_and(asks))
}

fn suspended(lab: &Lab) -> Option<usize> {
    lab.machines
        .iter()
        .position(|machine| machine.muaa.as_ref().is_some_and(|muaa| muaa.phase() == Phase::Suspended))
}

/// A member of the largest group and a machine that is not in it. Where no group is, two that wait for one.
fn pick(lab: &Lab, choices: &mut impl Choices) -> Option<(usize, usize)> {
    let mut groups: BTreeMap<Hash, Vec<usize>> = BTreeMap::new();
    let mut waiting = Vec::new();
    for (at, machine) in lab.machines.iter().enumerate() {
        let Some(muaa) = machine.muaa.as_ref().filter(|muaa| muaa.id().is_some()) else { continue };
        match (muaa.phase(), muaa.group()) {
            (Phase::Alone | Phase::Paired, Some(group)) => groups.entry(group).or_default().push(at),
            (Phase::Unpaired | Phase::Requesting, _) => waiting.push(at),
            _ => {}
        }
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|members| (std::cmp::Reverse(members.len()), members[0]));
    let mut groups = groups.into_iter();
    let members = match groups.next() {
        Some(members) => members,
        None if waiting.len() > 1 => vec![waiting.remove(0)],
        None => return None,
    };
    let newcomers: Vec<_> = waiting.into_iter().chain(groups.flatten()).collect();
    if newcomers.is_empty() {
        return strangers(lab, &members);
    }
    let newcomer = newcomers[choices.below(newcomers.len() as u64) as usize];
    Some((members[choices.below(members.len() as u64) as usize], newcomer))
}

/// Two members of one group who do not know it of one another, though each sees that the other is there.
fn strangers(lab: &Lab, members: &[usize]) -> Option<(usize, usize)> {
    let muaa = |at: usize| lab.machines[at].muaa.as_ref();
    let is_strange = |to: usize, other: usize| {
        let (Some(to), Some(key)) = (muaa(to), muaa(other).map(Muaa::fingerprint)) else { return false };
        let member = to.member_keys().any(|member| member == key);
        !member && to.siblings().iter().any(|seen| seen.fingerprint == key)
    };
    let after = |n: usize| members[n + 1..].iter();
    let mut pairs = members.iter().enumerate().flat_map(|(n, one)| after(n).map(|other| (*one, *other)));
    pairs.find(|(one, other)| {
        is_strange(*one, *other) && is_strange(*other, *one) && !are_out(lab, *one, *other)
    })
}

/// Whether each of these two is out for the other: no code brings them together.
fn are_out(lab: &Lab, one: usize, other: usize) -> bool {
    let muaas = lab.machines[one].muaa.as_ref().zip(lab.machines[other].muaa.as_ref());
    muaas.is_some_and(|(one, other)| one.is_out(&other.fingerprint()) && other.is_out(&one.fingerprint()))
}

/// The code with one wrong digit, or the link without one of its characters.
#[must_use]
pub fn mistyped(code: &str, choices: &mut impl Choices) -> String {
    if PairingLink::is_meant(code) {
        let at = choices.below(code.len() as u64) as usize;
        return [&code[..at], &code[at + 1..]].concat();
    }
    let mut digits: Vec<_> = code.bytes().filter(u8::is_ascii_digit).collect();
    let at = choices.below(digits.len() as u64) as usize;
    let shift = choices.between(1, 10) as u8;
    if let Some(digit) = digits.get_mut(at) {
        *digit = b'0' + (*digit - b'0' + shift) % 10;
    }
    digits.into_iter().map(char::from).collect()
}

/// A code that is well typed and not this one, or a link to the same offer with another secret.
#[must_use]
pub fn other_code(code: &str) -> String {
    if PairingLink::is_meant(code) {
        let (all, last) = code.split_at(code.len() - 1);
        return format!("{all}{}", if last == "0" { 1 } else { 0 });
    }
    let digits: Vec<_> = code.chars().filter(char::is_ascii_digit).collect();
    let first = digits.first().and_then(|digit| digit.to_digit(10)).unwrap_or(0);
    let middle: String = digits.iter().skip(1).take(7).collect();
    let candidates = (0..10).map(|check| format!("{}{middle}{check}", (first + 1) % 10));
    candidates.into_iter().find(|typed| Code::parse(typed).is_ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choices::Seeded;

    #[test]
    fn a_mistyped_code_is_none_and_another_code_is_one() {
        let mut choices = Seeded::new(1);
        let code = other_code("000 000 000");
        for _ in 0..100 {
            assert!(Code::parse(&mistyped(&code, &mut choices)).is_err());
        }
        let other = other_code(&code);
        assert_ne!(Code::parse(&other).unwrap(), Code::parse(&code).unwrap());
    }
}
