//! A dead letter as the server gives it.

use std::time::Duration;

use ledger_core::TransferId;
use serde::{Deserialize, Serialize};

use crate::client::{ClientError, Server};

/// How long a question is asked again when it is not answered.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Letter {
    pub(super) transfer_id: String,
    pub(super) transfer_status: String,
    pub(super) from_account: String,
    pub(super) to_account: String,
    amount: String,
    currency: String,
    pub(super) standing: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolution: Option<String>,
    pub(super) step: String,
    pub(super) reason: String,
    pub(super) attempts: u64,
    pub(super) times_parked: u64,
    pub(super) first_parked_at: String,
    pub(super) parked_at: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) history: Vec<Happened>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Happened {
    pub(super) event: String,
    pub(super) at: String,
    pub(super) actor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolution: Option<String>,
}

impl Letter {
    /// The dead letter of a transfer, as of a position.
    pub(super) async fn of(
        server: &Server,
        transfer: TransferId,
        position: Option<u64>,
    ) -> Result<Self, ClientError> {
        server.get(&format!("/api/v1/deadletters/{transfer}"), position, PATIENCE).await
    }

    pub(super) fn money(&self) -> String {
        format!("{} {}", self.amount, self.currency)
    }
}
