//! An event that a projection cannot take: it stops there, says so everywhere, the others go on, and once it is mended it goes on.

use std::process::Output;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::harness::{Program, Separate, run, text, until};

/// How long it may take until everybody knows.
const NOTICE_TIME_MAX: Duration = Duration::from_secs(30);
const PROJECTIONS: &str =
    "{ projections { name position lag lagSeconds stopped { position reason at } rebuilding { phase } } }";

async fn status(daybook: &Separate, arguments: &[&str]) -> Output {
    let place = daybook.dir().to_str().unwrap();
    let urls = [&daybook.queries[0], &daybook.commands[0], &daybook.projector, &daybook.node];
    let urls = urls.map(Program::url).join(",");
    run(&[&["status", "--data-dir", place, "--url", &urls], arguments].concat()).await
}

/// A projection as GraphQL shows it, without a position to wait for.
async fn projection(daybook: &Separate, name: &str) -> Value {
    // Nothing was ever told to this one.
    let bank = daybook.operator("looks", 0, 0).await;
    let data = bank.graphql(PROJECTIONS, Value::Null).await;
    let projections = data["projections"].as_array().unwrap();
    projections.iter().find(|projection| projection["name"] == name).unwrap().clone()
}

async fn metric(program: &Program, series: &str) -> f64 {
    let text = program.anybody().request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {series}: {text}")).parse().unwrap()
}

async fn health(program: &Program) -> (u16, Value) {
    let answer = program.anybody().request(Method::GET, "/health/ready").send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Everybody says that `accounts` has stopped, where and why; and that nothing else has.
async fn everybody_says_so(daybook: &Separate, account: &str) {
    // The event, and that the row is not as it should be.
    let is_reason = |said: &str| {
        said.contains(&format!("of stream account-{account}: only "))
            && said.contains("rows of accounts are as the events expect")
    };
    let stopped = until("GraphQL says so", NOTICE_TIME_MAX, async || {
        let accounts = projection(daybook, "accounts").await;
        (!accounts["stopped"].is_null()).then_some(accounts)
    })
    .await;
    let number = |value: &Value| -> u64 { text(value).parse().unwrap() };
    let position = number(&stopped["stopped"]["position"]);
    assert!(is_reason(&text(&stopped["stopped"]["reason"])), "{stopped}");
    assert!(number(&stopped["position"]) < position && number(&stopped["lag"]) > 0, "{stopped}");
    assert!(stopped["lagSeconds"].as_f64().unwrap() > 0.0, "{stopped}");
    let others = until("the others go on", NOTICE_TIME_MAX, async || {
        let others = projection(daybook, "transactions").await;
        (others["lag"] == "0").then_some(others)
    })
    .await;
    assert_eq!((&others["stopped"], &others["lagSeconds"]), (&Value::Null, &json!(0.0)), "{others}");

    let (code, report) = health(&daybook.projector).await;
    let said = &report["components"]["projector"];
    assert_eq!((code, &said["status"]), (503, &json!("failed")), "{report}");
    let said = text(&said["reason"]);
    assert!(
        said.starts_with(&format!("accounts stopped at position {position}: ")) && is_reason(&said),
        "{said}"
    );

    let series = |name: &str, of: &str| format!("daybook_projection_{name}{{projection=\"{of}\"}}");
    assert!((metric(&daybook.projector, &series("stopped", "accounts")).await - 1.0).abs() < f64::EPSILON);
    assert!(metric(&daybook.projector, &series("stopped", "transactions")).await < f64::EPSILON);
    until("the lag is measured", NOTICE_TIME_MAX, async || {
        let seconds = metric(&daybook.projector, &series("lag_seconds", "accounts")).await;
        let positions = metric(&daybook.projector, &series("lag_positions", "accounts")).await;
        (seconds > 0.0 && positions > 0.0).then_some(())
    })
    .await;

    let log = daybook.projector.said();
    let told = log.lines().any(|line| {
        line.contains("ERROR")
            && line.contains("projection stopped")
            && line.contains(&position.to_string())
            && is_reason(line)
    });
    assert!(told, "{log}");

    let seen = status(daybook, &[]).await;
    let said = String::from_utf8(seen.stdout).unwrap();
    assert_eq!(seen.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("! projection accounts stopped at position {position}: ")), "{said}");
    assert!(said.contains("NOT READY") && said.contains(&format!("STOPPED at {position} since ")), "{said}");
}

