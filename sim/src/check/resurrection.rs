//! 3: a device that was removed does not become a member again for anyone who saw it go.

use super::Verdict;
use crate::{lab::Lab, truth::member_keys};

pub(super) fn check(lab: &mut Lab, at: usize) -> Verdict {
    let machine = &lab.machines[at];
    let Some(muaa) = machine.muaa.as_ref().filter(|muaa| muaa.group().is_some()) else { return Ok(()) };
    let members = member_keys(muaa);
    let (seen, gone) = lab.truth.seen.entry(at).or_default();
    if let Some(key) = gone.intersection(&members).next() {
        return Err(format!("{} took the removed device {key} for a member again", machine.name));
    }
    let went = seen.iter().filter(|key| lab.truth.removed.contains(key) && !members.contains(key));
    gone.extend(went.copied());
    seen.extend(members);
    Ok(())
}
