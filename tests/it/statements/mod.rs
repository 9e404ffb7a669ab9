//! Months are closed, and their statements read by others.

mod closed;
mod databases;
mod downloads;
mod files;
mod month_end;
mod s3;
#[path = "../../../statements/src/tools.rs"]
mod tools;

use std::path::PathBuf;
use std::process::Output;

use file_store::Sha256;
use reqwest::redirect::Policy;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::harness::{Client, Daybook, POSITION, text};

/// Runs `daybook month close` beside a daybook.
async fn month_close(daybook: &Daybook, month: &str) -> Output {
    with_place(daybook, month, &[]).await
}

/// As [`month_close`], with more arguments.
async fn with_place(daybook: &Daybook, month: &str, arguments: &[&str]) -> Output {
    let dir = daybook.dir().to_str().unwrap();
    let close = ["month", "close", month, "--json", "--bank-name", "Bank of Bohemia"];
    let place = ["--data-dir", dir, "--event-store", daybook.log()];
    daybook.run_beside(&[&close[..], &place, arguments].concat()).await
}

/// What the command tells of a close without failures.
#[track_caller]
fn read_close(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Closes it; what the command tells.
async fn closed(daybook: &Daybook, month: &str) -> Value {
    read_close(&month_close(daybook, month).await)
}

/// The advisory lock of whoever closes a month.
const CLOSE_LOCK: i64 = 0x6461_7962_6f6f_6b20;

/// What it says when it refuses.
async fn refused(daybook: &Daybook, month: &str) -> String {
    let output = month_close(daybook, month).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A row from elsewhere.
fn row(number: &str, account: &str, day: &str, direction: &str, amount: &str) -> Value {
    json!({ "reference": number, "account_reference": account, "booked_on": day, "direction": direction,
            "amount": amount, "currency": "EUR", "settlement": "cash" })
}

async fn book(bank: &Client, rows: &[Value]) {
    let answer = bank.post("/api/v1/import", &json!({ "rows": rows })).await.is(200);
    assert_eq!(answer["booked"], rows.len(), "{answer}");
}

/// A user with an account that has this reference.
async fn holder(bank: &Client, name: &str, reference: &str) -> (String, String) {
    let user = bank.user(name).await;
    let account =
        bank.open_with(&json!({ "currency": "EUR", "user_id": user, "reference": reference })).await;
    (user, account)
}

/// Where a file of a statement is, in the folder.
fn file(daybook: &Daybook, account: &str, month: &str, name: &str) -> PathBuf {
    daybook.dir().join("files/statements").join(account).join(month).join(name)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::of(bytes).to_string()
}

/// Asks without following.
fn plain() -> reqwest::Client {
    reqwest::Client::builder().redirect(Policy::none()).build().unwrap()
}

/// A link to a file of a statement, and what is told of the file.
async fn link(daybook: &Daybook, client: &Client, account: &str, month: &str, format: &str) -> Value {
    link_at(
        daybook,
        client,
        &format!("/api/v1/transactions/{account}/month/{month}/download?format={format}"),
    )
    .await
}

/// A link that is asked for at a path.
async fn link_at(daybook: &Daybook, client: &Client, path: &str) -> Value {
    let at = text(&client.graphql("{ position }", Value::Null).await["position"]);
    let request =
        plain().get(format!("{}{path}", daybook.url())).bearer_auth(client.token()).header(POSITION, at);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 302);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let told: Value = answer.json().await.unwrap();
    assert_eq!(told["url"], location);
    told
}

/// Follows a link as anybody.
async fn follow(daybook: &Daybook, url: &str, headers: &[(&str, &str)]) -> Response {
    asked(Method::GET, daybook, url, headers).await
}

/// As [`follow`], by another method.
async fn asked(method: Method, daybook: &Daybook, url: &str, headers: &[(&str, &str)]) -> Response {
    let url = if url.starts_with('/') { format!("{}{url}", daybook.url()) } else { url.to_owned() };
    let request = plain().request(method, url);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.send().await.unwrap()
}

/// What a program said, which must have ended well.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