/// Everybody says that nothing is the matter.
async fn everybody_is_content(daybook: &Separate) {
    let seen = until("status is content", NOTICE_TIME_MAX, async || {
        let seen = status(daybook, &["--json"]).await;
        (seen.status.code() == Some(0)).then_some(seen)
    })
    .await;
    let seen: Value = serde_json::from_slice(&seen.stdout).unwrap();
    assert_eq!((&seen["problems"], &seen["transfers"]["dead_letters"]), (&json!([]), &json!([])), "{seen}");
    assert!(seen["throughput"]["events_per_second"].is_number(), "{seen}");
    assert!(seen["throughput"]["transfers_per_second"].is_number(), "{seen}");
    let roles: Vec<&Value> =
        seen["processes"].as_array().unwrap().iter().map(|process| &process["roles"]).collect();
    assert_eq!(
        roles,
        [&json!(["query"]), &json!(["command", "process_manager"]), &json!(["projector"]), &json!(["node"])]
    );
    assert_eq!(health(&daybook.projector).await.0, 200);
    assert!(projection(daybook, "accounts").await["stopped"].is_null());
    assert!(
        metric(&daybook.projector, "daybook_projection_stopped{projection=\"accounts\"}").await
            < f64::EPSILON
    );
}

/// Makes an account's row another than the events expect, or puts it right.
async fn shift_revision(daybook: &Separate, account: &str, by: i64) {
    let mut database = PgConnection::connect(&daybook.database.database_url()).await.unwrap();
    sqlx::query("update accounts set revision = revision + $2 where account_id = $1")
        .bind(account.parse::<i64>().unwrap())
        .bind(by)
        .execute(&mut database)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_projection_that_cannot_go_on_says_so_everywhere_and_goes_on_once_mended() {
    let mut daybook = Separate::start(1, 1).await;
    let bank = daybook.operator("stopped", 0, 0).await;
    let account = bank.open_with_euros("5.00").await;
    assert_eq!(bank.balance(&account).await, "5.00");
    everybody_is_content(&daybook).await;

    shift_revision(&daybook, &account, -1).await;
    bank.deposit(&account, "1.00").await;
    everybody_says_so(&daybook, &account).await;
    // Who asks for what it wrote is told why it has to wait; who does not sees the past.
    let path = format!("/api/v1/accounts/{account}");
    let refused = bank.get(&path).await.refuses(503, "projection_behind");
    assert!(text(&refused["detail"]).contains("accounts has stopped"), "{refused}");
    assert_eq!(daybook.operator("past", 0, 0).await.balance(&account).await, "5.00");

    // The row is put right, and the projector starts again.
    shift_revision(&daybook, &account, 1).await;
    daybook.projector.stop().await;
    daybook.projector.start().await;
    assert_eq!(bank.balance(&account).await, "6.00");
    everybody_is_content(&daybook).await;

    // Again; this time its rows are made anew, and nothing is started again.
    shift_revision(&daybook, &account, -1).await;
    bank.deposit(&account, "1.00").await;
    everybody_says_so(&daybook, &account).await;
    let url = daybook.database.database_url();
    let rebuilt = run(&["rebuild", "accounts", "--accept-differences", "--database-url", &url]).await;
    assert_eq!(rebuilt.status.code(), Some(0), "{rebuilt:?}");
    assert_eq!(bank.balance(&account).await, "7.00");
    everybody_is_content(&daybook).await;
    daybook.check().await;
    daybook.stop().await;
}
