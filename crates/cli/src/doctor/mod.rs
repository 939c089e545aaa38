//! `sma doctor`: names what is wrong, and the remedy.
//!
//! `facts` gathers what can be seen, files first and then the server; `judge` says what it means and touches nothing.

mod facts;
mod judge;

use std::path::Path;

use serde_json::json;

use crate::{account::Settings, args::Doctor, failure::Failure, report::Report};
use judge::Finding;

/// A remedy stands below what it is for.
const INDENT: usize = "wrong: ".len();

/// Looks at everything, and says what is wrong.
pub(crate) async fn doctor(
    directory: &Path,
    password_command: Option<&str>,
    of: &Doctor,
    report: &mut Report,
) -> Result<(), Failure> {
    let facts = facts::gather(directory, password_command, of).await;
    if let Some(usage @ Failure::Usage(_)) = facts.settings {
        return Err(usage);
    }
    let findings = judge::judge(&facts);
    let value = |finding: &Finding| {
        json!({
            "cause": finding.cause,
            "is_fault": finding.is_fault,
            "what": finding.what,
            "remedy": finding.remedy,
        })
    };
    report.set("findings", findings.iter().map(value).collect::<Vec<_>>());
    let faults = findings.iter().filter(|finding| finding.is_fault).count();
    report.set("healthy", faults == 0);
    for Finding { is_fault, what, remedy, .. } in &findings {
        let word = if *is_fault { "wrong: " } else { "note:  " };
        report.say(format!("{word}{what}."));
        report.say(format!("{}{remedy}.", " ".repeat(INDENT)));
    }
    if faults == 0 {
        report.say("Nothing is wrong: the files, the server, the login, the folders and the clock are as they should be.");
        return Ok(());
    }
    let why =
        if faults == 1 { "one thing is wrong".to_owned() } else { format!("{faults} things are wrong") };
    Err(Failure::known("unhealthy", 1, why))
}

/// Why a server that refused something did: it is tried out.
pub(crate) async fn why_refused(settings: &Settings) -> Option<Failure> {
    let probe = facts::try_out(settings, None).await.ok()?;
    let facts = facts::Facts { server_did: Some(Ok(probe)), ..facts::Facts::default() };
    let Finding { cause, what, remedy, .. } =
        judge::judge(&facts).into_iter().find(|finding| finding.is_fault)?;
    Some(Failure::Known { word: cause.into(), exit: 1, sentence: format!("{what}; {remedy}") })
}
