//! 1: when faults have stopped, all living devices have the same group, members, state and account key.

use super::{Verdict, living};
use crate::lab::Lab;

pub(super) fn check(lab: &Lab) -> Verdict {
    let mut living = living(lab).filter_map(|machine| Some((&machine.name, machine.muaa.as_ref()?)));
    let Some((first, muaa)) = living.next() else { return Ok(()) };
    let differs = |what: &str, other: &String| Err(format!("{first} and {other} have different {what}"));
    for (name, other) in living {
        if muaa.group().is_none() || muaa.group() != other.group() {
            return differs("groups", name);
        }
        if muaa.members() != other.members() {
            return differs("members", name);
        }
        if muaa.digest() != other.digest() {
            return differs("states", name);
        }
        let (ours, theirs) = (muaa.account(), other.account());
        if ours.current.is_none() || ours != theirs {
            return differs("account keys", name);
        }
    }
    Ok(())
}
