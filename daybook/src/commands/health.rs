//! `daybook health`: asks a running daybook whether it is ready.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::Failure;

const EXAMPLES: &str = "\
The exit code is 0 when it is ready, else 1, and what is not ready is printed. Containers are checked with it.

Examples:
  daybook health
  daybook health --url http://127.0.0.1:8081 || echo later";

/// What `daybook health` needs to know.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct HealthArgs {
    /// The running daybook
    #[arg(long, value_name = "URL", env = "DAYBOOK_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// How many seconds it may take to answer
    #[arg(
        long,
        value_name = "SECONDS",
        env = "DAYBOOK_HEALTH_TIMEOUT",
        default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..=600)
    )]
    timeout: u64,
    /// Print the whole answer as JSON
    #[arg(long, env = "DAYBOOK_JSON")]
    json: bool,
}

/// Asks, and prints what is not ready.
///
/// # Errors
/// When nobody answers, or not with health.
pub async fn run(args: HealthArgs) -> Result<ExitCode, Failure> {
    let url = format!("{}/health/ready", args.url.trim_end_matches('/'));
    let client = reqwest::Client::builder().timeout(Duration::from_secs(args.timeout)).build()?;
    let answer = client.get(&url).send().await.map_err(|error| nobody(&url, &error))?;
    let ready = answer.status().is_success();
    let status = answer.status();
    let report: Value =
        answer.json().await.map_err(|_| format!("{url} answers {status}, and not with health"))?;
    if args.json {
        writeln!(std::io::stdout(), "{report}")?;
    } else {
        std::io::stdout().write_all(shown(&report).as_bytes())?;
    }
    Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The innermost reason is the one that says something, such as "connection refused".
fn nobody(url: &str, error: &reqwest::Error) -> String {
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    format!("nobody answers at {url}: {reason}")
}

/// One word when all is well, else a line for each part that is not.
fn shown(report: &Value) -> String {
    if report["status"] == "ready" {
        return "ready\n".to_owned();
    }
    let mut text = "not ready\n".to_owned();
    for (name, state) in report["components"].as_object().into_iter().flatten() {
        let status = state["status"].as_str().unwrap_or("unknown");
        if status == "ready" {
            continue;
        }
        let line = match state["reason"].as_str() {
            Some(reason) => format!("  {name}: {status}: {reason}\n"),
            None => format!("  {name}: {status}\n"),
        };
        text.push_str(&line);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::shown;

    #[test]
    fn what_is_not_ready_is_named() {
        assert_eq!(shown(&json!({ "status": "ready", "components": {} })), "ready\n");
        let report = json!({ "status": "not_ready", "components": {
            "event_store": { "status": "failed", "reason": "refused" },
            "projector": { "status": "starting" },
            "postgres": { "status": "ready" },
        } });
        assert_eq!(shown(&report), "not ready\n  event_store: failed: refused\n  projector: starting\n");
    }
}
