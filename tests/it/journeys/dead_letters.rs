//! What no rule can end waits for a person: it is parked, seen, tried again, and ended as an operator says.

use std::process::Output;
use std::time::Duration;

use eventstore::{AppendToStreamOptions, EventData, ReadAllOptions};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::harness::{Answer, Client, Daybook, log_client, run, shared, text, until};

/// From a start, or an operator's word, to the dead letters.
const PARKING_TIME_MAX: Duration = Duration::from_secs(60);
/// From a question to Postgres's count of it.
const COUNTING_TIME_MAX: Duration = Duration::from_secs(60);
/// An account holds 9,223 times the largest transfer, and some.
const FULL: &str = "92233720368547758.07";
const LARGEST: &str = "10000000000000.00";
const ROWS: usize = 9_223;
const REST: &str = "3720368547758.07";
/// The roles without the one that drives transfers on.
const NOBODY_DRIVES: &str = "command,projector,query";
/// Rows of one request, and requests at a time.
const CHUNK: usize = 200;
const LANES: usize = 16;

fn row(reference: &str, account: &str, direction: &str, amount: &str, month: usize) -> Value {
    json!({
        "reference": reference, "account_reference": account, "booked_on": format!("2025-{month:02}-01"),
        "direction": direction, "amount": amount, "currency": "EUR", "settlement": "cash",
    })
}

async fn import(bank: &Client, rows: &[Value]) {
    let answer = bank.post("/api/v1/import", &json!({ "rows": rows })).await.is(200);
    assert_eq!(answer["booked"], rows.len(), "{answer}");
}

/// An account that cannot hold a cent more. The bank lives: another account is as deep in debt as the books need to add up in 64 bits.
async fn brimful(bank: &Client) -> String {
    let account = bank.open_with(&json!({ "currency": "EUR", "reference": "brim" })).await;
    let debts = ["debt-1", "debt-2"].map(|debt| row(debt, "debtor", "debit", LARGEST, 1));
    import(bank, &debts).await;
    let rows: Vec<Value> = (0..ROWS)
        .map(|number| row(&format!("fill-{number}"), "brim", "credit", LARGEST, 1))
        .chain([row("fill-rest", "brim", "credit", REST, 1)])
        .collect();
    stream::iter(rows.chunks(CHUNK)).for_each_concurrent(LANES, async |rows| import(bank, rows).await).await;
    assert_eq!(bank.balance(&account).await, FULL);
    account
}

