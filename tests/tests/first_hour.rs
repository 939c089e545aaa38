//! The first hour: what README says under "Using it on an account", done to the letter in two empty homes, on a real server.
//!
//! Three things are put in place of what a reader has: the program is on the path already, the mail server is the test's own, and the
//! code is the one that appears.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use sma_tests::{
    program::sma,
    server::{self, Dovecot, PASSWORD},
};

const README: &str = include_str!("../../README.md");
const SERVER: &str = "imaps://anna@mail.example.org";
const CODE: &str = "123-456-789";

/// The part of README that a new user follows.
fn part() -> &'static str {
    let (_, rest) = README.split_once("## Using it on an account").expect("README has the part");
    rest.split_once("\n## ").map_or(rest, |(part, _)| part)
}

/// The commands that stand in a block, without what is said about them.
fn blocks() -> Vec<Vec<&'static str>> {
    let blocks = part().split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    blocks
        .map(|block| block.lines().map(|line| line.split(" #").next().unwrap_or_default().trim()).collect())
        .collect()
}

/// The commands that stand in sentences.
fn mentioned() -> Vec<String> {
    let quoted = part()
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    quoted.filter(|text| text.starts_with("sma ")).collect()
}

/// A computer with an empty home.
struct Computer {
    home: PathBuf,
    server: String,
}

impl Computer {
    fn new(name: &str, server: &Dovecot) -> Self {
        let home = std::env::temp_dir().join(format!("sma-home-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(&home).expect("a home");
        Self { home, server: server.url("anna") }
    }

    fn start(&self, typed: &str) -> Child {
        let path = format!("{}:/usr/bin:/bin", sma().parent().expect("a directory").display());
        let mut command = Command::new("bash");
        command.args(["-c", &typed.replace(SERVER, &self.server)]).current_dir(&self.home).env_clear();
        command.env("HOME", &self.home).env("PATH", path).env("SMA_PASSWORD", PASSWORD);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("bash runs")
    }

    /// What a command that works prints.
    fn types(&self, typed: &str) -> String {
        let output = self.start(typed).wait_with_output().expect("it ends");
        let [printed, errors] =
            [output.stdout, output.stderr].map(|octets| String::from_utf8_lossy(&octets).into_owned());
        assert!(output.status.success(), "{typed}: {printed}{errors}");
        printed
    }
}

impl Drop for Computer {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.home);
    }
}

#[test]
fn who_does_what_readme_says_has_two_paired_computers() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let [first, second] = ["first", "second"].map(|name| Computer::new(name, &server));
    let blocks = blocks();
    let [on_each, on_first, on_second] = &blocks[..] else { panic!("README has other blocks: {blocks:?}") };
    let [install, setup] = on_each[..] else { panic!("README has other commands: {on_each:?}") };
    assert_eq!(install, "cargo install --path crates/cli");
    assert!(part().contains("`--name phone`") && setup.contains("--name laptop"));
    first.types(setup);
    second.types(&setup.replace("laptop", "phone"));
    // It is where README says, whatever stands there about it.
    assert!(
        part().contains("~/.local/state/sma") && first.home.join(".local/state/sma/account.json").exists()
    );

    let ([pair], [join]) = (&on_first[..], &on_second[..]) else { panic!("README has other commands") };
    let mut showing = first.start(pair);
    let mut lines = BufReader::new(showing.stdout.take().expect("a pipe"));
    let mut code = None;
    while code.is_none() {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).is_ok_and(|octets| octets > 0), "no code appears");
        code = line.trim().strip_prefix("sma pair ").map(str::to_owned);
    }
    let code = code.expect("a code");
    assert_eq!(code.len(), CODE.len(), "README shows a code of another form");
    let joined = second.types(&join.replace(CODE, &code));
    assert!(joined.contains("\"phone\", is paired with \"laptop\""), "{joined}");
    let mut rest = String::new();
    lines.read_to_string(&mut rest).expect("text");
    assert!(rest.contains("\"phone\" (") && rest.contains("is paired with this device"), "{rest}");
    assert!(showing.wait().expect("it ends").success());

    let key = |computer: &Computer| computer.types("sma keys export --public");
    assert_eq!(key(&first), key(&second));
    for command in ["sma status", "sma devices", "sma doctor", "sma sync", "sma mail header"] {
        first.types(command);
    }
    first.types("sma devices remove phone --yes");
}

#[test]
fn every_command_that_readme_names_is_there() {
    let mentioned = mentioned();
    assert!(mentioned.len() > 15, "{mentioned:?}");
    for command in mentioned {
        // Words in capitals stand for what a reader has; the help tells of every command and option.
        let words: Vec<_> = command.split(' ').skip(1).collect();
        let is_command = |word: &&&str| {
            word.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'-') && word.len() > 1
        };
        let path: Vec<_> = words
            .iter()
            .take_while(is_command)
            .filter(|word| !word.starts_with("--"))
            .take(2)
            .copied()
            .collect();
        let help = (1..=path.len()).rev().find_map(|depth| {
            let output = Command::new(sma()).args(&path[..depth]).arg("--help").output().expect("sma runs");
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
        });
        let help = help.unwrap_or_else(|| panic!("{command}: there is no such command"));
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "{command}: there is no {option}");
        }
    }
}
