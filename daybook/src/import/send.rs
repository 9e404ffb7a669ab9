//! Books rows through a server.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use futures::future::join_all;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::row::{Direction, Row};
use crate::client::{ClientError, Server};

/// Requests under way at a time.
const LANES: usize = 8;
/// Rows of one request.
const CHUNK_ROWS: usize = 250;
/// How long a request is tried again.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Serialize)]
struct Request<'a> {
    rows: Vec<RequestRow<'a>>,
}

#[derive(Serialize)]
struct RequestRow<'a> {
    reference: &'a str,
    account_reference: &'a str,
    booked_on: String,
    direction: Direction,
    amount: String,
    currency: &'static str,
    settlement: &'static str,
    description: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    accounts_opened: u64,
    booked: u64,
    already_booked: u64,
    position: u64,
    rows: Vec<AnswerRow>,
}

#[derive(Deserialize)]
struct AnswerRow {
    reference: String,
    /// Nothing for a row that was there before.
    balance_after: Option<String>,
}

/// What a server booked.
#[derive(Debug, Default)]
pub struct Sent {
    /// Accounts that were not there.
    pub accounts_opened: u64,
    /// Rows booked now.
    pub booked: u64,
    /// Rows that were there before.
    pub already_booked: u64,
    /// The log's position that has all of them; 0 when nothing was answered.
    pub position: u64,
    /// Rows whose balance at the server is not the file's.
    pub differences: Vec<Difference>,
    /// Why not every row was sent.
    pub stopped: Option<Stopped>,
}

/// Why sending ended early.
#[derive(Debug)]
pub enum Stopped {
    /// We were asked to.
    Interrupted,
    /// The server did not take a request.
    Failed(ClientError),
}

/// A balance that is not the file's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The row's line in the file, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What differs.
    pub what: String,
    /// As the file has it.
    pub file: String,
    /// As the server has it.
    pub server: String,
}

/// Books all rows: several requests at a time, those of one account one after the other. Ends early, with all answers
/// that are due, when `stop` is cancelled or a request fails.
pub async fn send(server: &Server, rows: &[Row], bar: &ProgressBar, stop: &CancellationToken) -> Sent {
    let sent = RefCell::new(Sent::default());
    let lanes = lanes(rows);
    join_all(lanes.iter().map(|lane| send_lane(server, lane, bar, stop, &sent))).await;
    let mut sent = sent.into_inner();
    sent.differences.sort_by_key(|difference| difference.line);
    sent
}

async fn send_lane(
    server: &Server,
    lane: &[&Row],
    bar: &ProgressBar,
    stop: &CancellationToken,
    sent: &RefCell<Sent>,
) {
    for chunk in lane.chunks(CHUNK_ROWS) {
        if sent.borrow().stopped.is_some() {
            return;
        }
        if stop.is_cancelled() {
            sent.borrow_mut().stopped = Some(Stopped::Interrupted);
            return;
        }
        let request = Request { rows: chunk.iter().map(|row| request_row(row)).collect() };
        let answer: Result<Answer, _> = server.post("/api/v1/import", None, &request, PATIENCE).await;
        let noted = answer.and_then(|answer| sent.borrow_mut().note(chunk, &answer));
        if let Err(error) = noted {
            sent.borrow_mut().stopped.get_or_insert(Stopped::Failed(error));
            return;
        }
        bar.inc(chunk.len() as u64);
    }
}

fn request_row(row: &Row) -> RequestRow<'_> {
    RequestRow {
        reference: &row.reference,
        account_reference: &row.account,
        booked_on: row.booked_on.format("%Y-%m-%d").to_string(),
        direction: row.direction,
        amount: row.amount.amount(),
        currency: row.currency().code(),
        settlement: row.settlement.as_str(),
        description: &row.description,
    }
}

impl Sent {
    fn note(&mut self, chunk: &[&Row], answer: &Answer) -> Result<(), ClientError> {
        self.accounts_opened = self.accounts_opened.saturating_add(answer.accounts_opened);
        self.booked = self.booked.saturating_add(answer.booked);
        self.already_booked = self.already_booked.saturating_add(answer.already_booked);
        self.position = self.position.max(answer.position);
        let answers: Vec<_> = answer.rows.iter().map(|row| row.reference.as_str()).collect();
        if !chunk.iter().map(|row| row.reference.as_str()).eq(answers) {
            let reason = "it does not name the rows that were sent, in their order";
            return Err(ClientError::Unreadable(reason.to_owned()));
        }
        for (row, answer) in chunk.iter().zip(&answer.rows) {
            let file = row.balance_after.amount();
            if let Some(server) = answer.balance_after.as_ref().filter(|balance| **balance != file) {
                self.differences.push(Difference {
                    line: Some(row.line),
                    what: format!("balance of account {} after transaction {}", row.account, row.reference),
                    file,
                    server: server.clone(),
                });
            }
        }
        Ok(())
    }
}

/// Rows in lanes of about the same length, each account's rows in one lane and in their order.
fn lanes(rows: &[Row]) -> Vec<Vec<&Row>> {
    let mut lanes: Vec<Vec<&Row>> = vec![Vec::new(); LANES];
    let mut lane_of: HashMap<&str, usize> = HashMap::new();
    let mut lengths = [0_usize; LANES];
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for row in rows {
        let count = counts.entry(&row.account).or_default();
        *count = count.saturating_add(1);
    }
    for row in rows {
        let lane = *lane_of.entry(&row.account).or_insert_with(|| {
            let shortest =
                lengths.iter().enumerate().min_by_key(|(_, length)| **length).map_or(0, |(lane, _)| lane);
            if let Some(length) = lengths.get_mut(shortest) {
                *length = length.saturating_add(counts.get(row.account.as_str()).copied().unwrap_or(0));
            }
            shortest
        });
        if let Some(lane) = lanes.get_mut(lane) {
            lane.push(row);
        }
    }
    lanes
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{LANES, lanes};
    use crate::import::file::{ReadOptions, parse};

    #[test]
    fn lanes_keep_each_accounts_order_and_share_the_work() {
        let mut text = super::super::tests::HEADER.to_owned();
        let mut number = 0;
        for round in 1..=5 {
            for account in 0..40 {
                number += 1;
                text +=
                    &format!("{number},{account},1993-01-01,credit,1.00,CZK,cash_deposit,,,,{round}.00\n");
            }
        }
        let rows = parse(text.as_bytes(), ReadOptions::default()).unwrap();
        let lanes = lanes(&rows);
        assert_eq!(lanes.iter().map(Vec::len).collect::<Vec<_>>(), vec![200 / LANES; LANES]);
        let mut seen = HashSet::new();
        for lane in &lanes {
            assert!(lane.is_sorted_by_key(|row| row.line));
            let accounts: HashSet<_> = lane.iter().map(|row| &row.account).collect();
            assert!(accounts.iter().all(|account| seen.insert(*account)));
        }
    }
}
