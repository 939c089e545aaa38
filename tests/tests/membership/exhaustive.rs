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
    wire::{self, SignedOp},
};

use crate::world::{Act, CRYPTO, MAX, Place, ended, key, log_of, members, sign};

/// What may be said in a scope.
#[derive(Clone, Copy)]
struct Scope {
    /// How many operations follow the beginning.
    operations: usize,
    /// The devices that take part: the first three are members at the beginning, the others may be let in.
    devices: usize,
    /// Also expiries, signs of life, moves, two operations under one number, one under a number that was left out before, and
    /// whatever an author says it has seen. A device that moves goes on as the last.
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
    /// The author's operation before it.
    previous: Option<Hash>,
    /// What a removal leaves standing.
    cut: Option<Hash>,
}

/// An operation with its name.
type Named = (Hash, Said);

/// A log that grows, with each of its subsets.
struct Exploration<'a> {
    scope: Scope,
    beginning: &'a [(SignedOp, Named)],
    said: Vec<Named>,
    ops: Vec<SignedOp>,
    /// Of each subset of `ops`, by the bits of its number.
    subsets: Vec<(Log, Membership)>,
    shared: &'a Shared,
}

/// Device 0 founds the group and lets device 1 in, which lets device 2 in. Every other number is left out.
fn beginning() -> Vec<(SignedOp, Named)> {
    let acts = [(0, 2, Act::Genesis), (0, 4, Act::Add(1)), (1, 2, Act::Add(2))];
    let mut ops: Vec<(SignedOp, Named)> = Vec::new();
    for (author, sequence, act) in acts {
        let own = ops.iter().rev().find(|(_, (_, said))| said.author == author);
        let previous = own.map(|(_, (hash, _))| *hash);
        let said = Said { author, sequence, act, previous, cut: None };
        let op = sign_said(said, ops.first().map(|(_, (hash, _))| *hash), None);
        ops.push((op.clone(), (op.hash(&CRYPTO), said)));
    }
    ops
}

fn sign_said(said: Said, group: Option<Hash>, seen: Option<wire::Seen>) -> SignedOp {
    let (sequence, previous) = (said.sequence, said.previous);
    let cut = said.cut.into_iter().collect();
    sign(said.author, said.act, Place { group, sequence, previous, seen, cut })
}

/// Who are the members by section 8.2, in words of this test: what nobody introduced is not there; then cuts; then chains.
fn expected(said: &[Named]) -> BTreeSet<usize> {
    let introduced = |act: Act| {
        if let Act::Add(target) | Act::Move(target) = act { Some(target) } else { None }
    };
    let chain = |counts: &dyn Fn(&Named) -> bool| {
        let mut reached = BTreeSet::from([0]);
        while let Some(next) = said
            .iter()
            .filter(|op| reached.contains(&op.1.author) && counts(op))
            .find_map(|op| introduced(op.1.act).filter(|target| !reached.contains(target)))
        {
            reached.insert(next);
        }
        reached
    };
    let there = chain(&|_| true);
    let said: Vec<_> = said.iter().filter(|op| there.contains(&op.1.author)).copied().collect();
    let standing = |author: usize, end: Option<Hash>| {
        let mut stands = BTreeSet::new();
        let mut next = end;
        while let Some(op) =
            next.and_then(|next| said.iter().find(|op| op.0 == next && op.1.author == author))
        {
            stands.insert(op.0);
            next = op.1.previous;
        }
        stands
    };
    let removals = |author: usize| {
        let removes = move |op: &&Named| matches!(op.1.act, Act::Remove(whom, _) if whom == author);
        said.iter().filter(removes).map(|(_, op)| op.cut)
    };
    let remains = |(hash, op): &Named| removals(op.author).all(|cut| standing(op.author, cut).contains(hash));
    let leaves = |author: usize| {
        said.iter().filter(move |op| op.1.author == author && op.1.act == Act::Leave && remains(op))
    };
    let stands = |op: &Named| {
        remains(op)
            && leaves(op.1.author).all(|(leave, _)| standing(op.1.author, Some(*leave)).contains(&op.0))
    };
    let moved = |author| {
        let moves =
            said.iter().filter(|op| op.1.author == author && matches!(op.1.act, Act::Move(_)) && stands(op));
        moves.map(|op| op.1.sequence).min()
    };
    let twice = |op: &Said| {
        let same = |other: &&Named| other.1.author == op.author && other.1.sequence == op.sequence;
        said.iter().filter(|other| same(other) && stands(other)).count() > 1
    };
    let fork =
        |author| said.iter().filter(|op| op.1.author == author && twice(&op.1)).map(|op| op.1.sequence).min();
    let void = |op: &Named| {
        let moves = matches!(op.1.act, Act::Move(_));
        !stands(op)
            || !moves && moved(op.1.author).is_some_and(|end| op.1.sequence > end)
            || !moves && fork(op.1.author).is_some_and(|fork| op.1.sequence >= fork)
    };
    let expired = |device: usize| {
        let last = said.iter().filter(|op| op.1.author == device).map(|op| op.1.sequence).max().unwrap_or(0);
        said.iter().any(|op| matches!(op.1.act, Act::Expire(target, cut) if target == device && last <= cut))
    };
    let gone = |device: &usize| {
        removals(*device).next().is_some()
            || leaves(*device).next().is_some()
            || moved(*device).is_some()
            || expired(*device)
    };
    chain(&|op| !void(op)).into_iter().filter(|device| !gone(device)).collect()
}

