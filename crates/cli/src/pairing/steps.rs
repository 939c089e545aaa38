//! What a person does beside showing and typing codes: whom a device replaces, who is turned away, whether it goes over to another group.

use sma_core::{Command, Hash, JoinQuestion};

use super::vigil::Vigil;
use crate::{args::Pair, asked, failure::Failure, report::Report, words};

/// One such step.
#[derive(Debug)]
pub(super) enum Step {
    Confirm,
    Decline,
    Veto(Hash),
    Reject(String),
}

/// The step that was typed, if it was one.
pub(super) fn of(pair: &Pair) -> Option<Step> {
    if pair.confirm {
        return Some(Step::Confirm);
    }
    if pair.decline {
        return Some(Step::Decline);
    }
    pair.veto.map(Step::Veto).or_else(|| pair.reject.clone().map(Step::Reject))
}

pub(super) async fn step(vigil: &mut Vigil, step: Step, report: &mut Report) -> Result<(), Failure> {
    let then = match step {
        Step::Confirm => return confirm(vigil, None, report).await,
        Step::Decline => {
            vigil.device.command(Command::DeclineJoin, report).await?;
            "This device does not go there; whoever let it in hears that it left."
        }
        Step::Veto(merge) => {
            vigil.device.command(Command::Veto { merge }, report).await?;
            "It was vetoed: this group stays. If it was not you who wanted it, remove the device that did, with sma devices remove."
        }
        Step::Reject(whom) => {
            vigil.look(report).await?;
            let id = vigil.device.names()?.find(&whom)?;
            vigil.device.command(Command::Reject { id }, report).await?;
            "The device was turned away."
        }
    };
    report.say(then);
    question(vigil, report)
}

fn question(vigil: &Vigil, report: &mut Report) -> Result<(), Failure> {
    asked::join(&vigil.device.muaa()?, &vigil.device.names()?, report);
    Ok(())
}

/// Whose place this device takes when it is let in.
pub(super) async fn replace(
    vigil: &mut Vigil,
    old: &str,
    tells: bool,
    report: &mut Report,
) -> Result<(), Failure> {
    vigil.look(report).await?;
    let id = vigil.device.names()?.find(old)?;
    vigil.device.command(Command::Replace { id: Some(id) }, report).await?;
    if tells {
        report.say("Whoever lets this device in removes the other one, if that is silent by then.");
    }
    Ok(())
}

/// Goes over to the group that the person has seen; one that this very command finds is shown first.
pub(super) async fn confirm(
    vigil: &mut Vigil,
    seen: Option<&JoinQuestion>,
    report: &mut Report,
) -> Result<(), Failure> {
    let seen = match seen {
        Some(seen) => Some(seen.clone()),
        None => vigil.device.muaa()?.join_question(),
    };
    vigil.look(report).await?;
    let question = vigil.device.muaa()?.join_question();
    if question.is_some() && question != seen {
        asked::join(&vigil.device.muaa()?, &vigil.device.names()?, report);
        let why = "this device was let into another group only now: look whose it is, then run sma pair --confirm again";
        return Err(Failure::NeedsPerson(why.to_owned()));
    }
    vigil.device.command(Command::ConfirmJoin, report).await?;
    let muaa = vigil.device.muaa()?;
    asked::join(&muaa, &vigil.device.names()?, report);
    // Whoever has others in its group waits for them.
    if question.as_ref().is_some_and(|question| muaa.group() == Some(question.group)) {
        report.say(
            "This device went over, with its keys. The other one hears of it when it looks the next time.",
        );
    } else if let Some(at) = muaa.join_question().and_then(|question| question.goes_at) {
        let at = words::minute(at);
        report.say(format!(
            "Until {at} any other device of this one's group can veto it; sma watch or sma sync goes then."
        ));
    }
    Ok(())
}