/// What was booked for January last, after the debits of today: the sums leave 64 bits, the balance never did.
async fn by_business_time_more_was_on_it_than_an_account_holds(bank: &Client, full: &str) {
    const MORE: &str = "92233720368547762.07";
    let month = async |month: &str| {
        let page = bank.get(&format!("/api/v1/transactions/{full}/month/{month}?first=1")).await.is(200);
        ["opening", "closing", "total_credits"].map(|member| text(&page[member]))
    };
    assert_eq!(month("2025-01").await, ["0.00", MORE, MORE]);
    assert_eq!(month("2025-02").await, [MORE, MORE, "0.00"]);
    let data = bank
        .graphql(
            "query($id: ID!) { account(id: $id) { balanceAt(time: \"2025-03-01T00:00:00Z\") { amount }
                monthlyTotals(month: \"2025-01\") { closing totalCredits } statement(month: \"2025-02\") { opening } }
                trialBalance(asOf: \"2025-03-01T00:00:00Z\") { currency total } }",
            json!({ "id": full }),
        )
        .await;
    let account = json!({
        "balanceAt": { "amount": MORE },
        "monthlyTotals": { "closing": MORE, "totalCredits": MORE },
        "statement": { "opening": MORE },
    });
    assert_eq!(data, json!({ "account": account, "trialBalance": [{ "currency": "EUR", "total": "0.00" }] }));
}

/// Four transfers of 1.00 whose money can neither arrive nor come back.
struct Stuck {
    daybook: Daybook,
    bank: Client,
    full: String,
    frozen: String,
    elsewhere: String,
    transfers: Vec<String>,
}

impl Stuck {
    async fn transfers() -> Self {
        // Nobody drives transfers on while they are made.
        let mut daybook = Daybook::start_with(&["--roles", NOBODY_DRIVES]).await;
        let bank = daybook.operator("dead letters").await;
        let full = brimful(&bank).await;
        let (frozen, elsewhere) = (bank.open("EUR").await, bank.open("EUR").await);
        bank.command(&frozen, "freeze").await.is(200);
        let mut transfers = Vec::new();
        for number in 0..4 {
            transfers
                .push(bank.transfer(&format!("stuck-{number}"), &full, &frozen, "1.00").await.transfer_id());
        }
        import(&bank, &[row("refill", "brim", "credit", "4.00", 1)]).await;
        assert_eq!(bank.balance(&full).await, FULL);
        by_business_time_more_was_on_it_than_an_account_holds(&bank, &full).await;
        daybook.stop().await;
        daybook.without("--roles");
        daybook.restart().await;
        let bank = daybook.operator("dead letters").await;
        let stuck = Self { daybook, bank, full, frozen, elsewhere, transfers };
        until("they are parked", PARKING_TIME_MAX, async || {
            (stuck.listed("standing=parked").await.len() == 4).then_some(())
        })
        .await;
        stuck
    }

    async fn listed(&self, query: &str) -> Vec<Value> {
        let page = self.bank.get(&format!("/api/v1/deadletters?{query}")).await.is(200);
        page["dead_letters"].as_array().unwrap().clone()
    }

    async fn letter(&self, transfer: &str) -> Value {
        self.bank.get(&format!("/api/v1/deadletters/{transfer}")).await.is(200)
    }

    async fn stuck(&self, older_than: u32) -> Vec<Value> {
        let path = format!("/api/v1/transactions/stuck?older_than={older_than}");
        self.bank.get(&path).await.is(200)["transfers"].as_array().unwrap().clone()
    }

    /// Takes something off the full account, which others can do while its transfers are parked.
    async fn make_room(&self, key: &str, amount: &str) {
        let transfer = self.bank.transfer(key, &self.full, &self.elsewhere, amount).await.transfer_id();
        assert_eq!(self.bank.ended(&transfer).await["status"], "completed");
    }

    async fn resolve(&self, transfer: &str, resolution: &str) -> Answer {
        let body = json!({ "resolution": resolution, "reason": "ticket 4711" });
        self.bank.post(&format!("/api/v1/deadletters/{transfer}/resolve"), &body).await
    }

    async fn retry(&self, transfer: &str) -> Answer {
        self.bank.post(&format!("/api/v1/deadletters/{transfer}/retry"), &json!({})).await
    }

    /// Runs a command of the program as another operator.
    async fn command(&self, arguments: &[&str]) -> Output {
        let (url, dir) = (self.daybook.url(), self.daybook.dir().to_str().unwrap().to_owned());
        let who = ["--url", &url, "--data-dir", &dir, "--subject", "desk-7"];
        run(&[arguments, &who].concat()).await
    }

    async fn steps(&self, transfer: &str) -> Vec<String> {
        let status = self.bank.get(&format!("/api/v1/transactions/{transfer}/status")).await.is(200);
        status["timeline"].as_array().unwrap().iter().map(|step| text(&step["step"])).collect()
    }
}

#[track_caller]
fn printed(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn a_transfer_that_no_rule_can_end_is_ended_by_an_operator_once() {
    let mut stuck = Stuck::transfers().await;
    everybody_sees_them(&stuck).await;
    stuck_transfers_are_found_without_reading_all(&stuck).await;

    // What is parked stays parked, and is nobody's trouble, whatever is restarted.
    stuck.daybook.kill();
    stuck.daybook.restart().await;
    stuck.bank = stuck.daybook.operator("dead letters").await;
    stuck.make_room("a cent", "0.01").await;
    assert!(stuck.listed("standing=parked").await.iter().all(|letter| letter["times_parked"] == 1));

    retried_when_there_is_room(&stuck).await;
    refunded(&stuck).await;
    completed(&stuck).await;
    whoever_does_not_wait_to_the_end_is_told_so(&mut stuck).await;
    a_resolution_stands_while_it_cannot_be_done(&stuck).await;

    assert_eq!(stuck.listed("standing=parked").await, Vec::<Value>::new());
    assert_eq!(stuck.stuck(0).await, Vec::<Value>::new());
    let all = printed(&stuck.command(&["deadletter", "list", "--standing", "all", "--json"]).await, 0);
    let all: Vec<Value> = serde_json::from_str(&all).unwrap();
    let ends: Vec<_> = all.iter().map(|letter| text(&letter["transfer_status"])).collect();
    assert_eq!(ends, ["failed", "failed", "completed", "failed"]);
    assert_eq!(stuck.bank.balance(&stuck.frozen).await, "1.00");
    assert_eq!(stuck.bank.trial_balance().await[0]["inTransit"], "0.00");
    stuck.daybook.check().await;
}

async fn everybody_sees_them(stuck: &Stuck) {
    let Stuck { bank, full, frozen, transfers, .. } = stuck;
    let first = &transfers[0];
    let letter = stuck.letter(first).await;
    for (member, value) in [
        ("standing", "parked"),
        ("transfer_status", "pending"),
        ("step", "reverse"),
        ("reason", "balance_out_of_range"),
        ("from_account", full),
        ("to_account", frozen),
        ("amount", "1.00"),
    ] {
        assert_eq!(letter[member], value, "{letter}");
    }
    let events: Vec<_> =
        letter["history"].as_array().unwrap().iter().map(|row| text(&row["event"])).collect();
    assert_eq!(events, ["failed", "parked"]);
    assert_eq!(letter["history"][1]["actor"], "process-manager");
    assert_eq!(stuck.steps(first).await, ["requested", "debited", "credit_refused", "parked"]);

    // In pages, in an order that does not change.
    let page = bank.get("/api/v1/deadletters?standing=parked&first=3").await.is(200);
    let rest = stuck.listed(&format!("standing=parked&after={}", text(&page["next"]))).await;
    let listed: Vec<_> = page["dead_letters"].as_array().unwrap().iter().chain(&rest).collect();
    let ids: Vec<_> = listed.iter().map(|letter| text(&letter["transfer_id"])).collect();
    assert_eq!(ids, *transfers);
    for (older_than, count) in [(0, 4), (1_000_000, 0)] {
        let old = stuck.stuck(older_than).await;
        assert_eq!(old.len(), count);
        assert!(old.iter().all(|row| row["step"] == "reverse" && row["parked"] == true), "{old:?}");
    }

    let auditor = stuck.daybook.auditor().await;
    let data = auditor
        .graphql(
            "query($id: ID!) {
                deadLetters(standing: PARKED, first: 3) { edges { node { transferId } } pageInfo { hasNextPage endCursor } }
                deadLetter(transferId: $id) { standing step reason timesParked history { event actor reason step } }
                transfer(id: $id) { status deadLetter { attempts } }
                stuckTransfers(olderThanSeconds: 0) { edges { node { transfer { id } ageSeconds step parked } } } }",
            json!({ "id": first }),
        )
        .await;
    assert_eq!(data["deadLetters"]["edges"].as_array().unwrap().len(), 3);
    assert_eq!(data["deadLetters"]["pageInfo"]["hasNextPage"], true);
    assert_eq!(
        data["deadLetter"],
        json!({ "standing": "PARKED", "step": "REVERSE", "reason": "balance_out_of_range", "timesParked": 1, "history": [
            { "event": "FAILED", "actor": "process-manager", "reason": "balance_out_of_range", "step": null },
            { "event": "PARKED", "actor": "process-manager", "reason": "balance_out_of_range", "step": "REVERSE" },
        ] })
    );
    assert_eq!(data["transfer"], json!({ "status": "PENDING", "deadLetter": { "attempts": 1 } }));
    let oldest = &data["stuckTransfers"]["edges"][0]["node"];
    assert_eq!((&oldest["transfer"]["id"], &oldest["parked"]), (&json!(first), &json!(true)));
    auditor.post(&format!("/api/v1/deadletters/{first}/retry"), &json!({})).await.refuses(403, "forbidden");

    let listed = printed(&stuck.command(&["deadletter", "list"]).await, 0);
    assert!(transfers.iter().all(|transfer| listed.contains(&**transfer)), "{listed}");
    until("they are a second old", PARKING_TIME_MAX, async || {
        let old = printed(&stuck.command(&["transfers", "stuck", "--older-than", "1s"]).await, 0);
        transfers.iter().all(|transfer| old.contains(&**transfer)).then_some(())
    })
    .await;
    // Questions may go to another process than commands.
    let (reads, dir) = (stuck.daybook.url(), stuck.daybook.dir().to_str().unwrap());
    let divided = ["--url", "http://127.0.0.1:1", "--query-url", &reads, "--data-dir", dir];
    let elsewhere = run(&[&["deadletter", "list"], &divided[..]].concat()).await;
    assert_eq!(printed(&elsewhere, 0), listed);
    let shown = printed(&stuck.command(&["deadletter", "show", first]).await, 0);
    assert!(shown.contains("process-manager") && shown.contains("balance_out_of_range"), "{shown}");

    let sums = bank.trial_balance().await;
    assert_eq!(sums[0]["inTransit"], "4.00", "{sums}");
}

/// Nine thousand transfers have ended, four have not: only the index over those is read.
async fn stuck_transfers_are_found_without_reading_all(stuck: &Stuck) {
    const QUESTIONS: i64 = 20;
    let mut database = PgConnection::connect(&stuck.daybook.database_url()).await.unwrap();
    sqlx::query("analyze transfers").execute(&mut database).await.unwrap();
    let mut scans = async || {
        let (by_index, whole): (i64, i64) = sqlx::query_as(
            "select (select idx_scan from pg_stat_user_indexes where indexrelname = 'transfers_pending'),
                    (select seq_scan from pg_stat_user_tables where relname = 'transfers')",
        )
        .fetch_one(&mut database)
        .await
        .unwrap();
        (by_index, whole)
    };
    let before = scans().await;
    for _ in 0..QUESTIONS {
        assert_eq!(stuck.stuck(0).await.len(), 4);
    }
    // Postgres counts late.
    let after = until("the index is used", COUNTING_TIME_MAX, async || {
        let after = scans().await;
        (after.0 >= before.0 + QUESTIONS).then_some(after)
    })
    .await;
    assert_eq!(after.1, before.1, "the whole table was read");
    database.close().await.unwrap();
}

async fn retried_when_there_is_room(stuck: &Stuck) {
    let transfer = &stuck.transfers[0];
    let again = ["deadletter", "retry", transfer, "--reason", "perhaps now"];
    let said = printed(&stuck.command(&again).await, 1);
    assert!(said.contains("parked again (balance_out_of_range)"), "{said}");
    let letter = stuck.letter(transfer).await;
    assert_eq!((&letter["standing"], &letter["times_parked"]), (&json!("parked"), &json!(2)));
    let retried = &letter["history"][2];
    assert_eq!(
        (&retried["event"], &retried["actor"], &retried["reason"]),
        (&json!("retried"), &json!("operator:desk-7"), &json!("perhaps now"))
    );

    stuck.make_room("room to retry", "1.00").await;
    let said = printed(&stuck.command(&again).await, 0);
    assert!(said.contains("failed (account_frozen): 1.00 EUR are back"), "{said}");
    let steps = stuck.steps(transfer).await;
    assert_eq!(steps[steps.len() - 3..], ["retried", "reversed", "failed"]);
    // It has ended: the word that ended it may be said again, another may not.
    let repeated = stuck.retry(transfer).await;
    assert!(repeated.is_replayed());
    assert_eq!(repeated.is(202)["standing"], "retried");
    stuck.resolve(transfer, "complete").await.refuses(409, "transfer_not_parked");
    assert_eq!(stuck.letter(transfer).await["history"].as_array().unwrap().len(), 6);
}

async fn refunded(stuck: &Stuck) {
    let transfer = &stuck.transfers[1];
    stuck.make_room("room to refund", "1.00").await;
    let answer = stuck.resolve(transfer, "refund").await;
    assert!(!answer.is_replayed() && answer.position() > 0);
    let answer = answer.is(202);
    for (member, value) in [("transfer_id", &**transfer), ("standing", "resolved"), ("resolution", "refund")]
    {
        assert_eq!(answer[member], value, "{answer}");
    }
    let ended = stuck.bank.ended(transfer).await;
    assert_eq!((&ended["status"], &ended["failure_reason"]), (&json!("failed"), &json!("account_frozen")));
    resolved_once(stuck, transfer, "refund", "complete").await;
}

async fn completed(stuck: &Stuck) {
    let transfer = &stuck.transfers[2];
    let resolve =
        ["deadletter", "resolve", transfer, "--complete", "--reason", "the payee insists", "--json"];
    let report: Value = serde_json::from_str(&printed(&stuck.command(&resolve).await, 0)).unwrap();
    assert_eq!((&report["outcome"], &report["resolution"]), (&json!("completed"), &json!("complete")));
    // The account takes it although it is frozen: there is no other place for it.
    assert_eq!(stuck.bank.balance(&stuck.frozen).await, "1.00");
    assert_eq!(
        stuck.steps(transfer).await,
        [
            "requested",
            "debited",
            "credit_refused",
            "parked",
            "resolved",
            "reversal_waived",
            "credited",
            "completed"
        ]
    );
    let letter = stuck.letter(transfer).await;
    let said = letter["history"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&said["event"], &said["actor"], &said["reason"], &said["resolution"]),
        (&json!("resolved"), &json!("operator:desk-7"), &json!("the payee insists"), &json!("complete"))
    );
    resolved_once(stuck, transfer, "complete", "refund").await;
    assert_eq!(stuck.bank.entries(&stuck.frozen).await.len(), 1);
}

/// While nobody drives transfers on, nothing comes of an operator's word.
async fn whoever_does_not_wait_to_the_end_is_told_so(stuck: &mut Stuck) {
    let transfer = stuck.transfers[3].clone();
    stuck.daybook.stop().await;
    stuck.daybook.with("--roles", NOBODY_DRIVES);
    stuck.daybook.restart().await;
    let retry = ["deadletter", "retry", &transfer];
    let say = async |stuck: &Stuck, how: &[&str], code| {
        printed(&stuck.command(&[&retry, how].concat()).await, code)
    };
    let said = say(stuck, &["--no-wait"], 0).await;
    assert_eq!(said, format!("Said. What comes of it: daybook deadletter show {transfer}\n"));
    // It stands, and may be said again.
    let said: Value = serde_json::from_str(&say(stuck, &["--no-wait", "--json"], 0).await).unwrap();
    assert_eq!(said["transfer_id"], *transfer);
    assert!(said["position"].as_u64() > Some(0), "{said}");
    let said = say(stuck, &["--wait", "1s"], 1).await;
    assert!(said.contains("has not ended yet"), "{said}");
    let said: Value = serde_json::from_str(&say(stuck, &["--wait", "1s", "--json"], 1).await).unwrap();
    assert_eq!((&said["outcome"], &said["standing"]), (&json!("under_way"), &json!("retried")));

    stuck.daybook.stop().await;
    stuck.daybook.without("--roles");
    stuck.daybook.restart().await;
    stuck.bank = stuck.daybook.operator("dead letters").await;
    until("it is parked again", PARKING_TIME_MAX, async || {
        (stuck.letter(&transfer).await["standing"] == "parked").then_some(())
    })
    .await;
}

/// Without room the money cannot go back, whoever says so: it is parked again, and the word stands until it can be done.
async fn a_resolution_stands_while_it_cannot_be_done(stuck: &Stuck) {
    let transfer = &stuck.transfers[3];
    let refund = ["deadletter", "resolve", transfer, "--refund", "--reason", "ticket 4712"];
    let said = printed(&stuck.command(&refund).await, 1);
    assert!(said.contains("parked again"), "{said}");
    let letter = stuck.letter(transfer).await;
    assert_eq!((&letter["standing"], &letter["resolution"]), (&json!("parked"), &json!("refund")));
    stuck.resolve(transfer, "complete").await.refuses(409, "already_resolved");
    stuck.make_room("room at last", "1.00").await;
    let said = printed(&stuck.command(&refund).await, 0);
    assert!(said.contains("are back on account"), "{said}");
    resolved_once(stuck, transfer, "refund", "complete").await;
}

/// Said again, it is the same answer and changes nothing; the other way is closed.
async fn resolved_once(stuck: &Stuck, transfer: &str, resolution: &str, other: &str) {
    let (before, balance) = (stuck.letter(transfer).await, stuck.bank.balance(&stuck.full).await);
    let again = stuck.resolve(transfer, resolution).await;
    assert!(again.is_replayed());
    let again = again.is(202);
    assert_eq!((&again["standing"], &again["resolution"]), (&json!("resolved"), &json!(resolution)));
    stuck.resolve(transfer, other).await.refuses(409, "already_resolved");
    stuck.retry(transfer).await.refuses(409, "transfer_not_parked");
    assert_eq!(stuck.letter(transfer).await, before);
    assert_eq!(stuck.bank.balance(&stuck.full).await, balance);
    stuck.bank.trial_balance().await;
}

#[tokio::test]
async fn only_what_is_parked_can_be_retried_or_resolved() {
    let daybook = shared().await;
    let bank = daybook.operator("never parked").await;
    let (from, to) = (bank.open_with_euros("2.00").await, bank.open("EUR").await);
    let transfer = bank.transfer("k", &from, &to, "1.00").await.transfer_id();
    bank.ended(&transfer).await;
    let path = |word: &str| format!("/api/v1/deadletters/{transfer}{word}");
    let refund = json!({ "resolution": "refund", "reason": "ticket 4711" });
    bank.post(&path("/retry"), &json!({})).await.refuses(404, "transfer_not_parked");
    bank.post(&path("/resolve"), &refund).await.refuses(404, "transfer_not_parked");
    bank.get(&path("")).await.refuses(404, "dead_letter_not_found");
    let data = bank
        .graphql("query($id: ID!) { deadLetter(transferId: $id) { standing } transfer(id: $id) { deadLetter { standing } } }", json!({ "id": transfer }))
        .await;
    assert_eq!(data, json!({ "deadLetter": null, "transfer": { "deadLetter": null } }));

    for (body, code) in [
        (json!({ "resolution": "burn", "reason": "ticket 4711" }), "invalid_body"),
        (json!({ "resolution": "refund" }), "invalid_body"),
        (json!({ "resolution": "refund", "reason": "" }), "invalid_reason"),
        (json!({ "resolution": "refund", "reason": "x".repeat(501) }), "invalid_reason"),
    ] {
        bank.post(&path("/resolve"), &body).await.refuses(400, code);
    }
    bank.post(&path("/retry"), &json!({ "reason": "two\nlines" })).await.refuses(400, "invalid_reason");
    bank.post("/api/v1/deadletters/x/retry", &json!({})).await.refuses(400, "invalid_id");
    for query in ["standing=lost", "first=201", "after=!", "color=red"] {
        let answer = bank.get(&format!("/api/v1/deadletters?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
        let answer = bank.get(&format!("/api/v1/transactions/stuck?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
    }
}

/// As when a driver ends a transfer that was just parked by another.
#[tokio::test]
async fn what_was_parked_and_has_ended_all_the_same_is_not_listed_as_parked() {
    let daybook = shared().await;
    let bank = daybook.operator("ended letters").await;
    let (from, to) = (bank.open_with_euros("2.00").await, bank.open("EUR").await);
    let transfer = bank.transfer("k", &from, &to, "1.00").await.transfer_id();
    bank.ended(&transfer).await;
    let log = log_client(daybook.log());
    let mut all = log.read_all(&ReadAllOptions::default()).await.unwrap();
    let stream = loop {
        let event = all.next().await.unwrap().unwrap().event.unwrap();
        let data: Value = serde_json::from_slice(&event.data).unwrap_or_default();
        if event.event_type == "TransferRequested" && data["transfer_id"] == *transfer {
            break event.stream_id().to_owned();
        }
    };
    let parked = json!({
        "transfer_id": transfer, "stream": stream, "from": from, "to": to, "amount": { "amount": "1.00", "currency": "EUR" },
        "step": "credit", "reason": "a driver that slept", "attempts": 9,
    });
    let metadata = json!({
        "$correlationId": stream, "actor": "process-manager", "booked_at": "2026-11-30T12:00:00Z", "version": 1,
    });
    let event = EventData::json("TransferParked", &parked).unwrap().id(Uuid::new_v4());
    let event = event.metadata_as_json(&metadata).unwrap();
    let placed =
        log.append_to_stream("deadletter-transfer", &AppendToStreamOptions::default(), event).await.unwrap();
    bank.reads_at(placed.position.commit);

    let listed = async |query: &str| {
        let page = bank.get(&format!("/api/v1/deadletters{query}")).await.is(200);
        let mut letters = page["dead_letters"].as_array().unwrap().clone();
        letters.retain(|letter| letter["transfer_id"] == *transfer);
        letters.pop().map(|letter| (text(&letter["standing"]), text(&letter["transfer_status"])))
    };
    let ended = Some(("ended".to_owned(), "completed".to_owned()));
    assert_eq!(listed("?standing=parked").await, None);
    assert_eq!(listed("?standing=ended").await, ended);
    assert_eq!(listed("").await, ended);
    let data = bank
        .graphql(
            "query($id: ID!) { deadLetters(standing: PARKED) { edges { node { transferId } } } deadLetter(transferId: $id) { standing } }",
            json!({ "id": transfer }),
        )
        .await;
    assert_eq!(data["deadLetter"], json!({ "standing": "ENDED" }));
    assert!(!data["deadLetters"].to_string().contains(&transfer), "{data}");
    let list = |standing| ["deadletter", "list", "--standing", standing, "--url"].map(str::to_owned);
    let who = ["--data-dir".to_owned(), daybook.dir().to_str().unwrap().to_owned()];
    for (standing, count) in [("parked", 0), ("ended", 1)] {
        let arguments: Vec<_> =
            list(standing).into_iter().chain([daybook.url()]).chain(who.clone()).collect();
        let printed = printed(&run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await, 0);
        assert_eq!(printed.matches(&transfer).count(), count, "{printed}");
    }
}

#[tokio::test]
async fn dead_letters_are_the_banks_own_business() {
    let daybook = shared().await;
    let bank = daybook.operator("whose letters").await;
    let user = bank.post("/api/v1/users", &json!({ "name": "Eva" })).await.is(201);
    let eva = daybook.customer(&text(&user["user_id"])).await;
    for path in ["/api/v1/deadletters", "/api/v1/deadletters/1", "/api/v1/transactions/stuck"] {
        eva.get(path).await.refuses(403, "forbidden");
    }
    let refund = json!({ "resolution": "refund", "reason": "please" });
    eva.post("/api/v1/deadletters/1/resolve", &refund).await.refuses(403, "forbidden");
    eva.post("/api/v1/deadletters/1/retry", &json!({})).await.refuses(403, "forbidden");
    for query in [
        "{ deadLetters { edges { node { transferId } } } }",
        "{ deadLetter(transferId: 1) { transferId } }",
        "{ stuckTransfers { edges { node { ageSeconds } } } }",
    ] {
        assert_eq!(eva.graphql_error(query, Value::Null).await, "forbidden");
    }
}
