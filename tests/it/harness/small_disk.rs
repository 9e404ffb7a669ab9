//! A small disk that can really be full: a tmpfs over one directory, for those programs alone that enter the mount namespace where it is.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Mounts, says so, and keeps the namespace until its input closes: at the latest when this process ends, however it does.
const HOLDER: &str = r#"mount -t tmpfs -o "size=$1,mode=711" daybook "$0" && echo mounted && read -r _"#;

pub(crate) struct SmallDisk {
    holder: Child,
    dir: PathBuf,
}

impl SmallDisk {
    /// One of so many bytes over this directory.
    pub(crate) fn over(dir: &Path, bytes: u64) -> Self {
        let mut command = Command::new("unshare");
        command.arg("--mount").args(as_root(&["--user", "--map-root-user"]));
        command.args(["sh", "-c", HOLDER]).arg(dir).arg(bytes.to_string());
        let mut holder =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare of util-linux");
        let mut said = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(
            said, "mounted\n",
            "no small disk could be mounted, which takes root with CAP_SYS_ADMIN, or user namespaces"
        );
        Self { holder, dir: dir.to_owned() }
    }

    /// What to put before a command so that it sees this disk.
    pub(crate) fn entrance(&self) -> Vec<String> {
        let pid = self.holder.id().to_string();
        let user = as_root(&["--user", "--preserve-credentials"]);
        ["nsenter", "--target", &pid, "--mount"].iter().chain(user).map(|word| (*word).to_owned()).collect()
    }

    /// A file on it, as others see it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.dir.strip_prefix("/").unwrap()).join(name)
    }

    /// Fills it up with a file, to so many bytes or as far as it goes.
    pub(crate) fn fill(&self, name: &str, bytes: usize) {
        let mut file = File::options().create(true).append(true).open(self.path(name)).unwrap();
        let block = [1; 4096];
        for _ in 0..bytes / block.len() {
            match file.write_all(&block) {
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                written => written.unwrap(),
            }
        }
    }

    /// Makes room again.
    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.path(name)).unwrap();
    }
}

/// These flags, if we are not root.
fn as_root(flags: &'static [&'static str]) -> &'static [&'static str] {
    if rustix::process::geteuid().is_root() { &[] } else { flags }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
