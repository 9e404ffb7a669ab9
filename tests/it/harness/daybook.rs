//! A daybook in its own process. Whatever happens to the test, nothing of it is left running.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;

use super::client::Client;
use super::wait::{happens, until};

/// From the command to HTTP, and from there to ready; with another test and a build beside it.
const START_TIME_MAX: Duration = Duration::from_secs(120);
const STOP_TIME_MAX: Duration = Duration::from_secs(60);
/// No command takes longer.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(120);
/// Ends daybook if this process ends without a chance to: then the shell's input closes.
const LIFELINE: &str = r#"read -r _; kill -TERM "$0" 2>/dev/null"#;

/// A daybook and its data directory. It may be stopped or killed, and started again.
pub(crate) struct Daybook {
    dir: TempDir,
    arguments: Vec<String>,
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
fn command() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DAYBOOK_") && name != "DAYBOOK_POSTGRES_BIN" {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

impl Daybook {
    /// A new one, ready.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A new one with more arguments for `daybook up`, ready.
    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        // Open to be passed through: as root, Postgres runs as another user.
        let dir = tempfile::Builder::new()
            .prefix("daybook-")
            .permissions(fs::Permissions::from_mode(0o711))
            .tempdir()
            .unwrap();
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut daybook = Self { dir, arguments, running: None };
        daybook.restart().await;
        daybook
    }

    /// Starts it on its data directory and waits until it is ready.
    pub(crate) async fn restart(&mut self) {
        self.launch().await;
        self.ready().await;
    }

    /// Starts it and returns as soon as HTTP listens.
    pub(crate) async fn launch(&mut self) {
        assert!(self.running.is_none(), "it runs");
        let log = fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let said_before = log.metadata().unwrap().len();
        let child = command()
            .args(["up", "--http", "127.0.0.1:0", "--esdb", "127.0.0.1:0", "--data-dir"])
            .arg(self.dir())
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
        let log = self.log();
        let running = self.running.insert(Running { child, lifeline, address: any });
        running.address = until("daybook listens", START_TIME_MAX, async || {
            let said = fs::read(&log).unwrap().split_off(usize::try_from(said_before).unwrap());
            let ended = running.child.try_wait().unwrap();
            assert!(ended.is_none(), "daybook ended: {ended:?}");
            listening(&String::from_utf8_lossy(&said))
        })
        .await;
    }

    async fn ready(&mut self) {
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

    /// Its data directory.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn log(&self) -> PathBuf {
        self.dir().join("journey.log")
    }

    /// Everything it has printed so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
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

    /// An operator. Idempotency keys are counted per name.
    pub(crate) async fn operator(&self, name: &str) -> Client {
        self.caller(&["--role", "operator", "--subject", name]).await
    }

    pub(crate) async fn auditor(&self) -> Client {
        self.caller(&["--role", "auditor"]).await
    }

    pub(crate) async fn customer(&self, user_id: &str) -> Client {
        self.caller(&["--role", "customer", "--user", user_id]).await
    }

    async fn caller(&self, who: &[&str]) -> Client {
        let mut arguments = vec!["token"];
        arguments.extend(who);
        arguments.extend(["--data-dir", self.dir().to_str().unwrap()]);
        let output = run(&arguments).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout).unwrap();
        let token = printed.strip_suffix('\n').unwrap();
        assert!(!token.contains(char::is_whitespace), "more than a token: {printed}");
        Client::new(self.url(), Some(token.to_owned()))
    }

    /// Asks it to stop as Ctrl-C would, and goes on at once.
    pub(crate) fn terminate(&self) {
        let child = &self.running.as_ref().expect("it runs").child;
        kill_process(Pid::from_child(child), Signal::TERM).unwrap();
    }

    /// Waits until it has stopped, which must be in good order and leave nothing behind.
    pub(crate) async fn stopped(&mut self) {
        let postgres = self.postgres();
        let child = &mut self.running.as_mut().expect("it runs").child;
        let status = until("daybook stops", STOP_TIME_MAX, async || child.try_wait().unwrap()).await;
        self.clear();
        assert_eq!(status.code(), Some(0), "{}", self.said());
        if let Some(postgres) = postgres {
            assert!(!postgres.is_running(), "Postgres outlived a clean stop");
        }
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

    /// The process is gone: forgets it.
    fn clear(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.lifeline.kill();
            let _ = running.lifeline.wait();
        }
    }

    /// Where its private Postgres keeps its files.
    pub(crate) fn cluster(&self) -> PathBuf {
        let elsewhere = fs::read_to_string(self.dir().join("postgres.location"));
        elsewhere
            .map_or_else(|_| self.dir().canonicalize().unwrap().join("postgres"), |path| path.trim().into())
    }

    fn postgres(&self) -> Option<Postgres> {
        let cluster = self.cluster();
        let text = fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
        let pid = Pid::from_raw(text.lines().next()?.trim().parse().ok()?)?;
        Some(Postgres { pid, cluster })
    }

    /// Stops what runs, as gently as it lets us.
    fn end(&mut self) -> Option<ExitStatus> {
        let mut status = None;
        if let Some(running) = &mut self.running {
            let pid = Pid::from_child(&running.child);
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
        if let Some(postgres) = self.postgres() {
            // After `kill -9` its own watchdog stops it.
            if !happens(STOP_TIME_MAX, || !postgres.is_running()) {
                let _ = kill_process(postgres.pid, Signal::QUIT);
                happens(STOP_TIME_MAX, || !postgres.is_running());
            }
        }
        status
    }
}

impl Drop for Daybook {
    fn drop(&mut self) {
        let ran = self.running.is_some();
        let status = self.end();
        let cluster = self.cluster();
        if !cluster.starts_with(self.dir().canonicalize().unwrap()) {
            let _ = fs::remove_dir_all(cluster);
        }
        if std::thread::panicking() {
            eprintln!("daybook in {} said:\n{}", self.dir().display(), self.said());
        } else if ran {
            assert_eq!(status.and_then(|status| status.code()), Some(0), "{}", self.said());
        }
    }
}

/// Runs another command of the program to its end.
pub(crate) async fn run(arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::from(command());
    let output = command.args(arguments).kill_on_drop(true).output();
    tokio::time::timeout(COMMAND_TIME_MAX, output).await.expect("it ends").unwrap()
}

/// The address in the first lines that `daybook up` prints.
fn listening(said: &str) -> Option<SocketAddr> {
    let line = said.lines().find(|line| line.trim_start().starts_with("API "))?;
    line.split("http://").nth(1)?.split_once("/api/v1")?.0.parse().ok()
}

struct Postgres {
    pid: Pid,
    cluster: PathBuf,
}

impl Postgres {
    /// The number may be another program's by now.
    fn is_running(&self) -> bool {
        if test_kill_process(self.pid).is_err() {
            return false;
        }
        let pid = self.pid.as_raw_nonzero().to_string();
        let output = Command::new("ps").args(["-o", "command=", "-p", &pid]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).contains(&*self.cluster.to_string_lossy())
    }
}
