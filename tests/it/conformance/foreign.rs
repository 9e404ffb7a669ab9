//! Clients that nobody here wrote: EventStoreDB's for Python and for Node. What they check stands in
//! `tests/clients`; they are installed below the build directory at their first use.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use tokio::sync::Mutex;

use super::server::Server;

/// For all of a client's cases, on a machine that does other things, too.
const SCRIPT_TIME_MAX: Duration = Duration::from_secs(300);

/// A language's client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Foreign {
    Python,
    Node,
}

impl Foreign {
    /// Where its scripts are.
    pub(crate) fn scripts(self) -> PathBuf {
        let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
        match self {
            Self::Python => clients.join("python"),
            Self::Node => clients.join("node"),
        }
    }

    /// Runs a script to its end; what it printed, if it ended well.
    pub(crate) async fn run(self, script: &str, arguments: &[&str]) -> String {
        let installed = self.install().await;
        let mut command = match self {
            Self::Python => Command::new(installed.join("bin/python")),
            Self::Node => Command::new("node"),
        };
        match self {
            Self::Python => command.arg(self.scripts().join(script)),
            // Node looks for packages beside the script.
            Self::Node => {
                std::fs::copy(self.scripts().join(script), installed.join(script)).unwrap();
                command.arg(installed.join(script))
            }
        };
        let output = ended(command.args(arguments)).await;
        let said = said(&output);
        assert!(output.status.success(), "{script} with {self:?}:\n{said}");
        said
    }

    /// The directory with the client, installed once for each version of it.
    async fn install(self) -> PathBuf {
        static INSTALLING: Mutex<()> = Mutex::const_new(());
        let _installing = INSTALLING.lock().await;
        let (name, wanted) = match self {
            Self::Python => ("python", "requirements.txt"),
            Self::Node => ("node", "package-lock.json"),
        };
        let dir = build_dir().join("clients").join(name);
        let wanted = std::fs::read(self.scripts().join(wanted)).unwrap();
        let installed = dir.join("installed");
        if std::fs::read(&installed).is_ok_and(|found| found == wanted) {
            return dir;
        }
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        match self {
            Self::Python => {
                must(Command::new("python3").args(["-m", "venv"]).arg(&dir)).await;
                let pip = dir.join("bin/python");
                let requirements = self.scripts().join("requirements.txt");
                must(
                    Command::new(pip)
                        .args(["-m", "pip", "install", "--quiet", "--requirement"])
                        .arg(requirements),
                )
                .await;
            }
            Self::Node => {
                for file in ["package.json", "package-lock.json"] {
                    std::fs::copy(self.scripts().join(file), dir.join(file)).unwrap();
                }
                must(
                    Command::new("npm")
                        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                        .current_dir(&dir),
                )
                .await;
            }
        }
        std::fs::write(installed, wanted).unwrap();
        dir
    }
}

/// `target`, or wherever this was built.
fn build_dir() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(3).unwrap().to_owned()
}

async fn ended(command: &mut Command) -> Output {
    let program = command.get_program().to_owned();
    let mut command = tokio::process::Command::from(std::mem::replace(command, Command::new("")));
    let output = command.stdin(std::process::Stdio::null()).kill_on_drop(true).output();
    tokio::time::timeout(SCRIPT_TIME_MAX, output)
        .await
        .unwrap_or_else(|_| panic!("{} has not ended within {SCRIPT_TIME_MAX:?}", program.display()))
        .unwrap_or_else(|error| panic!("{}: {error}. scripts/prerequisites installs it.", program.display()))
}

/// A step of installing a client.
async fn must(command: &mut Command) {
    let output = ended(command).await;
    let said = said(&output);
    assert!(
        output.status.success(),
        "A client of EventStoreDB could not be installed; its package registry must be in reach the first time:\n{said}"
    );
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn the_python_client_gets_what_it_expects() {
    let server = Server::shared().await;
    Foreign::Python.run("conformance.py", &[&server.client_url()]).await;
}

#[tokio::test]
async fn the_node_client_gets_what_it_expects() {
    let server = Server::shared().await;
    Foreign::Node.run("conformance.mjs", &[&server.client_url()]).await;
}
