//! What the judge of removals makes of a log at its bound.

use std::collections::BTreeSet;

use sma_core::{
    Hash, MuaaId,
    state::{Log, Membership, Removal},
    wire::{self, Kind, SignedOp},
};
use sma_sim::symbolic::Symbolic;
use sma_tests::{
    insider::Insider,
    outsiders::{NOTHING, in_the_group_of},
};

const LOG_MAX: usize = 4096;

/// How what one key says hangs together.
#[derive(Clone, Copy)]
enum Shape {
    /// Each operation follows the one before it.
    Chains,
    /// Each stands beside the others.
    Forks,
    /// Each follows the one before it, and names as known what another key said last.
    OneThread,
    /// Each names as known what another key said last, and nothing else.
    Line,
}

fn made_up(n: u64) -> Insider {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&n.to_be_bytes());
    Insider::made_up(MuaaId(1000 + n), &seed).unwrap()
}

/// Keys that a founder let in say in so many rounds that they live, and remove one another in the first `removing` of them.
fn of_mutual_removals(shape: Shape, rounds: usize, removing: usize) -> (Hash, Vec<SignedOp>) {
    let mut founder = made_up(0);
    let mut all = founder.log().ops();
    let mut first: Vec<_> = (1..=23).map(made_up).collect();
    all.extend(first.iter().map(|one| founder.op(Kind::Add.number(), wire::encode(&one.introduction()))));
    for (at, one) in first.iter_mut().enumerate() {
        *one = in_the_group_of(one.clone(), &founder, &[]);
        for n in 0..5 {
            let next = made_up(100 + 10 * at as u64 + n);
            all.push(one.op(Kind::Add.number(), wire::encode(&next.introduction())));
        }
    }
    let targets: Vec<_> = first.iter().map(Insider::key).collect();
    let mut last: Option<Hash> = None;
    for round in 0..rounds {
        for (at, one) in first.iter_mut().enumerate() {
            let target = targets[(at + 1 + round % (targets.len() - 1)) % targets.len()];
            let body = wire::encode(&Removal { target, cut: BTreeSet::new(), silent: round % 2 == 1 });
            let remove = (round < removing).then_some((Kind::Remove, body));
            for (kind, body) in remove.into_iter().chain([(Kind::Alive, NOTHING.to_vec())]) {
                let op = match shape {
                    Shape::Chains => one.op(kind.number(), body),
                    Shape::Forks => {
                        let fork = one.clone().op(kind.number(), body);
                        one.sequence += 1;
                        fork
                    }
                    Shape::Line => {
                        let said = one.clone().lie(kind.number(), body, last.into_iter().collect());
                        one.sequence += 1;
                        said
                    }
                    Shape::OneThread => one.lie(kind.number(), body, last.into_iter().collect()),
                };
                last = Some(op.hash(&Symbolic));
                all.push(op);
            }
        }
    }
    (founder.log().group(), all)
}

/// On a thread with a small stack, as a mail program may give it. How many octets the log has, and how many members.
fn judged(shape: Shape, rounds: usize, removing: usize) -> (usize, usize) {
    let work = move || {
        let (group, ops) = of_mutual_removals(shape, rounds, removing);
        let log = Log::from_ops(&Symbolic, group, &ops, LOG_MAX).unwrap();
        (log.bytes(), Membership::of(&log).members.len())
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(work).unwrap().join().unwrap()
}

#[test]
fn joining_and_judging_a_log_that_is_as_large_and_as_deep_as_it_can_be_ends_on_a_small_stack() {
    for (shape, rounds, removing) in
        [(Shape::Forks, 80, 80), (Shape::Chains, 100, 24), (Shape::Line, 100, 12)]
    {
        let (bytes, members) = judged(shape, rounds, removing);
        assert!(bytes > (350 << 10), "{bytes} octets");
        assert_eq!(members, 1, "all but the founder are out");
    }
}

#[test]
fn judging_a_log_full_of_removals_in_chains_or_on_one_thread_ends() {
    for shape in [Shape::Chains, Shape::OneThread] {
        let (bytes, _) = judged(shape, 80, 80);
        assert!(bytes > (600 << 10), "{bytes} octets");
    }
}
