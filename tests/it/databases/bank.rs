//! A bank with something in every database.

use eventstore::{AppendToStreamOptions, EventData, ReadAllOptions};
use ledger_core::stream::DEAD_LETTERS;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Client, Daybook, log_client};

/// Accounts, and the transfers between them.
pub(super) struct Bank {
    pub(super) user: String,
    pub(super) accounts: Vec<String>,
    pub(super) transfers: Vec<String>,
}

impl Bank {
    /// Ten accounts of one user and some of nobody, each with transfers to the next two. The last account is frozen once it is to get
    /// money, so that what goes there comes back when somebody drives it.
    pub(super) async fn found(bank: &Client) -> Self {
        let user = bank.user("Nora").await;
        let mut accounts = Vec::new();
        for number in 0..10 {
            let body =
                json!({ "user_id": user, "currency": "EUR", "reference": format!("account-{number}") });
            accounts.push(bank.open_with(&body).await);
        }
        for _ in 0..3 {
            accounts.push(bank.open("EUR").await);
        }
        accounts.push(bank.open("JPY").await);
        let mut found = Self { user, accounts, transfers: Vec::new() };
        for (number, account) in found.in_euros().iter().enumerate() {
            for more in 1..=4 {
                bank.deposit(account, &format!("{}.{more}0", number + 10)).await;
            }
        }
        found.moves(bank, "first").await;
        found
    }

    /// Transfers from each account to the next two, in euros.
    pub(super) async fn moves(&mut self, bank: &Client, key: &str) {
        let euros = self.in_euros().to_vec();
        for (number, from) in euros.iter().enumerate() {
            for step in 1..=2 {
                let to = &euros[(number + step) % euros.len()];
                let asked = bank
                    .transfer(&format!("{key}-{number}-{step}"), from, to, &format!("{step}.0{step}"))
                    .await;
                self.transfers.push(asked.transfer_id());
            }
        }
    }

    /// All but one.
    pub(super) fn in_euros(&self) -> &[String] {
        &self.accounts[..13]
    }

    /// The account that is frozen.
    pub(super) fn frozen(&self) -> &str {
        &self.accounts[5]
    }
}

/// Parks transfers, as a driver would that has given up.
pub(super) async fn park(daybook: &Daybook, bank: &Client, transfers: &[String]) {
    let log = log_client(daybook.log());
    let mut read = log.read_all(&ReadAllOptions::default()).await.unwrap();
    let mut requested: Vec<(String, Value)> = Vec::new();
    while let Ok(Some(event)) = read.next().await {
        let event = event.get_original_event();
        if event.event_type == "TransferRequested" {
            let data: Value = serde_json::from_slice(&event.data).unwrap();
            requested.push((event.stream_id().to_owned(), data));
        }
    }
    for transfer in transfers {
        let (stream, data) = requested.iter().find(|(_, data)| data["transfer_id"] == **transfer).unwrap();
        let parked = json!({
            "transfer_id": transfer, "stream": stream, "from": data["from"], "to": data["to"],
            "amount": data["amount"], "step": "credit", "reason": "a driver that slept", "attempts": 9,
        });
        let metadata = json!({
            "$correlationId": stream, "actor": "process-manager", "booked_at": "2026-11-30T12:00:00Z", "version": 1,
        });
        let event = EventData::json("TransferParked", &parked).unwrap().id(Uuid::new_v4());
        let event = event.metadata_as_json(&metadata).unwrap();
        let placed =
            log.append_to_stream(DEAD_LETTERS, &AppendToStreamOptions::default(), event).await.unwrap();
        bank.reads_at(placed.position.commit);
    }
}
