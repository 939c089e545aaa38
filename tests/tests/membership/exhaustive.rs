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
    /// Also signs of life, moves, two operations under one number, one under a number that was left out before, and
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

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Said {
    author: usize,
    sequence: u64,
    act: Act,
    /// The author's operation before it.
    previous: Option<Hash>,
    /// What the author says it has seen beside that.
    seen: wire::Seen,
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
        let said = Said { author, sequence, act, previous, seen: wire::Seen::new(), cut: None };
        let op = sign_said(&said, ops.first().map(|(_, (hash, _))| *hash));
        ops.push((op.clone(), (op.hash(&CRYPTO), said)));
    }
    ops
}

fn sign_said(said: &Said, group: Option<Hash>) -> SignedOp {
    let (sequence, previous) = (said.sequence, said.previous);
    let (seen, cut) = (group.map(|_| said.seen.clone()), said.cut.into_iter().collect());
    sign(said.author, said.act, Place { group, sequence, previous, seen, cut })
}

/// Who are the members by section 8.2, in words of this test: what nobody introduced is not there; then who is out has no power
/// over those who knew it; then cuts; then chains.
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
    let said: Vec<_> = said.iter().filter(|op| there.contains(&op.1.author)).cloned().collect();
    let knows = |op: &Named, of: &Hash| {
        let mut known: BTreeSet<Hash> = BTreeSet::new();
        let mut next: Vec<Hash> = op.1.seen.iter().chain(&op.1.previous).copied().collect();
        while let Some(hash) = next.pop().filter(|_| !known.contains(of)) {
            if known.insert(hash)
                && let Some((_, before)) = said.iter().find(|op| op.0 == hash)
            {
                next.extend(before.seen.iter().chain(&before.previous));
            }
        }
        known.contains(of)
    };
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
    let removes = |op: &&Named, whom: usize| matches!(op.1.act, Act::Remove(target, _) if target == whom);
    // Nobody has left, or goes on as another, who keeps back something that it said before, or knew.
    let is_whole = |op: &Named| {
        let (mut known, mut next) = (BTreeSet::new(), vec![op.0]);
        while let Some(hash) = next.pop() {
            let Some(op) = said.iter().find(|op| op.0 == hash) else { return false };
            if known.insert(hash) {
                next.extend(op.1.previous.iter().chain(&op.1.seen));
            }
        }
        true
    };
    let left_by = |author: usize| {
        let leaves = said.iter().filter(move |op| op.1.author == author && op.1.act == Act::Leave);
        leaves.filter(|op| is_whole(op))
    };
    // Whatever ended the author and leaves this out.
    let removed_before = |op: &Named| {
        let removals = said.iter().filter(|other| removes(other, op.1.author));
        removals.filter(|end| !standing(op.1.author, end.1.cut).contains(&op.0)).cloned().collect::<Vec<_>>()
    };
    let left_before = |op: &Named| {
        let leaves = left_by(op.1.author);
        leaves.filter(|end| !standing(op.1.author, Some(end.0)).contains(&op.0)).cloned().collect::<Vec<_>>()
    };
    let knew_first = |removal: &Named, target: usize, end: &Named| {
        let aware = |op: &&Named| knows(op, &end.0);
        let own = |op: &&Named| op.1.author == target && op.0 != removal.0 && !knows(op, &removal.0);
        let lets_in = |op: &&Named| introduced(op.1.act) == Some(target);
        let is_in = target == 0 || said.iter().any(|op| lets_in(&op));
        !is_in || said.iter().filter(aware).any(|op| own(&op) || lets_in(&op))
    };
    let ended =
        |device: usize| said.iter().any(|op| removes(&op, device)) || left_by(device).next().is_some();
    let removals: Vec<_> = said.iter().filter(|op| matches!(op.1.act, Act::Remove(..))).collect();
    // Whether a removal falls, given those that do.
    let falls = |removal: &Named, fallen: &BTreeSet<Hash>| {
        let Act::Remove(target, _) = removal.1.act else { return false };
        let author = removal.1.author;
        let heard = |leave: &Named| {
            said.iter().any(|op| {
                ![author, target].contains(&op.1.author)
                    && !ended(op.1.author)
                    && knows(op, &removal.0)
                    && !knows(op, &leave.0)
            })
        };
        let shields = |end: &Named| {
            let third = |op: &&Named| ![author, target].contains(&op.1.author);
            // What a third device said after somebody else had ended it is no testimony.
            let in_time =
                |op: &Named| removed_before(op).iter().all(|end| [author, target].contains(&end.1.author));
            let first = |known: &Named, unknown: &Named| {
                let first = |op: &&Named| knows(op, &known.0) && !knows(op, &unknown.0);
                said.iter().filter(third).filter(first).cloned().collect::<Vec<_>>()
            };
            if end.1.author == target {
                !first(end, removal).is_empty() && !first(removal, end).iter().any(in_time)
            } else {
                knew_first(removal, target, end)
            }
        };
        left_before(removal).iter().any(|leave| !heard(leave) || shields(leave))
            || removed_before(removal).iter().any(|end| !fallen.contains(&end.0) && shields(end))
    };
    let round = |fallen: &BTreeSet<Hash>| {
        removals.iter().filter(|op| falls(op, fallen)).map(|op| op.0).collect::<BTreeSet<_>>()
    };
    let mut fallen = BTreeSet::new();
    while round(&round(&fallen)) != fallen {
        fallen = round(&round(&fallen));
    }
    let removals = |author: usize| {
        let fallen = &fallen;
        said.iter().filter(move |op| removes(op, author) && !fallen.contains(&op.0)).map(|(_, op)| op.cut)
    };
    let remains = |(hash, op): &Named| removals(op.author).all(|cut| standing(op.author, cut).contains(hash));
    let leaves = |author: usize| left_by(author).filter(|op| remains(op));
    let stands = |op: &Named| {
        remains(op)
            && leaves(op.1.author).all(|(leave, _)| standing(op.1.author, Some(*leave)).contains(&op.0))
    };
    let moved = |author| {
        let moves = said.iter().filter(|op| op.1.author == author && matches!(op.1.act, Act::Move(_)));
        moves.filter(|op| stands(op) && is_whole(op)).map(|op| op.1.sequence).min()
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
    let gone = |device: &usize| {
        removals(*device).next().is_some() || leaves(*device).next().is_some() || moved(*device).is_some()
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
            if whole.certificate(&key(author)).is_none() {
                continue;
            }
            let last = self.last(author, everything);
            let number = last.as_ref().map_or(0, |(_, said)| said.sequence);
            let previous = last.as_ref().map(|(hash, _)| *hash);
            let seen = wire::Seen::new();
            let next = Said { author, sequence: number + 2, act: Act::Leave, previous, seen, cut: None };
            let mut say = |said: Said, part: usize| {
                let log = &self.subsets[part].0;
                let seen = if self.scope.all { log.seen(said.previous) } else { wire::Seen::new() };
                choices.push((Said { seen, ..said }, part));
            };
            say(next.clone(), everything);
            for target in (0..self.scope.devices).filter(|target| *target != author) {
                say(Said { act: Act::Add(target), ..next.clone() }, everything);
                // Only by the cut does it matter what a device knows.
                let mut cuts = BTreeSet::new();
                for part in (0..=everything).rev() {
                    let known = self.last(target, part);
                    let (cut, upto) =
                        (known.as_ref().map(|(hash, _)| *hash), known.map_or(0, |(_, said)| said.sequence));
                    if cuts.insert(cut) {
                        say(Said { act: Act::Remove(target, upto), cut, ..next.clone() }, part);
                    }
                }
            }
            if self.scope.all {
                let moves = Act::Move(self.scope.devices - 1);
                say(Said { act: Act::Alive, ..next.clone() }, everything);
                say(Said { act: moves, ..next.clone() }, everything);
                if let Some((_, said)) = last {
                    for act in [Act::Alive, Act::Add(3), moves] {
                        say(
                            Said { act, sequence: number, previous: said.previous, ..next.clone() },
                            everything,
                        );
                    }
                    for (act, previous) in [(Act::Add(3), said.previous), (moves, previous)] {
                        say(Said { act, sequence: number - 1, previous, ..next.clone() }, everything);
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
            .cloned()
    }

    fn explore(&mut self) {
        if self.said.len() == self.scope.operations {
            return self.check_order();
        }
        for (said, _) in self.choices() {
            self.with(said, Self::explore);
        }
    }

    /// Says one more, checks every subset that it is in, and takes it back after `then`.
    fn with(&mut self, said: Said, then: impl Fn(&mut Self)) {
        let op = sign_said(&said, Some(self.subsets[0].0.group()));
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
        let mut said: Vec<_> = self.said.iter().map(|(_, said)| said.clone()).collect();
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
        let beginning = self.beginning.iter().map(|(_, named)| named.clone());
        let said: Vec<_> = beginning.chain(chosen.map(|(_, said)| said.clone())).collect();
        let found = members(view);
        assert_eq!(found, expected(&said), "{said:#?}");
        for (at, _) in self.ops.iter().enumerate().filter(|(at, _)| part & (1 << at) != 0) {
            let smaller = &self.subsets[part & !(1 << at)].1;
            for device in
                (0..self.scope.devices).filter(|device| ended(smaller, *device) == Some(Gone::Removed))
            {
                let removes = |op: &&Named| matches!(op.1.act, Act::Remove(whom, _) if whom == device);
                let mut removers = said.iter().filter(removes).map(|op| op.1.author);
                if removers.all(|remover| !found.contains(&remover)) {
                    // Only those who were out wanted it out.
                    continue;
                }
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
                for (said, _) in exploration.choices().into_iter().skip(share).step_by(2) {
                    exploration.with(said, Exploration::explore);
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
