//! Links to files.

use chrono::Utc;
use file_store::{FileStore, Location, UrlSecret};
use serde_json::{Value, json};

use super::{book, closed, follow, holder, link, link_at, row, said, sha256};
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

#[tokio::test]
async fn several_months_come_as_one_file() {
    let daybook = Daybook::start().await;
    let bank = daybook.operator("several").await;
    let (_, account) = holder(&bank, "Zoë", "sv-1").await;
    let rows = [
        row("s1", "sv-1", "1993-01-04", "credit", "10.00"),
        row("s2", "sv-1", "1993-02-04", "credit", "20.00"),
        row("s3", "sv-1", "1993-03-04", "debit", "1.50"),
    ];
    book(&bank, &rows).await;
    for month in ["1993-01", "1993-02", "1993-03"] {
        closed(&daybook, month).await;
    }
    let several = async |format: &str| {
        let query = format!("from=1992-11&to=1993-03&format={format}");
        let told =
            link_at(&daybook, &bank, &format!("/api/v1/transactions/{account}/download?{query}")).await;
        let bytes = follow(&daybook, &text(&told["url"]), &[]).await.bytes().await.unwrap();
        assert_eq!(
            (sha256(&bytes), bytes.len() as u64),
            (text(&told["sha256"]), told["bytes"].as_u64().unwrap())
        );
        assert_eq!(told["months"], json!(["1993-01", "1993-02", "1993-03"]));
        let path = daybook.dir().join(format!("several.{format}"));
        std::fs::write(&path, bytes).unwrap();
        (path.to_str().unwrap().to_owned(), text(&told["sha256"]))
    };
    let (pdf, digest) = several("pdf").await;
    assert!(said("pdfinfo", &[&pdf]).lines().any(|line| line.starts_with("Pages:") && line.ends_with(" 3")));
    let shown = said("pdftotext", &["-layout", &pdf, "-"]);
    let places = ["10.00", "30.00", "28.50"].map(|closing| shown.find(closing).unwrap());
    assert!(places.is_sorted(), "{shown}");
    // It is found again, not made again.
    assert_eq!(several("pdf").await.1, digest);
    let (zip, _) = several("csv").await;
    let listed = said("python3", &["-m", "zipfile", "-l", &zip]);
    for month in ["1993-01", "1993-02", "1993-03"] {
        assert!(listed.contains(&format!("{account}-{month}-statement.csv")), "{listed}");
    }
    let none = format!("/api/v1/transactions/{account}/download?from=1990-01&to=1991-01");
    bank.get(&none).await.refuses(404, "statement_not_issued");
}
