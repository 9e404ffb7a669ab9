//! `daybook token`: a bearer token, and nothing else, on standard output.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use ledger_core::{Actor, Role, UserId};

use super::{DataDir, Failure};
use crate::auth::{Issuer, unix_seconds};
use crate::data_dir;

const EXAMPLES: &str = "\
Examples:
  daybook token --role operator
  daybook token --role customer --user 123456789 --ttl 15m
  curl -H \"Authorization: Bearer $(daybook token --role auditor)\" http://127.0.0.1:8080/graphql …";

/// What `daybook token` needs to know.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TokenArgs {
    /// What the bearer may do: operator (everything), auditor (read everything), customer (their own accounts)
    #[arg(long, value_name = "ROLE", env = "DAYBOOK_ROLE")]
    role: Role,
    /// The user that a customer is
    #[arg(long, value_name = "ID", env = "DAYBOOK_USER", required_if_eq("role", "customer"))]
    user: Option<UserId>,
    /// Names the bearer in the log; idempotency keys are counted per subject [default: the role, or a customer's user]
    #[arg(long, value_name = "NAME", env = "DAYBOOK_SUBJECT", value_parser = subject)]
    subject: Option<String>,
    /// How long the token is good: a number with s, m, h or d
    #[arg(long, value_name = "TIME", env = "DAYBOOK_TTL", default_value = "24h", value_parser = duration)]
    ttl: Duration,
    #[command(flatten)]
    data_dir: DataDir,
}

/// Prints a token.
///
/// # Errors
/// When the issuer's key cannot be used.
pub fn run(args: &TokenArgs) -> Result<ExitCode, Failure> {
    if args.user.is_some() && args.role != Role::Customer {
        return Err(format!("--user is for customers; an {} is no user", args.role).into());
    }
    let issuer = Issuer::open(&data_dir::existing(&args.data_dir.data_dir)?)?;
    let default_subject = || args.user.map_or_else(|| args.role.to_string(), |user| user.to_string());
    let actor = Actor {
        subject: args.subject.clone().unwrap_or_else(default_subject),
        role: args.role,
        user_id: args.user,
    };
    let token = issuer.token(&actor, unix_seconds(), args.ttl)?;
    writeln!(std::io::stdout(), "{token}")?;
    Ok(ExitCode::SUCCESS)
}

/// A caller's name for the log.
pub(super) fn subject(text: &str) -> Result<String, String> {
    if ledger_core::text::is_plain(text, 64) {
        Ok(text.to_owned())
    } else {
        Err("a subject has 1 to 64 characters, none of them control characters".to_owned())
    }
}

/// A time such as 90s, 15m, 24h or 7d.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a time such as 90s, 15m, 24h or 7d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number = text.strip_suffix(unit).and_then(|number| number.parse::<u64>().ok());
    let total = number.filter(|number| *number > 0).and_then(|number| number.checked_mul(seconds));
    total.map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration;

    #[test]
    fn durations() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("24h"), Ok(Duration::from_secs(86_400)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(604_800)));
        for wrong in ["", "h", "0h", "1", "1w", "-1h", "1.5h", "é", "99999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
