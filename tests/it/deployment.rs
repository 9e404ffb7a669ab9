//! `compose.yaml` and `Dockerfile`, held to what they promise as far as that can be seen without a container engine: every command
//! line in them is one that this program takes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use daybook::Cli;
use serde_json::Value;

const ROLES: [&str; 6] = ["node", "command", "projector", "query", "notifications", "month-end"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

fn compose() -> Value {
    serde_saphyr::from_str(&read("compose.yaml")).unwrap()
}

fn services(compose: &Value) -> impl Iterator<Item = (&String, &Value)> {
    compose["services"].as_object().unwrap().iter()
}

fn list(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// As compose would, with nothing set: `${NAME:-default}` is the default.
fn interpolated(text: &str) -> String {
    let mut parts = text.split("${");
    let mut result = parts.next().unwrap().to_owned();
    for part in parts {
        let (variable, rest) = part.split_once('}').unwrap();
        let (_name, default) =
            variable.split_once(":-").unwrap_or_else(|| panic!("{variable}: it needs a default"));
        result.push_str(default);
        result.push_str(rest);
    }
    result
}

/// The environment variable `DAYBOOK_A_B` is the flag `--a-b`. What has no value is handed on from outside.
fn flags_of_environment(service: &Value) -> Vec<String> {
    let variables = service["environment"].as_object().into_iter().flatten();
    variables
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| {
            let flag = name.strip_prefix("DAYBOOK_").unwrap().to_lowercase().replace('_', "-");
            format!("--{flag}={}", interpolated(value.as_str().unwrap()))
        })
        .collect()
}

fn parses(arguments: &[String]) {
    let line = std::iter::once("daybook".to_owned()).chain(arguments.iter().cloned());
    if let Err(error) = Cli::try_parse_from(line) {
        panic!("{arguments:?}: {error}");
    }
}

#[test]
fn every_role_is_a_service_with_a_command_line_that_parses() {
    let compose = compose();
    for role in ROLES {
        let service = &compose["services"][role];
        let mut arguments: Vec<String> =
            list(&service["command"]).iter().map(|text| interpolated(text)).collect();
        assert_eq!(arguments[..2], ["serve", role], "{role}");
        arguments.extend(flags_of_environment(service));
        parses(&arguments);

        let check = list(&service["healthcheck"]["test"]);
        assert_eq!(check[..3], ["CMD", "daybook", "health"], "{role}");
        parses(&check[2..]);
        let listens = arguments.iter().find_map(|argument| argument.strip_prefix("--http=0.0.0.0:")).unwrap();
        assert!(check.iter().any(|argument| argument.ends_with(&format!(":{listens}"))), "{role}: {check:?}");
    }
}

#[test]
fn every_service_can_be_left_alone() {
    let compose = compose();
    for (name, service) in services(&compose) {
        let check = &service["healthcheck"];
        assert_eq!(check["test"][0], "CMD", "{name}: no health check");
        for bound in ["interval", "timeout", "retries", "start_period"] {
            assert!(!check[bound].is_null(), "{name}: its health check has no {bound}");
        }
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        let limits = &service["deploy"]["resources"]["limits"];
        assert!(limits["cpus"].is_string() && limits["memory"].is_string(), "{name}: {limits}");
        assert!(service["stop_grace_period"].is_string(), "{name}");
    }
}

#[test]
fn images_are_pinned() {
    let compose = compose();
    for (name, service) in services(&compose) {
        let image = service["image"].as_str().unwrap();
        if ROLES.contains(&name.as_str()) {
            assert_eq!(service["build"]["context"], ".", "{name}");
            continue;
        }
        let (_, tag) = image.rsplit_once(':').unwrap_or_else(|| panic!("{name}: {image} has no tag"));
        let exact = tag.split(['.', '-']).take(2).all(|part| part.parse::<u32>().is_ok());
        assert!(exact, "{name}: {image}");
    }
    for line in read("Dockerfile").lines().filter(|line| line.starts_with("FROM ")) {
        assert!(line.contains(':') && !line.contains("latest"), "{line}");
    }
}

#[test]
fn nothing_is_published_to_the_world_and_nothing_is_secret() {
    let compose = compose();
    for (name, service) in services(&compose) {
        for port in list(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
        }
    }
    let text = read("compose.yaml");
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        assert!(!line.to_lowercase().contains("password"), "{line}");
    }
    // The database that trusts everybody is where nobody else gets to.
    assert_eq!(list(&compose["services"]["postgres"]["networks"]), ["read-models"]);
    assert_eq!(compose["networks"]["read-models"]["internal"], true);
}

#[test]
fn volumes_networks_and_dependencies_exist() {
    let compose = compose();
    let names = |section: &str| -> BTreeSet<String> {
        compose[section].as_object().unwrap().keys().cloned().collect()
    };
    let mut used = BTreeSet::new();
    for (name, service) in services(&compose) {
        for volume in list(&service["volumes"]) {
            used.insert(volume.split(':').next().unwrap().to_owned());
        }
        for network in list(&service["networks"]) {
            assert!(names("networks").contains(&network), "{name}: {network}");
        }
        for (before, _) in service["depends_on"].as_object().into_iter().flatten() {
            let other = &compose["services"][before];
            assert!(other.is_object() && other["profiles"].is_null(), "{name}: {before} may not run");
        }
    }
    assert_eq!(used, names("volumes"));
    // Tokens and personal data are read with the same keys by all who need them.
    for role in ["command", "query", "notifications", "month-end"] {
        assert_eq!(list(&compose["services"][role]["volumes"]), ["keys:/var/lib/daybook"]);
    }
}

#[test]
fn the_cluster_has_three_members_that_know_each_other() {
    let compose = compose();
    let members = ["eventstore-1", "eventstore-2", "eventstore-3"];
    for member in members {
        let service = &compose["services"][member];
        assert_eq!(list(&service["profiles"]), ["cluster"]);
        let environment = &service["environment"];
        assert_eq!(environment["EVENTSTORE_CLUSTER_SIZE"], "3");
        assert_eq!(environment["EVENTSTORE_INSECURE"], "true");
        assert_eq!(environment["EVENTSTORE_NODE_HOST_ADVERTISE_AS"], member);
        let others: Vec<String> = members
            .into_iter()
            .filter(|other| *other != member)
            .map(|other| format!("{other}:2113"))
            .collect();
        assert_eq!(environment["EVENTSTORE_GOSSIP_SEED"], others.join(","));
    }
}

#[test]
fn the_image_is_small_and_its_user_is_nobody() {
    let dockerfile = read("Dockerfile");
    let last = dockerfile.rsplit("\nFROM ").next().unwrap();
    assert!(last.starts_with("debian:bookworm-slim") && last.contains("\nUSER daybook\n"), "{last}");
    assert!(last.contains("HEALTHCHECK") && last.contains("\nENTRYPOINT [\"daybook\"]\n"), "{last}");
    let copied: Vec<&str> = last.lines().filter(|line| line.starts_with("COPY ")).collect();
    assert_eq!(copied, ["COPY --from=build /out/daybook /usr/local/bin/daybook"]);
    // What the build reads must get in.
    let ignored = read(".dockerignore");
    let ignored: BTreeSet<&str> = ignored.lines().collect();
    assert!(ignored.contains("target") && ignored.contains(".git") && ignored.contains(".data"));
    let manifest = read("Cargo.toml");
    let members = manifest.split_once("members = [").unwrap().1.split_once(']').unwrap().0;
    for member in members.split(',').map(|member| member.trim().trim_matches('"')) {
        assert!(!ignored.contains(member), "{member}");
    }
}
