//! Questions at the terminal. They do not hold up what else this process does.

use std::io::{self, IsTerminal, Write};

use zeroize::Zeroizing;

use crate::{failure::Failure, shown::Line};

/// Asks yes or no; `yes` says that it was answered on the command line.
///
/// # Errors
/// The answer is no, or nobody is there to be asked.
pub(crate) async fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        let why = format!("{question} Nobody is there to be asked: add --yes to say so");
        return Err(Failure::known("needs-yes", 3, why));
    }
    let answer = ask(&format!("{question} [y/N] ")).await?;
    if matches!(answer.trim(), "y" | "Y" | "yes" | "Yes") {
        return Ok(());
    }
    Err(Failure::known("declined", 1, "nothing was done".to_owned()))
}

/// A line that a person types.
pub(crate) async fn ask(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    let prompt = Line::text(prompt);
    let read = tokio::task::spawn_blocking(move || {
        let _ = write!(io::stderr(), "{}", prompt.as_str());
        let _ = io::stderr().flush();
        let mut line = Zeroizing::new(String::with_capacity(4096));
        io::stdin().read_line(&mut line).map(|_| line)
    });
    let failed = |why: &dyn std::fmt::Display| Failure::Failed(format!("nothing was typed: {why}"));
    tokio::select! {
        read = read => read.map_err(|error| failed(&error))?.map_err(|error| failed(&error)),
        Ok(()) = tokio::signal::ctrl_c() => Err(Failure::known("interrupted", 130, "nothing was done".to_owned())),
    }
}
