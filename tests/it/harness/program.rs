//! The program in a process of its own. Whatever happens to the test, nothing of it is left running.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::client::Client;
use super::wait::{happens, until};

/// From the command to HTTP, and from there to ready; with another test and a build beside it.
const START_TIME_MAX: Duration = Duration::from_secs(120);
pub(super) const STOP_TIME_MAX: Duration = Duration::from_secs(60);
/// No command takes longer.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(120);
/// Ends the program if this process ends without a chance to: then the shell's input closes.
const LIFELINE: &str = r#"read -r _; kill -TERM "$0" 2>/dev/null"#;

/// A process of the program: `daybook up`, or one role. It may be stopped or killed, and started again.
pub(crate) struct Program {
    /// A command that runs the program, such as one that gives it another view of the disk.
    within: Vec<String>,
    arguments: Vec<String>,
    log: PathBuf,
    running: Option<Running>,
}

struct Running {
    child: Child,
    lifeline: Child,
    address: SocketAddr,
}

/// The binary of the same build as this test.
fn binary() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let binary = own.parent().and_then(Path::parent).unwrap().join("daybook");
    assert!(binary.exists(), "{} is missing: cargo build --package daybook", binary.display());
    binary
}

/// The program, with nothing from the environment but where Postgres is.
fn command(runner: &[String]) -> Command {
    let mut command = match runner {
        [] => Command::new(binary()),
        [runner, arguments @ ..] => {
            let mut command = Command::new(runner);
            command.args(arguments).arg(binary());
            command
        }
    };
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DAYBOOK_") && name != "DAYBOOK_POSTGRES_BIN" {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

impl Program {
    /// Not started yet. What it prints goes to `log`, after what is there.
    pub(crate) fn new(arguments: &[&str], log: PathBuf) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { within: Vec::new(), arguments, log, running: None }
    }

    /// The same, run by this command. It must become the program, not have it as a child.
    pub(crate) fn within(mut self, command: Vec<String>) -> Self {
        self.within = command;
        self
    }

    /// The command that runs it; empty when it runs by itself.
    pub(super) fn runner(&self) -> &[String] {
        &self.within
    }

    /// Starts it and waits until it is ready.
    pub(crate) async fn start(&mut self) {
        self.launch().await;
        self.ready().await;
    }

    /// Starts it and returns as soon as HTTP listens.
    pub(crate) async fn launch(&mut self) {
        assert!(self.running.is_none(), "it runs");
        let log = fs::File::options().create(true).append(true).open(&self.log).unwrap();
        let said_before = log.metadata().unwrap().len();
        let child = command(&self.within)
            .args(&self.arguments)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let lifeline = Command::new("/bin/sh")
            .args(["-c", LIFELINE, &child.id().to_string()])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        // From here on it is ended with us.
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let running = self.running.insert(Running { child, lifeline, address: any });
        running.address = until("daybook listens", START_TIME_MAX, async || {
            let said = fs::read(&self.log).unwrap().split_off(usize::try_from(said_before).unwrap());
            let ended = running.child.try_wait().unwrap();
            assert!(ended.is_none(), "daybook ended: {ended:?}: {}", String::from_utf8_lossy(&said));
            listening(&String::from_utf8_lossy(&said))
        })
        .await;
    }

    /// Starts it where it must not run. What it says when it gives up.
    pub(crate) async fn refuses_to_start(&self) -> String {
        assert!(self.running.is_none(), "it runs");
        let arguments: Vec<_> = self.arguments.iter().map(String::as_str).collect();
        let output = run_within(&self.within, &arguments).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
    }

    /// Waits until it is ready.
    pub(crate) async fn ready(&mut self) {
        let client = self.anybody();
        let running = self.running.as_mut().unwrap();
        until("daybook is ready", START_TIME_MAX, async || {
            let ended = running.child.try_wait().unwrap();
            assert!(ended.is_none(), "daybook ended: {ended:?}");
            let answer = client.request(reqwest::Method::GET, "/health/ready").send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// Adds a flag and its value from the next start on.
    pub(crate) fn with(&mut self, flag: &str, value: &str) {
        self.arguments.extend([flag, value].map(str::to_owned));
    }

    /// Leaves out a flag and its value from the next start on.
    pub(crate) fn without(&mut self, flag: &str) {
        let place = self.arguments.iter().position(|argument| argument == flag).expect("it is there");
        self.arguments.drain(place..place + 2);
    }

    /// Everything it has printed so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.running.as_ref().expect("it runs").address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.as_ref().expect("it runs").child.id()
    }

    /// A caller without a token.
    pub(crate) fn anybody(&self) -> Client {
        Client::new(self.url(), None)
    }

    /// An operator, of the issuer in its data directory.
    pub(crate) async fn operator(&self, data_dir: &Path) -> Client {
        Client::new(self.url(), Some(token(self.runner(), data_dir, &["--role", "operator"]).await))
    }

    /// Asks it to stop as an init system would, and goes on at once.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ctrl-C; goes on at once.
    pub(crate) fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Waits until it has stopped, which must be in good order.
    pub(crate) async fn stopped(&mut self) {
        let child = &mut self.running.as_mut().expect("it runs").child;
        let status = until("daybook stops", STOP_TIME_MAX, async || child.try_wait().unwrap()).await;
        self.clear();
        assert_eq!(status.code(), Some(0), "{}", self.said());
    }

    /// Stops it in good order.
    pub(crate) async fn stop(&mut self) {
        self.terminate();
        self.stopped().await;
    }

    /// Ends it as a power failure would: `kill -9`.
    pub(crate) fn kill(&mut self) {
        let child = &mut self.running.as_mut().expect("it runs").child;
        child.kill().unwrap();
        child.wait().unwrap();
        self.clear();
    }

    /// Stops it in the middle of what it does; it does not notice.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on as if nothing had happened.
    pub(crate) fn wake(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.running.as_ref().expect("it runs").child), signal).unwrap();
    }

    /// The process is gone: forgets it.
    fn clear(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.lifeline.kill();
            let _ = running.lifeline.wait();
        }
    }

    /// Stops what runs, as gently as it lets us.
    pub(super) fn end(&mut self) -> Option<ExitStatus> {
        let mut status = None;
        if let Some(running) = &mut self.running {
            let pid = Pid::from_child(&running.child);
            // One that was paused hears nothing else.
            let _ = kill_process(pid, Signal::CONT);
            for signal in [Signal::TERM, Signal::KILL] {
                let _ = kill_process(pid, signal);
                let ended = || {
                    status = running.child.try_wait().unwrap();
                    status.is_some()
                };
                if happens(STOP_TIME_MAX, ended) {
                    break;
                }
            }
        }
        self.clear();
        status
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let ran = self.running.is_some();
        let status = self.end();
        if std::thread::panicking() {
            eprintln!("daybook {} said:\n{}", self.arguments.join(" "), self.said());
        } else if ran {
            assert_eq!(status.and_then(|status| status.code()), Some(0), "{}", self.said());
        }
    }
}

