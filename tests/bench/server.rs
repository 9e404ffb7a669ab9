//! A real `daybook up` on a scratch directory.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A running daybook.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// Where EventStoreDB's protocol is spoken.
    pub esdb: SocketAddr,
    pub token: String,
    pub client: reqwest::Client,
    pub ready_after: Duration,
}

/// The release binary beside this one.
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let target = own.ancestors().find(|dir| dir.ends_with("release")).expect("a release build");
    let binary = target.join("daybook");
    assert!(binary.exists(), "{} is missing: run `make bench`", binary.display());
    binary
}

impl Server {
    /// Starts daybook and waits until it is ready.
    pub async fn start(data_dir: &Path, arguments: &[&str]) -> Self {
        let esdb = free_address();
        let own = esdb.to_string();
        let log = if arguments.contains(&"--event-store") { vec![] } else { vec!["--esdb", &own] };
        let mut server = Self::spawn(data_dir, esdb, &[&["up"], &log[..], arguments].concat()).await;
        server.token = token(data_dir);
        server
    }

    /// Starts the event store alone and waits until it is ready.
    pub async fn node(data_dir: &Path) -> Self {
        let esdb = free_address();
        Self::spawn(data_dir, esdb, &["serve", "node", "--esdb", &esdb.to_string()]).await
    }

    /// Starts a command process on a node and waits until it is ready.
    pub async fn command(data_dir: &Path, node: &Self) -> Self {
        let event_store = format!("esdb://{}?tls=false", node.esdb);
        let command = ["serve", "command", "--event-store", &event_store];
        let mut server = Self::spawn(data_dir, node.esdb, &command).await;
        server.token = token(data_dir);
        server
    }

    /// Starts a query process on a node and a database and waits until it is ready.
    pub async fn query(data_dir: &Path, node: &Self, database_url: &str) -> Self {
        let event_store = format!("esdb://{}?tls=false", node.esdb);
        let query = ["serve", "query", "--event-store", &event_store, "--database-url", database_url];
        let mut server = Self::spawn(data_dir, node.esdb, &query).await;
        server.token = token(data_dir);
        server
    }

    async fn spawn(data_dir: &Path, esdb: SocketAddr, command: &[&str]) -> Self {
        let address = free_address();
        let log =
            std::fs::File::options().create(true).append(true).open(data_dir.join("bench.log")).unwrap();
        let started = Instant::now();
        let child = Command::new(binary())
            .args(command)
            .args(["--data-dir", data_dir.to_str().unwrap(), "--http", &address.to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let client = reqwest::Client::new();
        let mut server =
            Self { child, address, esdb, token: String::new(), client, ready_after: Duration::ZERO };
        server.wait_until_ready(Duration::from_secs(1_200)).await;
        server.ready_after = started.elapsed();
        server
    }

    async fn wait_until_ready(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let url = format!("http://{}/health/ready", self.address);
        while Instant::now() < deadline {
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "daybook ended: see bench.log in its data directory"
            );
            if let Ok(answer) = self.client.get(&url).send().await
                && answer.status().is_success()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("daybook is not ready after {limit:?}");
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self
            .client
            .post(format!("http://{}{path}", self.address))
            .bearer_auth(&self.token)
            .json(body)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub async fn graphql(&self, query: &str) -> Value {
        let answer = self.post("/graphql", &serde_json::json!({ "query": query })).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"].clone()
    }

    /// Stops daybook as Ctrl-C would, and waits until it is gone.
    pub fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }

    /// Stops daybook as a power failure would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let pid = rustix::process::Pid::from_child(&self.child);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn token(data_dir: &Path) -> String {
    let output = Command::new(binary())
        .args(["token", "--role", "operator", "--data-dir", data_dir.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
