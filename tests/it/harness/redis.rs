//! A Redis server of a test's own. Whatever happens to the test, nothing of it is left running.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::daybook::scratch;
use super::ports::free_address;
use super::wait::until;

const START_TIME_MAX: Duration = Duration::from_secs(30);
/// Ends the server if this process ends without a chance to: then the shell's input closes.
const LIFELINE: &str = r#"read -r _; kill -KILL "$0" 2>/dev/null"#;

/// A server that keeps nothing on disk: started again, it is empty.
pub(crate) struct Redis {
    address: String,
    arguments: Vec<String>,
    running: Option<(Child, Child)>,
    dir: TempDir,
}

impl Redis {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// One that speaks TLS, too, with this certificate and its key; its URL then.
    pub(crate) async fn start_secure(certificate: &str, key: &str) -> (Self, String) {
        let address = free_address();
        let (_, port) = address.rsplit_once(':').unwrap();
        let files =
            ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", certificate];
        let tls = [&["--tls-port", port, "--tls-auth-clients", "no"], &files[..]].concat();
        (Self::start_with(&tls).await, format!("rediss://localhost:{port}"))
    }

    async fn start_with(arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut redis = Self { address: free_address(), arguments, running: None, dir: scratch() };
        redis.restart().await;
        redis
    }

    /// Starts it where it was.
    pub(crate) async fn restart(&mut self) {
        assert!(self.running.is_none(), "it runs");
        let (_, port) = self.address.rsplit_once(':').unwrap();
        let dir = self.dir.path().to_str().unwrap();
        let server = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", dir])
            .args(["--logfile", "redis.log"])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let lifeline = Command::new("/bin/sh")
            .args(["-c", LIFELINE, &server.id().to_string()])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        self.running = Some((server, lifeline));
        until("Redis answers", START_TIME_MAX, async || {
            self.ask("PING").await.filter(|said| said == "+PONG")
        })
        .await;
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let (mut server, mut lifeline) = self.running.take().expect("it runs");
        for child in [&mut server, &mut lifeline] {
            let _ = child.kill();
            let _ = child.wait();
        }
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
        let (server, _) = self.running.as_ref().expect("it runs");
        kill_process(Pid::from_child(server), signal).unwrap();
    }

    /// Takes everything out of it.
    pub(crate) async fn flush(&self) {
        assert_eq!(self.ask("FLUSHALL").await.as_deref(), Some("+OK"));
    }

    /// Every key in it.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let said = self.ask("KEYS *").await.expect("it answers");
        said.lines().filter(|line| line.starts_with("daybook:")).map(str::to_owned).collect()
    }

    /// What it says to one command without spaces in its words, as it says it; nothing when it does not answer.
    pub(crate) async fn ask(&self, command: &str) -> Option<String> {
        let mut line = TcpStream::connect(&self.address).await.ok()?;
        // It closes the connection after the second one, so the first is answered whole.
        line.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await.ok()?;
        let mut said = String::new();
        line.read_to_string(&mut said).await.ok()?;
        Some(said.strip_suffix("+OK\r\n")?.trim_end().to_owned())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.kill();
        }
    }
}
