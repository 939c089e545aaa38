#![doc = include_str!("../README.md")]

mod account;
mod actions;
mod args;
mod asked;
mod backend;
mod failure;
mod identity;
mod keys;
mod mail;
mod output;
mod qr;
mod report;
mod shown;
mod status;
mod words;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use args::{Action, Arguments, Keys, Mail};
use clap::Parser;
use etcetera::BaseStrategy;
use failure::Failure;
use output::Output;
use report::Report;
use serde_json::json;
use sma_autocrypt::DraftState;
use tracing_subscriber::EnvFilter;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log();
    let output = Output { json: arguments.json };
    let mut report = Report::default();
    let result = run(arguments, output, &mut report).await;
    if let Err(failure) = &result {
        report.set("error", json!({ "sentence": failure.sentence(), "exit": failure.code() }));
    }
    let (value, lines) = report.into_parts();
    output.answer(&value, &lines);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::failure(&failure);
            ExitCode::from(failure.code())
        }
    }
}

async fn run(arguments: Arguments, output: Output, report: &mut Report) -> Result<(), Failure> {
    let directory = directory(arguments.state)?;
    let password_command = arguments.password_command;
    match arguments.action {
        Action::Setup(setup) => actions::setup(&directory, &setup, password_command, report).await,
        Action::Sync { limit } => {
            let limit = Duration::from_secs(limit);
            actions::sync(&directory, password_command.as_deref(), limit, report).await
        }
        Action::Watch { poll } => {
            let poll = Duration::from_secs(poll);
            actions::watch(&directory, password_command.as_deref(), poll, output).await
        }
        Action::Status => status::status(&directory, report),
        Action::Pair(pair) => actions::pair(&directory, password_command.as_deref(), pair, report).await,
        Action::Device(device) => {
            actions::device(&directory, password_command.as_deref(), device, report).await
        }
        Action::Keys(Keys::Export { public: _ }) => keys::export_public(&directory, report),
        Action::Keys(Keys::Import { file, yes }) => {
            keys::import(&directory, password_command.as_deref(), &file, yes, report).await
        }
        Action::Keys(Keys::Destroy { fingerprint }) => {
            keys::destroy(&directory, password_command.as_deref(), fingerprint, report).await
        }
        Action::Keys(Keys::Restore { fingerprint }) => {
            keys::restore(&directory, password_command.as_deref(), fingerprint, report).await
        }
        Action::Keys(Keys::SetupMessage { out }) => keys::write_setup_message(&directory, &out, report),
        Action::Keys(Keys::ImportSetupMessage { file, yes }) => {
            keys::import_setup_message(&directory, password_command.as_deref(), &file, yes, report).await
        }
        Action::Mail(Mail::Observe(observe)) => {
            mail::observe(&directory, password_command.as_deref(), observe, report).await
        }
        Action::Mail(Mail::Sent { addresses }) => {
            mail::sent(&directory, password_command.as_deref(), &addresses, report).await
        }
        Action::Mail(Mail::PreferEncrypt { preference }) => {
            mail::prefer_encrypt(&directory, password_command.as_deref(), preference, report).await
        }
        Action::Mail(Mail::Header { from }) => mail::header(&directory, from.as_deref(), report),
        Action::Mail(Mail::Gossip { addresses }) => mail::gossip(&directory, &addresses, report),
        Action::Mail(Mail::Recommend(recommend)) => mail::recommend(&directory, recommend, report),
        Action::Mail(Mail::DraftState { encrypt, by_choice, reply_to_encrypted }) => {
            mail::write_draft_state(DraftState { encrypt, by_choice, reply_to_encrypted }, report);
            Ok(())
        }
        Action::Mail(Mail::Alias { address, remove }) => {
            identity::alias(&directory, &address, remove, report)
        }
        Action::Mail(Mail::Enable) => identity::enable(&directory, true, report),
        Action::Mail(Mail::Disable) => identity::enable(&directory, false, report),
    }
}

fn directory(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(given) = given {
        return Ok(given);
    }
    let strategy = etcetera::choose_base_strategy();
    let strategy =
        strategy.map_err(|_| Failure::Failed("there is no home directory: give --state DIR".to_owned()))?;
    let base = strategy.state_dir().unwrap_or_else(|| strategy.data_dir());
    Ok(Path::new(&base).join("sma"))
}

/// Logs to the standard error if `SMA_LOG` asks for it.
///
/// Only this project's and other crates' `tracing` events are logged. Records of the crate `log` are not: the IMAP library
/// writes the login with its password there.
fn log() {
    let Ok(filter) = EnvFilter::try_from_env("SMA_LOG") else { return };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
