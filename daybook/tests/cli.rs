//! The binary itself. That this test exists also makes `cargo test --workspace` build it, for the journeys in `tests/`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::process::{Command, Output};

fn daybook(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_daybook")).args(arguments).output().unwrap()
}

fn printed(arguments: &[&str]) -> String {
    let output = daybook(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help_names_every_command() {
    let help = printed(&["--help"]);
    for command in ["up", "serve", "health", "token", "import", "deadletter", "transfers"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(command)), "{command}: {help}");
    }
}

#[test]
fn help_shows_the_environment_variable_of_every_flag() {
    let commands: [&[&str]; 13] = [
        &["up"],
        &["serve", "node"],
        &["serve", "command"],
        &["serve", "projector"],
        &["serve", "query"],
        &["health"],
        &["token"],
        &["import"],
        &["deadletter", "list"],
        &["deadletter", "show"],
        &["deadletter", "retry"],
        &["deadletter", "resolve"],
        &["transfers", "stuck"],
    ];
    for command in commands {
        let help = printed(&[command, &["--help"]].concat());
        let flags = help.lines().filter(|line| line.starts_with("      --")).count();
        assert!(flags >= 3, "{help}");
        assert!(help.contains("Examples:\n  daybook "), "{help}");
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(help.matches("[env: DAYBOOK_").count(), flags, "{help}");
    }
}

#[test]
fn the_version_is_the_packages() {
    assert_eq!(printed(&["--version"]), format!("daybook {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn an_unknown_command_is_refused_by_name() {
    let output = daybook(&["dance"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("'dance'"));
    assert!(output.stdout.is_empty());
}

#[test]
fn a_transfer_is_resolved_in_the_way_that_was_said_and_in_no_other() {
    let resolve = |flags: &[&str], variables: &[(&str, &str)]| {
        let output = Command::new(env!("CARGO_BIN_EXE_daybook"))
            .args(["deadletter", "resolve", "258730172895232001", "--reason", "ticket 4711"])
            // Nobody is there to be asked.
            .args(["--url", "nowhere", "--token", "none"])
            .args(flags)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    for (flags, variables) in [
        (vec![], vec![]),
        (vec![], vec![("DAYBOOK_REFUND", "false")]),
        (vec![], vec![("DAYBOOK_REFUND", "false"), ("DAYBOOK_COMPLETE", "false")]),
        (vec!["--complete"], vec![("DAYBOOK_REFUND", "true")]),
    ] {
        let said = resolve(&flags, &variables);
        assert!(said.contains("--refund") && !said.contains("nowhere"), "{flags:?} {variables:?}: {said}");
    }
    let said = resolve(&["--complete"], &[("DAYBOOK_REFUND", "false")]);
    assert!(said.contains("nowhere"), "{said}");
}
