//! Every log of a few operations by a few devices that know any part of one another's and keep to no rule: each subset of its
//! operations is evaluated, held against the protocol's words, and against all smaller subsets.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use sma_core::{
    Gone, Hash,
    state::{Log, Membership},
    wire::SignedOp,
};

use crate::world::{Act, CRYPTO, MAX, Place, Story, ended, key, log_of, members, sign};

/// What may be said in a scope.
#[derive(Clone, Copy)]
struct Scope {
    /// How many operations follow the beginning.
    operations: usize,
    /// The devices that take part: the first three are members at the beginning, the others may be let in.
    devices: usize,
    /// Also expiries, signs of life, moves, two operations under one number, and whatever an author says it has seen. A
    /// device that moves goes on as the last.
    all: bool,
}

/// What two threads share.
#[derive(Default)]
struct Shared {
    states: AtomicU64,
    /// Logs that were looked at, where nobody says what it has seen.
    visited: Mutex<HashSet<Vec<Said>>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Said {
    author: usize,
    sequence: u64,
    act: Act,
}

/// A log that grows, with each of its subsets.
struct Exploration<'a> {
    scope: Scope,
    beginning: &'a [SignedOp],
    said: Vec<Said>,
    ops: Vec<SignedOp>,
    hashes: Vec<Hash>,
    /// Of each subset of `ops`, by the bits of its number.
    subsets: Vec<(Log, Membership)>,
    shared: &'a Shared,
}

/// Device 0 founds the group and lets device 1 in, which lets device 2 in.
const BEGINNING: [Said; 3] = [
    Said { author: 0, sequence: 1, act: Act::Genesis },
    Said { author: 0, sequence: 2, act: Act::Add(1) },
    Said { author: 1, sequence: 1, act: Act::Add(2) },
];

fn beginning() -> Vec<SignedOp> {
    let mut story = Story::new();
    for said in &BEGINNING[1..] {
        story.say_as(said.author, said.act, said.sequence);
    }
    story.ops
}

/// Who are the members by section 8.2, in words of this test: what nobody introduced is not there; then cuts; then chains.
fn expected(said: &[Said]) -> BTreeSet<usize> {
    let introduced = |act: Act| {
        if let Act::Add(target) | Act::Move(target) = act { Some(target) } else { None }
    };
    let chain = |counts: &dyn Fn(&Said) -> bool| {
        let mut reached = BTreeSet::from([0]);
        while let Some(next) = said
            .iter()
            .filter(|op| reached.contains(&op.author) && counts(op))
            .find_map(|op| introduced(op.act).filter(|target| !reached.contains(target)))
        {
            reached.insert(next);
        }
        reached
    };
    let there = chain(&|_| true);
    let said: Vec<_> = said.iter().filter(|op| there.contains(&op.author)).copied().collect();
    let cut_of = |target: usize| {
        said.iter().filter_map(move |op| {
            if let Act::Remove(whom, cut) = op.act { (whom == target).then_some(cut) } else { None }
        })
    };
    let own = |author: usize, end: fn(&Act) -> bool| {
        said.iter().filter(|op| op.author == author && end(&op.act)).map(|op| op.sequence).min()
    };
    let left = |author| own(author, |act| matches!(act, Act::Leave));
    let moved = |author| own(author, |act| matches!(act, Act::Move(_)));
    let twice = |op: &Said| {
        let same = |other: &Said| other.author == op.author && other.sequence == op.sequence;
        said.iter().filter(|other| same(other)).count() > 1
    };
    let fork = |author| said.iter().filter(|op| op.author == author && twice(op)).map(|op| op.sequence).min();
    let void = |op: &Said| {
        let moves = matches!(op.act, Act::Move(_));
        let beyond = |end: Option<u64>| end.is_some_and(|end| op.sequence > end);
        beyond(cut_of(op.author).min())
            || beyond(left(op.author))
            || !moves && beyond(moved(op.author))
            || !moves && fork(op.author).is_some_and(|fork| op.sequence >= fork)
    };
    let expired = |device: usize| {
        let last = said.iter().filter(|op| op.author == device).map(|op| op.sequence).max().unwrap_or(0);
        said.iter().any(|op| matches!(op.act, Act::Expire(target, cut) if target == device && last <= cut))
    };
    let gone = |device: &usize| {
        cut_of(*device).next().is_some()
            || left(*device).is_some()
            || moved(*device).is_some()
            || expired(*device)
    };
    chain(&|op| !void(op)).into_iter().filter(|device| !gone(device)).collect()
}

