//! The programs of others that tests look at files with.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What a program said, which must have ended well.
pub(crate) fn said(command: &mut Command) -> String {
    let program = command.get_program().to_owned();
    let output = command.output().unwrap_or_else(|error| {
        panic!("{}: {error}. scripts/prerequisites test installs it.", program.display())
    });
    assert!(output.status.success(), "{}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs `checks/{script}` with the packages of `checks/requirements.txt`, which are installed once for each change of them.
pub(crate) fn python(script: &str, argument: &Path) -> String {
    // The journeys have this file, too.
    let checks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../statements/checks");
    said(Command::new(installed(&checks).join("bin/python")).arg(checks.join(script)).arg(argument))
}

fn installed(checks: &Path) -> PathBuf {
    let requirements = checks.join("requirements.txt");
    let wanted = std::fs::read(&requirements).unwrap();
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
    let dir = target.join("checks").join("statements");
    // One process at a time: two checkouts may share a target.
    std::fs::create_dir_all(target.join("checks")).unwrap();
    let lock = std::fs::File::create(target.join("checks/statements.lock")).unwrap();
    lock.lock().unwrap();
    let mark = dir.join("installed");
    if std::fs::read(&mark).is_ok_and(|found| found == wanted) {
        return dir;
    }
    said(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir));
    let mut pip = Command::new(dir.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--requirement",
    ]);
    said(pip.arg(requirements));
    std::fs::write(mark, wanted).unwrap();
    dir
}
