//! `sma watch` as a service of the person who is logged in: a systemd user unit, or a launchd agent on macOS.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use etcetera::BaseStrategy;

use crate::{account::Settings, args::Service, failure::Failure, report::Report};

const UNIT: &str = "sma.service";
const LABEL: &str = "sma.watch";

/// Installs the service, or takes it away.
pub(crate) fn service(
    directory: &Path,
    password_command: Option<&str>,
    service: &Service,
    report: &mut Report,
) -> Result<(), Failure> {
    let place = place()?;
    report.set("file", place.display().to_string());
    match service {
        Service::Install { print } => install(directory, password_command, *print, &place, report),
        Service::Uninstall => uninstall(&place, report),
    }
}

fn is_macos() -> bool {
    cfg!(target_os = "macos")
}

fn place() -> Result<PathBuf, Failure> {
    let none = |_| Failure::Failed("there is no home directory to install a service in".to_owned());
    if is_macos() {
        let home = etcetera::home_dir().map_err(none)?;
        return Ok(home.join("Library/LaunchAgents").join(format!("{LABEL}.plist")));
    }
    let strategy = etcetera::choose_base_strategy().map_err(none)?;
    Ok(strategy.config_dir().join("systemd/user").join(UNIT))
}

fn install(
    directory: &Path,
    password_command: Option<&str>,
    print: bool,
    place: &Path,
    report: &mut Report,
) -> Result<(), Failure> {
    let settings = Settings::load(directory)?;
    if settings.password_command.is_none() {
        let given = password_command.is_some();
        let why = if given {
            "keep the command with sma setup first"
        } else {
            "a service cannot ask for the password"
        };
        let why = format!("{why}: sma --password-command CMD setup … keeps a command that prints it");
        return Err(Failure::NeedsPerson(why));
    }
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        Failure::known("file", 1, format!("cannot {what}: {error}"))
    };
    let program = std::env::current_exe().map_err(|error| failed("find this program", &error))?;
    let state = std::path::absolute(directory).map_err(|error| failed("find the state directory", &error))?;
    let [program, state] = [program, state].map(|path| path.display().to_string());
    if [&program, &state, &settings.address].iter().any(|text| text.contains(char::is_control)) {
        let why = "the path of the program or of the state has a character that no service file can hold";
        return Err(Failure::Failed(why.to_owned()));
    }
    let text = if is_macos() { agent(&program, &state) } else { unit(&program, &state, &settings.address) };
    if print {
        report.set("text", text.as_str());
        report.write(&text);
        return Ok(());
    }
    let parent = place.parent().unwrap_or(place);
    fs::create_dir_all(parent).map_err(|error| failed(&format!("make {}", parent.display()), &error))?;
    fs::write(place, text).map_err(|error| failed(&format!("write {}", place.display()), &error))?;
    let starts = start(place);
    report.set("started", starts.is_ok());
    report.say(format!("{} is written.", place.display()));
    report.say(match starts {
        Ok(()) => "sma watch runs now, and each time you log in.".to_owned(),
        Err(command) => format!("It could not be started from here. To start it: {command}"),
    });
    Ok(())
}

fn uninstall(place: &Path, report: &mut Report) -> Result<(), Failure> {
    // One that does not run is stopped already.
    let _ = stop(place);
    match fs::remove_file(place) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Failure::Failed(format!(
                "no service is installed: {} is not there",
                place.display()
            )));
        }
        Err(error) => {
            return Err(Failure::known("file", 1, format!("cannot remove {}: {error}", place.display())));
        }
    }
    report.say("sma watch is no service any more.");
    Ok(())
}

/// What a person types if it does not work.
fn start(place: &Path) -> Result<(), String> {
    if is_macos() {
        return run(&[&["launchctl", "load", "-w", &place.display().to_string()]]);
    }
    run(&[&["systemctl", "--user", "daemon-reload"], &["systemctl", "--user", "enable", "--now", UNIT]])
}

fn stop(place: &Path) -> Result<(), String> {
    if is_macos() {
        return run(&[&["launchctl", "unload", "-w", &place.display().to_string()]]);
    }
    run(&[&["systemctl", "--user", "disable", "--now", UNIT]])
}

fn run(commands: &[&[&str]]) -> Result<(), String> {
    let done = commands.iter().all(|words| {
        let (program, arguments) = words.split_first().unwrap_or((&"", &[]));
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    });
    let typed = commands.iter().map(|words| words.join(" ")).collect::<Vec<_>>().join(" && ");
    if done { Ok(()) } else { Err(typed) }
}

/// A person is needed if it ends with 3, and only then it is not started again.
fn unit(program: &str, state: &str, address: &str) -> String {
    let (program, state) = (quoted(program), quoted(state));
    let address = address.replace('%', "%%");
    format!(
        "[Unit]
Description=Keeps the mail programs of {address} in step
After=network-online.target

[Service]
Type=notify
ExecStart={program} --state {state} watch
Restart=on-failure
RestartSec=60
RestartPreventExitStatus=2 3
NoNewPrivileges=yes

[Install]
WantedBy=default.target
"
    )
}

/// systemd reads quotes, `%` and `$`.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    format!("\"{text}\"")
}

fn agent(program: &str, state: &str) -> String {
    let [program, state] =
        [program, state].map(|text| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">
<plist version=\"1.0\">
<dict>
  <key>Label</key>
  <string>{LABEL}</string>
  <key>ProgramArguments</key>
  <array>
    <string>{program}</string>
    <string>--state</string>
    <string>{state}</string>
    <string>watch</string>
  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>Crashed</key>
    <true/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>60</integer>
</dict>
</plist>
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_path_means_nothing_to_the_service_manager() {
        let unit = unit("/opt/a b/sma", "/home/anna/100%\"$HOME\\x", "anna%i@example.org");
        assert!(
            unit.contains("ExecStart=\"/opt/a b/sma\" --state \"/home/anna/100%%\\\"$$HOME\\\\x\" watch\n"),
            "{unit}"
        );
        assert!(unit.contains("of anna%%i@example.org in step"), "{unit}");
        let agent = agent("/opt/a&b/sma", "/Users/anna/<x>");
        assert!(
            agent.contains("<string>/opt/a&amp;b/sma</string>") && agent.contains("/&lt;x&gt;</string>"),
            "{agent}"
        );
    }
}
