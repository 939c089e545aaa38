//! `sma-sim`: worlds of many MUAAs from the command line.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]
#![allow(
    clippy::disallowed_methods,
    reason = "the real time that a run took is measured here, outside of the worlds"
)]

mod serve;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use sma_sim::{
    choices::Tape,
    faults::FaultSet,
    malice::MaliceSet,
    report::{RunReport, SweepReport},
    run::{self, Sweep},
    shrink::shrink,
    world::{Outcome, Setup},
};

/// Worlds make and drop many small values; this allocator is the faster one for them (docs/decisions/0012).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Many mail programs of one account on one simulated mail server. Without a command: a default sweep.
///
/// Exit codes: 0 every invariant held, 1 one was broken, 2 the command line was wrong.
#[derive(Parser)]
#[command(name = "sma-sim", version)]
struct Cli {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// Runs one world and tells what happened.
    Run(RunArgs),
    /// Runs a world for each seed, on all cores.
    Sweep(SweepArgs),
    /// Serves an account in memory by IMAP, for any client, until it is interrupted.
    Serve(serve::ServeArgs),
}

#[derive(Args)]
struct RunArgs {
    /// Decides everything that happens.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Takes the choices from this file, as a failed run saves it, instead of a seed.
    #[arg(long, conflicts_with = "seed")]
    tape: Option<PathBuf>,
    /// How many devices there are.
    #[arg(long, default_value_t = 3, value_parser = devices)]
    muaas: usize,
    #[command(flatten)]
    common: Common,
    /// Prints the run's operations and events, instead of saving those of a failing run made calmer.
    #[arg(long)]
    trace: bool,
}

#[derive(Args)]
struct SweepArgs {
    /// The seeds, without the last: `0..1000`.
    #[arg(long, default_value = "0..1000", value_parser = seeds)]
    seeds: (u64, u64),
    /// How many devices there are: `3`, or `2..6` for two to six.
    #[arg(long, default_value = "2..6", value_parser = device_range)]
    muaas: (usize, usize),
    #[command(flatten)]
    common: Common,
    /// How many threads; all cores by default.
    #[arg(long)]
    jobs: Option<usize>,
    /// Stops at the first world in the order of the seeds in which something breaks, and tells how many there were up to that one.
    #[arg(long)]
    until_broken: bool,
}

#[derive(Args)]
struct Common {
    /// For how many days devices start and things go wrong.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=36_500))]
    days: u64,
    /// What goes wrong. If neither this nor --malice is given, a sweep has all of both, and one run has none; else the one that is not given
    /// is none.
    #[arg(long, value_enum)]
    faults: Option<FaultArg>,
    /// What somebody does on purpose.
    #[arg(long, value_enum)]
    malice: Option<MaliceArg>,
    /// Prints one JSON object instead of sentences.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum MaliceArg {
    None,
    Server,
    Stranger,
    Thief,
    All,
}

#[derive(Clone, Copy, ValueEnum)]
enum FaultArg {
    None,
    All,
}

fn main() -> ExitCode {
    match Cli::parse().action {
        Some(Action::Run(args)) => one(&args),
        Some(Action::Sweep(args)) => many(&args),
        Some(Action::Serve(args)) => match serve::serve(&args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("sma-sim: cannot serve there: {error}; choose another address with --listen");
                ExitCode::from(2)
            }
        },
        None => many(&SweepArgs {
            seeds: (0, DEFAULT_SEEDS),
            muaas: (2, 6),
            common: Common { days: 30, faults: None, malice: None, json: false },
            jobs: None,
            until_broken: false,
        }),
    }
}

/// Worlds in a sweep of half a minute on two cores.
const DEFAULT_SEEDS: u64 = 1500;

/// A sweep of which nothing is said has everything, a run nothing.
fn setup(muaas: usize, common: &Common, is_sweep: bool) -> Setup {
    let nothing_said = common.faults.is_none() && common.malice.is_none();
    let (faults, malice) = if nothing_said && is_sweep {
        (FaultArg::All, MaliceArg::All)
    } else {
        (common.faults.unwrap_or(FaultArg::None), common.malice.unwrap_or(MaliceArg::None))
    };
    let faults = match faults {
        FaultArg::None => FaultSet::None,
        FaultArg::All => FaultSet::All,
    };
    let malice = match malice {
        MaliceArg::None => MaliceSet::None,
        MaliceArg::Server => MaliceSet::Server,
        MaliceArg::Stranger => MaliceSet::Stranger,
        MaliceArg::Thief => MaliceSet::Thief,
        MaliceArg::All => MaliceSet::All,
    };
    Setup { muaas, days: common.days, faults, malice }
}

