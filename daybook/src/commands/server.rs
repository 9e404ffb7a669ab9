//! Where a command finds the running daybook, and as whom it enters.

use std::time::Duration;

use clap::Args;
use ledger_core::{Actor, Role};

use super::token::subject;
use super::{DataDir, Failure};
use crate::auth::{Issuer, unix_seconds};
use crate::client::Server;
use crate::data_dir;

/// How long an operator command's own token is good.
const TOKEN_TTL: Duration = Duration::from_secs(3_600);

/// The running daybook and a way in.
#[derive(Debug, Args)]
pub struct ServerFlags {
    /// The running daybook
    #[arg(long, value_name = "URL", env = "DAYBOOK_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    #[command(flatten)]
    entry: EntryFlags,
}

impl ServerFlags {
    /// The server, entered with the token that was given, or as an operator of this name.
    ///
    /// # Errors
    /// When the URL is none, or the issuer's key cannot be used.
    pub(super) fn connect(&self, subject: &str, ttl: Duration) -> Result<Server, Failure> {
        Ok(Server::new(&self.url, self.entry.token(subject, ttl)?)?)
    }
}

/// A way in.
#[derive(Debug, Args)]
pub struct EntryFlags {
    /// An operator's token [default: made with the issuer's key in the data directory]
    #[arg(long, value_name = "TOKEN", env = "DAYBOOK_TOKEN", hide_env_values = true)]
    token: Option<String>,
    #[command(flatten)]
    data_dir: DataDir,
}

impl EntryFlags {
    /// The token that was given, or one of an operator of this name.
    ///
    /// # Errors
    /// When the issuer's key cannot be used.
    pub(super) fn token(&self, subject: &str, ttl: Duration) -> Result<String, Failure> {
        if let Some(token) = &self.token {
            return Ok(token.clone());
        }
        let issuer = Issuer::open(&data_dir::existing(&self.data_dir.data_dir)?)?;
        let actor = Actor { subject: subject.to_owned(), role: Role::Operator, user_id: None };
        Ok(issuer.token(&actor, unix_seconds(), ttl)?)
    }
}

/// What all commands for operators have in common.
#[derive(Debug, Args)]
pub struct OperatorFlags {
    #[command(flatten)]
    server: ServerFlags,
    /// The process that answers questions, if it is not the one that takes commands [default: the same]
    #[arg(long, value_name = "URL", env = "DAYBOOK_QUERY_URL")]
    query_url: Option<String>,
    /// Names you in the log, for ever; with --token, the token does
    #[arg(long, value_name = "NAME", env = "DAYBOOK_SUBJECT", default_value = "operator", value_parser = subject)]
    subject: String,
    /// Print the result as JSON
    #[arg(long, env = "DAYBOOK_JSON")]
    pub(super) json: bool,
}

impl OperatorFlags {
    /// Where commands go.
    ///
    /// # Errors
    /// As [`ServerFlags::connect`].
    pub(super) fn commands(&self) -> Result<Server, Failure> {
        self.server.connect(&self.subject, TOKEN_TTL)
    }

    /// Where questions go.
    ///
    /// # Errors
    /// As [`ServerFlags::connect`].
    pub(super) fn reads(&self) -> Result<Server, Failure> {
        let server = self.commands()?;
        Ok(match &self.query_url {
            Some(url) => server.at(url)?,
            None => server,
        })
    }
}
