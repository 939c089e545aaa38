//! What a package ships beside the program: completions for shells, and pages of the manual.

use std::{fs, io::Write, path::Path};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{args::Arguments, failure::Failure, report::Report};

/// Prints the completions of a shell.
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "sma", &mut script);
    std::io::stdout()
        .write_all(&script)
        .map_err(|error| Failure::Failed(format!("the completions were not written: {error}")))
}

/// Writes a page of section 1 for the program and for each command.
pub(crate) fn manual(directory: &Path, report: &mut Report) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::Failed(format!("cannot write pages into {}: {error}", directory.display()))
    };
    fs::create_dir_all(directory).map_err(failed)?;
    clap_mangen::generate_to(Arguments::command(), directory).map_err(failed)?;
    report.set("directory", directory.display().to_string());
    report.say(format!(
        "The pages are in {}; man {}/sma.1 shows the first one.",
        directory.display(),
        directory.display()
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_and_every_shell_completions() {
        let directory = tempfile::tempdir().unwrap();
        manual(directory.path(), &mut Report::default()).unwrap();
        for page in ["sma.1", "sma-pair.1", "sma-devices-remove.1", "sma-keys-import.1"] {
            let text = fs::read_to_string(directory.path().join(page)).unwrap();
            assert!(text.contains(".SH NAME") && text.contains("sma"), "{page}");
        }
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "sma", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("devices") && script.contains("doctor"), "{shell}");
        }
    }
}