/// Starts another command of the program, which prints to a pipe. It ends with what holds it.
pub(crate) fn begin(arguments: &[&str]) -> tokio::process::Child {
    begin_within(&[], arguments)
}

/// As [`begin`], run by this command.
pub(crate) fn begin_within(runner: &[String], arguments: &[&str]) -> tokio::process::Child {
    let mut command = tokio::process::Command::from(command(runner));
    command.args(arguments).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
}

/// Runs another command of the program to its end.
pub(crate) async fn run(arguments: &[&str]) -> Output {
    run_within(&[], arguments).await
}

/// As [`run`], run by this command.
pub(crate) async fn run_within(runner: &[String], arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::from(command(runner));
    let output = command.args(arguments).kill_on_drop(true).output();
    tokio::time::timeout(COMMAND_TIME_MAX, output).await.expect("it ends").unwrap()
}

/// A token of the issuer in a data directory, as this command sees it.
pub(super) async fn token(within: &[String], data_dir: &Path, who: &[&str]) -> String {
    let mut arguments = vec!["token"];
    arguments.extend(who);
    arguments.extend(["--data-dir", data_dir.to_str().unwrap()]);
    let output = run_within(within, &arguments).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let token = printed.strip_suffix('\n').unwrap();
    assert!(!token.contains(char::is_whitespace), "more than a token: {printed}");
    token.to_owned()
}

/// The address in the first lines that the program prints.
fn listening(said: &str) -> Option<SocketAddr> {
    let line = said.lines().find(|line| line.trim_start().starts_with("Health "))?;
    line.split("http://").nth(1)?.split_once("/health/ready")?.0.parse().ok()
}