fn one(args: &RunArgs) -> ExitCode {
    let setup = setup(args.muaas, &args.common, false);
    let begun = Instant::now();
    let (seed, outcome) = match &args.tape {
        None => (Some(args.seed), run::run_seed(args.seed, setup, args.trace)),
        Some(file) => match fs::read(file) {
            Ok(tape) => (None, run::run(&mut Tape::new(&tape), setup, args.trace)),
            Err(error) => {
                eprintln!("sma-sim: the tape {} cannot be read: {error}", file.display());
                return ExitCode::from(2);
            }
        },
    };
    let took = begun.elapsed();
    let saved =
        seed.filter(|_| outcome.violation.is_some() && !args.trace).and_then(|seed| save(seed, setup));
    if args.trace && !args.common.json {
        outcome.trace.iter().for_each(|line| println!("{line}"));
    }
    let report = RunReport::new(seed, setup, &outcome, saved.as_deref(), took);
    print(args.common.json, &report, report.sentences());
    exit_code(outcome.violation.is_none())
}

/// Saves the shrunk run of a failing seed: its transcript, and its tape beside it. Gives the transcript's name.
fn save(seed: u64, setup: Setup) -> Option<String> {
    let (tape, outcome) = shrink(seed, setup)?;
    let transcript = format!("sma-sim-seed-{seed}.failed.txt");
    let tape_file = format!("sma-sim-seed-{seed}.tape");
    let head = format!(
        "# sma-sim {}, seed {seed}, {} devices, {} days, faults {:?}; replay it with\n# sma-sim run --tape {tape_file} \
         --muaas {} --days {} --faults {} --malice {} --trace",
        env!("CARGO_PKG_VERSION"),
        setup.muaas,
        setup.days,
        setup.faults,
        setup.muaas,
        setup.days,
        if setup.faults == FaultSet::All { "all" } else { "none" },
        setup.malice.name(),
    );
    let text = format!("{head}\n{}\n", outcome.trace.join("\n"));
    let written = write(&transcript, text.as_bytes()).and_then(|()| write(&tape_file, &tape));
    written.map(|()| transcript)
}

fn write(file: &str, octets: &[u8]) -> Option<()> {
    match fs::write(Path::new(file), octets) {
        Ok(()) => Some(()),
        Err(error) => {
            eprintln!("sma-sim: {file} cannot be written: {error}");
            None
        }
    }
}

fn many(args: &SweepArgs) -> ExitCode {
    if let Some(jobs) = args.jobs
        && let Err(error) = rayon::ThreadPoolBuilder::new().num_threads(jobs).build_global()
    {
        eprintln!("sma-sim: {jobs} threads cannot be started: {error}");
        return ExitCode::from(2);
    }
    let sweep =
        Sweep { seeds: args.seeds, muaas: args.muaas, setup: setup(args.muaas.0, &args.common, true) };
    let bar = ProgressBar::new(args.seeds.1 - args.seeds.0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} worlds, {eta} left{msg}") {
        bar.set_style(style);
    }
    // A panic is reported as a broken invariant, not on the terminal.
    std::panic::set_hook(Box::new(|_| {}));
    let begun = Instant::now();
    let each = |outcome: &Outcome| {
        if outcome.violation.is_some() {
            bar.set_message(", something broke");
        }
        bar.inc(1);
    };
    let outcomes = if args.until_broken { sweep.run_until_broken(each) } else { sweep.run(each) };
    bar.finish_and_clear();
    let report = SweepReport::new(&sweep, args.common.days, &outcomes, begun.elapsed());
    print(args.common.json, &report, report.sentences());
    exit_code(report.held())
}

fn print(json: bool, report: &impl serde::Serialize, sentences: Vec<String>) {
    match serde_json::to_string_pretty(report) {
        Ok(object) if json => println!("{object}"),
        Ok(_) | Err(_) => sentences.iter().for_each(|line| println!("{line}")),
    }
}

fn exit_code(held: bool) -> ExitCode {
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn devices(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=64).contains(&number) => Ok(number),
        Ok(_) | Err(_) => Err("a number of devices from 1 to 64".to_owned()),
    }
}

fn seeds(text: &str) -> Result<(u64, u64), String> {
    let wrong = || "seeds are given as A..B with A below B, at most a billion of them".to_owned();
    let (first, end) = text.split_once("..").ok_or_else(wrong)?;
    let (first, end): (u64, u64) = (first.parse().map_err(|_| wrong())?, end.parse().map_err(|_| wrong())?);
    if first < end && end - first <= 1_000_000_000 { Ok((first, end)) } else { Err(wrong()) }
}

fn device_range(text: &str) -> Result<(usize, usize), String> {
    let (fewest, most) = text.split_once("..").unwrap_or((text, text));
    let (fewest, most) = (devices(fewest)?, devices(most)?);
    if fewest <= most { Ok((fewest, most)) } else { Err("the first number is the smaller one".to_owned()) }
}
