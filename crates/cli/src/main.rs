#![doc = include_str!("../README.md")]

mod account;
mod actions;
mod args;
mod asked;
mod backend;
mod control;
mod demo;
mod devices;
mod doctor;
mod failure;
mod history;
mod identity;
mod keys;
mod link;
mod mail;
mod names;
mod naming;
mod output;
mod pairing;
mod peers;
mod pending;
mod qr;
mod question;
mod refusal;
mod report;
mod service;
mod setup;
mod shown;
mod status;
mod texts;
mod words;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use args::{Action, Arguments, Mail};
use clap::Parser;
use etcetera::BaseStrategy;
use failure::Failure;
use output::Output;
use report::Report;
use serde_json::json;
use sma_autocrypt::DraftState;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return misused(&error),
    };
    log();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else {
        output::failure(&Failure::Failed("the system gives this process no events to wait for".to_owned()));
        return ExitCode::FAILURE;
    };
    let code = runtime.block_on(answer(arguments));
    // A question that nobody answered does not hold up the end.
    runtime.shutdown_background();
    code
}

/// The command line makes no sense, or asks for help.
fn misused(error: &clap::Error) -> ExitCode {
    let is_json = std::env::args_os().any(|word| word == "--json");
    if error.use_stderr() && is_json {
        let text = error.render().to_string();
        let sentence = text.trim().trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
        let sentence = sentence.split_whitespace().collect::<Vec<_>>().join(" ");
        let failure = Failure::Usage(sentence);
        Output { json: true }.answer(&json!({ "error": failure.value() }), &[]);
    }
    // Nobody listening is no failure.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

async fn answer(arguments: Arguments) -> ExitCode {
    let output = Output { json: arguments.json };
    let mut report = Report::default();
    let result = run(arguments, output, &mut report).await;
    if let Err(failure) = &result {
        report.set("error", failure.value());
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
        Action::Setup(setup) => setup::setup(&directory, &setup, password_command, report).await,
        Action::Sync { limit } => {
            let limit = Duration::from_secs(limit);
            actions::sync(&directory, password_command.as_deref(), limit, report).await
        }
        Action::Watch { poll } => {
            let poll = Duration::from_secs(poll);
            actions::watch(&directory, password_command.as_deref(), poll, output).await
        }
        Action::Doctor(of) => doctor::doctor(&directory, password_command.as_deref(), &of, report).await,
        Action::Service(service) => {
            service::service(&directory, password_command.as_deref(), &service, report)
        }
        Action::Demo => demo::demo(output, report).await,
        Action::Completions { shell } => texts::completions(shell),
        Action::Manual { directory } => texts::manual(&directory, report),
        Action::Status => status::status(&directory, report),
        Action::Pair(pair) => {
            pairing::pair(&directory, password_command.as_deref(), pair, output, report).await
        }
        Action::Devices(devices) => {
            devices::devices(&directory, password_command.as_deref(), devices, report).await
        }
        Action::Keys(keys) => keys::keys(&directory, password_command.as_deref(), keys, report).await,
        Action::Peers(peers) => peers::peers(&directory, password_command.as_deref(), peers, report).await,
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
