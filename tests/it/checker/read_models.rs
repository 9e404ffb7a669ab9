//! The read models, when they have come to the log's end: the same as the log, row by row.

use std::time::Duration;

use serde_json::{Value, json};

use super::account::{Account, Entry, Month};
use super::books::Books;
use super::reads::is_shown;
use super::transfer::Transfer;
use crate::harness::{Client, cents, text, until};

/// How long the read models may take to come to the log's end.
const PROJECTION_TIME_MAX: Duration = Duration::from_secs(90);
/// Transfers of one query.
const QUERY_TRANSFERS: usize = 100;

/// Everything in them that is not as the log has it.
pub(super) async fn faults(books: &Books, bank: &Client) -> Vec<String> {
    reached(books, bank).await;
    let mut faults = Vec::new();
    let listed = listed_accounts(bank).await;
    if !listed.iter().eq(books.accounts.keys()) {
        faults.push(format!("other accounts are listed: {listed:?}"));
    }
    for (id, account) in &books.accounts {
        faults.extend(account_faults(books, bank, id, account).await);
    }
    let transfers: Vec<_> = books.transfers.iter().collect();
    for transfers in transfers.chunks(QUERY_TRANSFERS) {
        faults.extend(transfer_faults(bank, transfers).await);
    }
    faults.extend(trial_balance_faults(books, bank).await);
    faults
}

/// Waits until reads at the client's position are answered.
async fn reached(books: &Books, bank: &Client) {
    let Some(account) = books.accounts.keys().next() else { return };
    let path = format!("/api/v1/accounts/{account}");
    until("the read models reach the log's end", PROJECTION_TIME_MAX, async || {
        (bank.try_get(&path).await.ok()?.status != 503).then_some(())
    })
    .await;
}

async fn listed_accounts(bank: &Client) -> Vec<String> {
    const QUERY: &str = "query($after: String) { accounts(first: 200, after: $after) {
        edges { node { id } } pageInfo { hasNextPage endCursor } } }";
    let (mut listed, mut after) = (Vec::new(), Value::Null);
    loop {
        let data = bank.graphql(QUERY, json!({ "after": after })).await;
        let page = &data["accounts"];
        listed.extend(page["edges"].as_array().unwrap().iter().map(|edge| text(&edge["node"]["id"])));
        if page["pageInfo"]["hasNextPage"] == false {
            listed.sort();
            return listed;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

async fn account_faults(books: &Books, bank: &Client, id: &str, account: &Account) -> Vec<String> {
    let mut faults = Vec::new();
    let shown = bank.get(&format!("/api/v1/accounts/{id}")).await;
    if shown.status != 200 || !is_shown(account.state(), &shown) {
        faults.push(format!("account {id} is shown as {}, it is {:?}", shown.body, account.state()));
    }
    let shown = bank.entries(id).await;
    // Month by month, and in each in the order of booking.
    let mut entries = account.entries.clone();
    entries.sort_by(|one, other| one.month.cmp(&other.month));
    if shown.len() != entries.len() {
        faults.push(format!("account {id} has {} entries of {}", shown.len(), entries.len()));
    }
    for (shown, entry) in shown.iter().zip(&entries) {
        if !is_entry(shown, entry, &books.transfers[&entry.transfer]) {
            faults.push(format!("account {id} has {shown}, it should have {entry:?}"));
        }
    }
    let mut opening = 0;
    for (month, expected) in &account.months {
        // Whole histories are imported after what they lead to: in between, a balance by business time may leave 64 bits.
        let closing = opening + expected.credits - expected.debits;
        let before = std::mem::replace(&mut opening, closing);
        let shown = bank.get(&format!("/api/v1/transactions/{id}/month/{month}?first=0")).await;
        let sum = |member: &str| shown.body[member].as_str().map_or(i128::MIN, sum_in_cents);
        let [begin, end, debits, credits] = ["opening", "closing", "total_debits", "total_credits"].map(sum);
        let count = shown.body["count"].as_i64().unwrap_or(-1);
        let same = *expected == (Month { debits, credits, count });
        if !same || (before, closing) != (begin, end) {
            faults.push(format!(
                "account {id} in {month} is {}, it should be {expected:?} from {before} to {closing}",
                shown.body
            ));
        }
    }
    faults
}

fn is_entry(shown: &Value, entry: &Entry, transfer: &Transfer) -> bool {
    let status = match (entry.is_debit, transfer.status()) {
        (true, "failed") => "REVERSED",
        (true, "pending") => "PENDING",
        _ => "COMPLETED",
    };
    let amount = |member: &str| shown[member].as_str().map(cents);
    shown["transferId"] == entry.transfer
        && shown["counterparty"] == entry.counterparty
        && shown["type"] == if entry.is_debit { "DEBIT" } else { "CREDIT" }
        && shown["status"] == status
        && amount("amount") == Some(entry.amount)
        && amount("balanceAfter") == Some(entry.balance_after)
}

async fn transfer_faults(bank: &Client, transfers: &[(&String, &Transfer)]) -> Vec<String> {
    const FIELDS: &str = "from to amount currency status failureReason timeline { step }";
    let fields: String =
        transfers.iter().map(|(id, _)| format!("t{id}: transfer(id: \"{id}\") {{ {FIELDS} }} ")).collect();
    let data = bank.graphql(&format!("{{ {fields} }}"), Value::Null).await;
    let mut faults = Vec::new();
    for (id, transfer) in transfers {
        let shown = &data[format!("t{id}")];
        // What operators did is in another stream.
        let steps = shown["timeline"].as_array().into_iter().flatten().map(|step| text(&step["step"]));
        let steps = steps.filter(|step| !["PARKED", "RETRIED", "RESOLVED"].contains(&&**step));
        let taken = transfer.stages.iter().map(|(_, stage)| stage.to_uppercase().replace(' ', "_"));
        let same = shown["from"] == transfer.from
            && shown["to"] == transfer.to
            && shown["amount"].as_str().map(cents) == Some(transfer.amount)
            && shown["currency"] == transfer.currency
            && shown["status"] == transfer.status().to_uppercase()
            && shown["failureReason"].as_str() == transfer.reason.as_deref()
            && steps.eq(taken);
        if !same {
            faults.push(format!("transfer {id} is shown as {shown}, it is {transfer:?}"));
        }
    }
    faults
}

/// A sum may leave the 64 bits of amounts.
fn sum_in_cents(sum: &str) -> i128 {
    sum.replace('.', "").parse().unwrap()
}

async fn trial_balance_faults(books: &Books, bank: &Client) -> Vec<String> {
    let shown = bank.trial_balance().await;
    let shown = shown.as_array().into_iter().flatten().map(|sums| {
        let sum = |member: &str| sum_in_cents(&text(&sums[member]));
        (text(&sums["currency"]), [sum("customers"), sum("settlement"), sum("inTransit")])
    });
    let shown: Vec<_> = shown.collect();
    let expected: Vec<_> = books
        .sums
        .iter()
        .map(|(currency, sums)| (currency.clone(), [sums.customers, sums.settlement, sums.in_transit]))
        .collect();
    if shown == expected { vec![] } else { vec![format!("the trial balance is {shown:?}, not {expected:?}")] }
}
