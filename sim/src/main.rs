//! x
#![allow(clippy::print_stdout)]
use sma_sim::{world::Setup, faults::FaultSet, run::run_seed};
fn main() {
    let a: Vec<u64> = std::env::args().skip(1).map(|x| x.parse().unwrap()).collect();
    for seed in a[0]..a[1] {
        let s = Setup { muaas: a[2] as usize, days: a[3], faults: if a[4]==0 {FaultSet::None} else {FaultSet::All} };
        let o = run_seed(seed, s, true);
        if a.len() > 5 { for l in &o.trace { println!("{l}"); } }
        println!("{seed} {:?} {:?} ops {} days {} paired {}", o.violation, o.sentences, o.operations, o.days, o.paired);
    }
}
