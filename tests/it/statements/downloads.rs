//! Links to files.

use chrono::Utc;
use file_store::{FileStore, Location, UrlSecret};
use serde_json::{Value, json};

use super::{book, closed, follow, holder, link, row, sha256};
use crate::harness::{Daybook, text};

const DOWNLOAD_URL: &str = "query($id: ID!, $month: String!) {
    account(id: $id) { statement(month: $month) { closing downloadUrl(format: CAMT053) } } }";

#[tokio::test]
async fn a_statement_is_for_its_holder_and_for_whoever_has_a_link_that_is_good() {
    let daybook = Daybook::start().await;
    let bank = daybook.operator("downloads").await;
    let (user, account) = holder(&bank, "Zoë", "dl-1").await;
    let (other, _) = holder(&bank, "Yves", "dl-2").await;
    book(&bank, &[row("d1", "dl-1", "1993-01-04", "credit", "10.00")]).await;
    let path = format!("/api/v1/transactions/{account}/month/1993-01/download");
    bank.get(&path).await.refuses(404, "statement_not_issued");
    closed(&daybook, "1993-01").await;

    let (holder, stranger) = (daybook.customer(&user).await, daybook.customer(&other).await);
    stranger.get(&path).await.refuses(404, "account_not_found");
    bank.get(&format!("{path}?format=docx")).await.refuses(400, "invalid_query");
    let told = link(&daybook, &holder, &account, "1993-01", "pdf").await;
    let url = text(&told["url"]);

    let answer = follow(&daybook, &url, &[]).await;
    assert_eq!(answer.status(), 200);
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    let tag = format!("\"{}\"", text(&told["sha256"]));
    assert_eq!((header("etag"), header("content-type")), (tag.clone(), "application/pdf".to_owned()));
    assert!(header("content-disposition").contains(&format!("{account}-1993-01-statement.pdf")));
    assert!(
        header("cache-control").starts_with("public, max-age=")
            && header("cache-control").ends_with("immutable")
    );
    let bytes = answer.bytes().await.unwrap();
    assert_eq!(
        (sha256(&bytes), bytes.len() as u64),
        (text(&told["sha256"]), told["bytes"].as_u64().unwrap())
    );

    assert_eq!(follow(&daybook, &url, &[("if-none-match", &tag)]).await.status(), 304);
    let part = follow(&daybook, &url, &[("range", "bytes=0-4")]).await;
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], format!("bytes 0-4/{}", bytes.len()));
    assert_eq!(part.bytes().await.unwrap(), &b"%PDF-"[..]);
    assert_eq!(follow(&daybook, &url, &[("range", "bytes=99999999-")]).await.status(), 416);

    let refuses = async |url: &str, status: u16, code: &str| {
        let answer = follow(&daybook, url, &[]).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (status, &"application/problem+json".parse().unwrap())
        );
        assert_eq!(answer.json::<Value>().await.unwrap()["code"], code);
    };
    refuses(&url.replace("statement.pdf", "statement.csv"), 403, "link_invalid").await;
    refuses(&url.replace("expires=1", "expires=2"), 403, "link_invalid").await;
    // Signed an hour ago with the same key.
    let secret = std::fs::read(daybook.dir().join("secrets/files.key")).unwrap().try_into().unwrap();
    let files =
        FileStore::open(&Location::Folder(daybook.dir().join("files")), UrlSecret::new(secret)).unwrap();
    let key = format!("statements/{account}/1993-01/statement.pdf").parse().unwrap();
    let (minute, hour) = (std::time::Duration::from_secs(60), chrono::TimeDelta::hours(1));
    refuses(&files.url_for(&key, minute, Utc::now() - hour).await.unwrap(), 410, "link_expired").await;

    let asked = holder.graphql(DOWNLOAD_URL, json!({ "id": account, "month": "1993-01" })).await;
    let statement = &asked["account"]["statement"];
    assert_eq!(statement["closing"], "10.00");
    let camt = follow(&daybook, &text(&statement["downloadUrl"]), &[]).await.text().await.unwrap();
    assert!(camt.contains("camt.053.001.08"), "{camt}");
    let open = holder.graphql(DOWNLOAD_URL, json!({ "id": account, "month": "1993-02" })).await;
    assert_eq!(open["account"]["statement"]["downloadUrl"], Value::Null);
}