impl Exploration<'_> {
    fn start<'a>(scope: Scope, beginning: &'a [(SignedOp, Named)], shared: &'a Shared) -> Exploration<'a> {
        let ops: Vec<_> = beginning.iter().map(|(op, _)| op.clone()).collect();
        let log = log_of(&ops);
        let view = Membership::of(&log);
        assert_eq!(members(&view), BTreeSet::from([0, 1, 2]));
        let subsets = vec![(log, view)];
        Exploration { scope, beginning, said: Vec::new(), ops: Vec::new(), subsets, shared }
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
            let number = last.map_or(0, |(_, said)| said.sequence);
            let previous = last.map(|(hash, _)| hash);
            let next = Said { author, sequence: number + 2, act: Act::Leave, previous, cut: None };
            let mut say = |said, part| choices.push((said, part));
            say(next, everything);
            for target in (0..self.scope.devices).filter(|target| *target != author) {
                say(Said { act: Act::Add(target), ..next }, everything);
                // Only by the cut does it matter what a device knows.
                let mut cuts = BTreeSet::new();
                for part in (0..=everything).rev() {
                    let known = self.last(target, part);
                    let (cut, upto) =
                        (known.map(|(hash, _)| hash), known.map_or(0, |(_, said)| said.sequence));
                    if cuts.insert(cut) {
                        say(Said { act: Act::Remove(target, upto), cut, ..next }, part);
                        if self.scope.all {
                            say(Said { act: Act::Expire(target, upto), ..next }, part);
                        }
                    }
                }
            }
            if self.scope.all {
                let moves = Act::Move(self.scope.devices - 1);
                say(Said { act: Act::Alive, ..next }, everything);
                say(Said { act: moves, ..next }, everything);
                if let Some((_, said)) = last {
                    for act in [Act::Alive, Act::Add(3), moves] {
                        say(Said { act, sequence: number, previous: said.previous, ..next }, everything);
                    }
                    for (act, previous) in [(Act::Add(3), said.previous), (moves, previous)] {
                        say(Said { act, sequence: number - 1, previous, ..next }, everything);
                    }
                }
            }
        }
        choices.sort_unstable();
        choices.dedup();
        choices
    }

    /// The last operation of a device in a subset.
    fn last(&self, author: usize, part: usize) -> Option<Named> {
        let said = self.said.iter().enumerate().filter(|(at, _)| part & (1 << at) != 0).map(|(_, said)| said);
        let all = self.beginning.iter().map(|(_, named)| named).chain(said);
        all.filter(|named| named.1.author == author)
            .max_by_key(|(hash, said)| (said.sequence, *hash))
            .copied()
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
        let seen = self.scope.all.then(|| self.subsets[knows].0.heads());
        let op = sign_said(said, Some(self.subsets[0].0.group()), seen);
        let before = self.subsets.len();
        if self.ops.contains(&op) {
            return;
        }
        self.said.push((op.hash(&CRYPTO), said));
        if self.is_known() {
            self.said.pop();
            return;
        }
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
    }

    /// Whether the same operations were looked at in another order.
    fn is_known(&self) -> bool {
        let mut said: Vec<_> = self.said.iter().map(|(_, said)| *said).collect();
        said.sort_unstable();
        !self.scope.all && !self.shared.visited.lock().unwrap().insert(said)
    }

    /// What a subset has beyond a log: the new operation, and what came before its author's introduction.
    fn not_in(&self, log: &Log, part: usize) -> Vec<SignedOp> {
        let lacks = |at: &usize| part & (1 << at) != 0 && log.get(&self.said[*at].0).is_none();
        (0..self.ops.len()).filter(lacks).map(|at| self.ops[at].clone()).collect()
    }

    fn check(&self, part: usize) {
        self.shared.states.fetch_add(1, Ordering::Relaxed);
        let view = &self.subsets[part].1;
        let chosen = self.said.iter().enumerate().filter(|(at, _)| part & (1 << at) != 0);
        let beginning = self.beginning.iter().map(|(_, named)| *named);
        let said: Vec<_> = beginning.chain(chosen.map(|(_, said)| *said)).collect();
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
        let mut ops: Vec<_> = self.beginning.iter().map(|(op, _)| op).chain(&self.ops).cloned().collect();
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
