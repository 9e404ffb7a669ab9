//! Proves every balance in the ledger's log. audit URL [TRANSFER'S STREAM]: shows that transfer, too.

use std::collections::BTreeMap;

use eventstore::{Client, ReadAllOptions, StreamPosition, SubscriptionFilter};
use serde_json::Value;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("audit URL [TRANSFER'S STREAM]")?;
    println!("{}", audit(&url, arguments.next().as_deref()).await?.join("\n"));
    Ok(())
}

/// An amount in its currency's smallest unit: it has exactly the currency's digits.
fn units(amount: &Value) -> Result<i64, Failure> {
    Ok(amount["amount"].as_str().ok_or("no amount")?.replace('.', "").parse()?)
}

pub async fn audit(url: &str, transfer: Option<&str>) -> Result<Vec<String>, Failure> {
    let client = Client::new(url.parse()?)?;
    let filter = SubscriptionFilter::on_stream_name().add_prefix("account-").add_prefix("transfer-");
    let options = ReadAllOptions::default().position(StreamPosition::Start).filter(filter);
    let mut read = client.read_all(&options).await?;
    let (mut lines, mut balances) = (Vec::new(), BTreeMap::new());
    while let Some(resolved) = read.next().await? {
        let event = resolved.get_original_event();
        let (stream, revision) = (event.stream_id().to_owned(), event.revision);
        let metadata: Value = serde_json::from_slice(&event.custom_metadata)?;
        let data: Value = event.as_json()?;
        if transfer.is_some_and(|transfer| metadata["$correlationId"] == transfer) {
            lines.push(format!("{} {stream} {revision} {}", event.position.commit, event.event_type));
        }
        let sign = match event.event_type.as_str() {
            "AccountDebited" => -1,
            "AccountCredited" | "DebitReversed" => 1,
            _ => continue,
        };
        let balance = balances.entry(stream.clone()).or_insert((0, String::new()));
        balance.0 += sign * units(&data["amount"])?;
        balance.1 = data["balance_after"]["amount"].as_str().unwrap_or_default().to_owned();
        if balance.0 != units(&data["balance_after"])? {
            return Err(format!("{stream} at revision {revision} should have {}: {data}", balance.0).into());
        }
    }
    lines.extend(balances.into_iter().map(|(stream, (_, amount))| format!("{stream} {amount}")));
    Ok(lines)
}