impl Exploration<'_> {
    fn start<'a>(scope: Scope, beginning: &'a [SignedOp], shared: &'a Shared) -> Exploration<'a> {
        let log = log_of(beginning);
        let view = Membership::of(&log);
        assert_eq!(members(&view), BTreeSet::from([0, 1, 2]));
        let subsets = vec![(log, view)];
        Exploration {
            scope,
            beginning,
            said: Vec::new(),
            ops: Vec::new(),
            hashes: Vec::new(),
            subsets,
            shared,
        }
    }

    /// Everything that any device with a key of some introduction could say next, knowing any part of what was said.
    fn choices(&self) -> Vec<(Said, usize)> {
        let everything = self.subsets.len() - 1;
        let whole = &self.subsets[everything].0;
        let mut choices = Vec::new();
        for author in 0..self.scope.devices {
            if whole.certificate(&key(author), crate::world::id(author)).is_none() {
                continue;
            }
            let last = self.last(author, everything);
            let mut say = |act, part| choices.push((Said { author, sequence: last + 1, act }, part));
            say(Act::Leave, everything);
            for target in (0..self.scope.devices).filter(|target| *target != author) {
                say(Act::Add(target), everything);
                // Only by the cut does it matter what a device knows.
                let mut cuts = BTreeSet::new();
                for part in (0..=everything).rev() {
                    let cut = self.last(target, part);
                    if cuts.insert(cut) {
                        say(Act::Remove(target, cut), part);
                        if self.scope.all {
                            say(Act::Expire(target, cut), part);
                        }
                    }
                }
            }
            if self.scope.all {
                say(Act::Alive, everything);
                say(Act::Move(self.scope.devices - 1), everything);
                if last > 0 {
                    for act in [Act::Alive, Act::Add(3), Act::Move(self.scope.devices - 1)] {
                        choices.push((Said { author, sequence: last, act }, everything));
                    }
                }
            }
        }
        choices.sort_unstable();
        choices.dedup();
        choices
    }

    /// The last sequence of a device in a subset.
    fn last(&self, author: usize, part: usize) -> u64 {
        let said = self.said.iter().enumerate().filter(|(at, _)| part & (1 << at) != 0).map(|(_, said)| said);
        let all = BEGINNING.iter().chain(said).filter(|said| said.author == author);
        all.map(|said| said.sequence).max().unwrap_or(0)
    }

    fn explore(&mut self) {
        if self.said.len() == self.scope.operations {
            return self.check_order();
        }
        for (said, part) in self.choices() {
            self.with(said, part, Self::explore);
        }
    }

    /// Says one more, checks every subset that it is in, and takes it back after `then`.
    fn with(&mut self, said: Said, knows: usize, then: impl Fn(&mut Self)) {
        let place = Place {
            group: Some(self.subsets[0].0.group()),
            sequence: said.sequence,
            previous: None,
            seen: self.scope.all.then(|| self.subsets[knows].0.heads()),
        };
        let op = sign(said.author, said.act, place);
        let before = self.subsets.len();
        if self.ops.contains(&op) {
            return;
        }
        self.said.push(said);
        if self.is_known() {
            self.said.pop();
            return;
        }
        self.hashes.push(op.hash(&CRYPTO));
        self.ops.push(op);
        for part in before..2 * before {
            let mut log = self.subsets[part - before].0.clone();
            log.join(&CRYPTO, &self.not_in(&log, part), MAX);
            let view = Membership::of(&log);
            self.subsets.push((log, view));
            self.check(part);
        }
        then(self);
        self.subsets.truncate(before);
        self.said.pop();
        self.ops.pop();
        self.hashes.pop();
    }

    /// Whether the same operations were looked at in another order.
    fn is_known(&self) -> bool {
        let mut said = self.said.clone();
        said.sort_unstable();
        !self.scope.all && !self.shared.visited.lock().unwrap().insert(said)
    }

    /// What a subset has beyond a log: the new operation, and what came before its author's introduction.
    fn not_in(&self, log: &Log, part: usize) -> Vec<SignedOp> {
        let lacks = |at: &usize| part & (1 << at) != 0 && log.get(&self.hashes[*at]).is_none();
        (0..self.ops.len()).filter(lacks).map(|at| self.ops[at].clone()).collect()
    }

    fn check(&self, part: usize) {
        self.shared.states.fetch_add(1, Ordering::Relaxed);
        let view = &self.subsets[part].1;
        let chosen = self.said.iter().enumerate().filter(|(at, _)| part & (1 << at) != 0);
        let said: Vec<_> = BEGINNING.iter().copied().chain(chosen.map(|(_, said)| *said)).collect();
        let found = members(view);
        assert_eq!(found, expected(&said), "{said:#?}");
        for (at, _) in self.ops.iter().enumerate().filter(|(at, _)| part & (1 << at) != 0) {
            let smaller = &self.subsets[part & !(1 << at)].1;
            for device in
                (0..self.scope.devices).filter(|device| ended(smaller, *device) == Some(Gone::Removed))
            {
                assert!(!found.contains(&device), "{device} is back: {said:#?}");
                assert_eq!(ended(view, device), Some(Gone::Removed), "{device}: {said:#?}");
            }
            assert!(smaller.equivocators.is_subset(&view.equivocators), "a proof is lost: {said:#?}");
        }
    }

    /// All operations in other orders, doubled, and in other parts.
    fn check_order(&self) {
        let (whole, view) = &self.subsets[self.subsets.len() - 1];
        let mut ops: Vec<_> = self.beginning.iter().chain(&self.ops).cloned().collect();
        ops.extend(ops.clone());
        ops.reverse();
        let backwards = Log::from_ops(&CRYPTO, whole.group(), &ops, MAX).unwrap();
        assert_eq!(backwards, *whole, "{:#?}", self.said);
        assert_eq!(Membership::of(&backwards), *view, "{:#?}", self.said);
    }
}

/// Explores the scope on two threads; how many sets of operations were evaluated.
fn explore(scope: Scope) -> u64 {
    let (shared, beginning) = (Shared::default(), beginning());
    thread::scope(|threads| {
        for share in 0..2 {
            let (shared, beginning) = (&shared, &beginning);
            threads.spawn(move || {
                let mut exploration = Exploration::start(scope, beginning, shared);
                for (said, part) in exploration.choices().into_iter().skip(share).step_by(2) {
                    exploration.with(said, part, Exploration::explore);
                }
            });
        }
    });
    shared.states.into_inner()
}

#[test]
fn t2_everything_that_five_devices_can_say_in_three_operations_keeps_the_rules() {
    let states = explore(Scope { operations: 3, devices: 5, all: true });
    println!("{states} sets of operations");
    assert!(states > 500_000, "only {states} sets");
}

#[test]
fn t2_additions_removals_and_leaves_of_four_devices_in_four_operations_keep_the_rules() {
    let states = explore(Scope { operations: 4, devices: 4, all: false });
    println!("{states} sets of operations");
    assert!(states > 500_000, "only {states} sets");
}
