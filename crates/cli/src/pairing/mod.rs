//! `sma pair`: one command on each side, which stays until the pairing is done.
//!
//! `member` shows a code, `newcomer` types it, `steps` are what a person does in between or undoes. Whoever is interrupted goes on with
//! the same command: what is waited for stands in `pending`.

mod member;
mod newcomer;
mod steps;
mod vigil;

use std::{
    io::{self, BufRead, IsTerminal, Read},
    path::Path,
};

use sma_core::{Form, Phase};
use zeroize::Zeroizing;

use crate::{args::Pair, control::Device, failure::Failure, link, output::Output, report::Report, words};
use vigil::Vigil;

/// The longest line that is read, in octets; a link has some 300.
const LINE_MAX: u64 = 4096;

/// Pairs, or does one step of a pairing.
pub(crate) async fn pair(
    directory: &Path,
    password_command: Option<&str>,
    mut pair: Pair,
    output: Output,
    report: &mut Report,
) -> Result<(), Failure> {
    let typed = typed(std::mem::take(&mut pair.code))?;
    let device = Device::reach(directory, password_command).await?;
    let mut vigil = Vigil::new(directory, device, output);
    let result = one(&mut vigil, typed, &pair, report).await;
    if let Ok(muaa) = vigil.device.muaa() {
        report.standing(&muaa);
    }
    vigil.close(result).await
}

async fn one(
    vigil: &mut Vigil,
    typed: Option<Zeroizing<String>>,
    pair: &Pair,
    report: &mut Report,
) -> Result<(), Failure> {
    if let Some(step) = steps::of(pair) {
        return steps::step(vigil, step, report).await;
    }
    if let Some(old) = &pair.replaces {
        steps::replace(vigil, old, typed.is_none(), report).await?;
        if typed.is_none() {
            return Ok(());
        }
    }
    if let Some(typed) = typed {
        return newcomer::pair(vigil, &typed, pair, report).await;
    }
    if vigil.pending()?.typed_at().is_some() {
        return newcomer::again(vigil, report).await;
    }
    vigil.look(report).await?;
    let muaa = vigil.device.muaa()?;
    // A device with a group of its own may let others in while it is asked.
    if let Some(question) = muaa.join_question().filter(|_| !words::has_group(muaa.phase())) {
        report.hush();
        return newcomer::answer(vigil, &question, report).await;
    }
    match muaa.phase() {
        Phase::Unpaired | Phase::Requesting => newcomer::asked(vigil, pair, report).await,
        Phase::Alone | Phase::Paired => {
            let form = if pair.link { Form::Link } else { Form::Code };
            let to = pair.to.as_deref().map(|to| vigil.device.names()?.find(to)).transpose()?;
            member::pair(vigil, form, to, pair.no_wait, report).await
        }
        phase @ (Phase::Discovering | Phase::Suspended | Phase::Removed | Phase::Left) => {
            Err(crate::failure::in_phase(phase))
        }
    }
}

/// The code or link that was given; for `-` a line of the standard input, which no list of processes shows.
fn typed(words: Vec<String>) -> Result<Option<Zeroizing<String>>, Failure> {
    let given = Zeroizing::new(words.join(" "));
    if words.is_empty() {
        return Ok(None);
    }
    if *given != "-" {
        return Ok(Some(Zeroizing::new(link::from_typed(&given))));
    }
    let failed = |error| Failure::Failed(format!("no code or link on the standard input: {error}"));
    if io::stdin().is_terminal() {
        let line = Zeroizing::new(rpassword::prompt_password("Code or link: ").map_err(failed)?);
        return Ok(Some(Zeroizing::new(link::from_typed(&line))));
    }
    let mut line = Zeroizing::new(String::with_capacity(LINE_MAX as usize));
    io::stdin().lock().take(LINE_MAX).read_line(&mut line).map_err(failed)?;
    Ok(Some(Zeroizing::new(link::from_typed(&line))))
}
