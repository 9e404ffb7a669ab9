//! Links to files.

use chrono::Utc;
use file_store::{FileStore, Location, UrlSecret};
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::closed::{MONTHS, closed_bank};
use super::{asked, book, closed, file, follow, holder, link, link_at, row, said, sha256};
use crate::harness::{Daybook, text};

const DOWNLOAD_URL: &str = "query($id: ID!, $month: String!) {
    account(id: $id) { statement(month: $month) { closing downloadUrl(format: CAMT053) } } }";

#[tokio::test]
async fn a_statement_is_for_its_holder_and_for_whoever_has_a_link_that_is_good() {
    let closed = closed_bank().await;
    let (daybook, bank, account) = (&closed.daybook, &closed.bank, &closed.account);
    let (holder, stranger) =
        (daybook.customer(&closed.holder).await, daybook.customer(&closed.stranger).await);
    let path = format!("/api/v1/transactions/{account}/month/1993-01/download");
    stranger.get(&path).await.refuses(404, "account_not_found");
    let several = format!("/api/v1/transactions/{account}/download?from=1993-01&to=1993-03");
    stranger.get(&several).await.refuses(404, "account_not_found");
    let of_cash = format!("/api/v1/transactions/{}/month/1993-01/download", closed.cash);
    holder.get(&of_cash).await.refuses(404, "account_not_found");
    daybook.anybody().get(&path).await.refuses(401, "unauthenticated");
    bank.get(&format!("{path}?format=docx")).await.refuses(400, "invalid_query");
    bank.get(&path.replace("1993-01", "1992-12")).await.refuses(404, "statement_not_issued");
    let told = link(daybook, &holder, account, "1993-01", "pdf").await;
    let url = text(&told["url"]);

    let answer = follow(daybook, &url, &[]).await;
    assert_eq!(answer.status(), 200);
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    let tag = format!("\"{}\"", text(&told["sha256"]));
    assert_eq!((header("etag"), header("content-type")), (tag.clone(), "application/pdf".to_owned()));
    assert!(header("content-disposition").contains(&format!("{account}-1993-01-statement.pdf")));
    let cached = header("cache-control");
    let seconds = cached.strip_prefix("public, max-age=").and_then(|rest| rest.strip_suffix(", immutable"));
    let seconds: u64 = seconds.unwrap_or_else(|| panic!("{cached}")).parse().unwrap();
    assert!((1..=15 * 60).contains(&seconds), "{cached}");
    let bytes = answer.bytes().await.unwrap();
    assert_eq!(
        (sha256(&bytes), bytes.len() as u64),
        (text(&told["sha256"]), told["bytes"].as_u64().unwrap())
    );

    let no_store: HeaderValue = "no-store".parse().unwrap();
    let head = asked(Method::HEAD, daybook, &url, &[]).await;
    assert_eq!((head.status().as_u16(), &head.headers()["etag"]), (200, &tag.parse().unwrap()));
    assert_eq!(head.headers()["content-length"], bytes.len().to_string());
    assert!(head.bytes().await.unwrap().is_empty());
    let same = follow(daybook, &url, &[("if-none-match", &tag)]).await;
    assert_eq!((same.status().as_u16(), &same.headers()["etag"]), (304, &tag.parse().unwrap()));
    assert_eq!(follow(daybook, &url, &[("if-none-match", "\"another\"")]).await.status(), 200);
    let part = follow(daybook, &url, &[("range", "bytes=0-4")]).await;
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], format!("bytes 0-4/{}", bytes.len()));
    assert_eq!(part.bytes().await.unwrap(), &b"%PDF-"[..]);
    let beyond = follow(daybook, &url, &[("range", "bytes=99999999-")]).await;
    assert_eq!((beyond.status().as_u16(), &beyond.headers()["cache-control"]), (416, &no_store));
    assert_eq!(beyond.headers()["content-range"], format!("bytes */{}", bytes.len()));
    let changed = [("range", "bytes=0-4"), ("if-range", "\"another\"")];
    assert_eq!(follow(daybook, &url, &changed).await.bytes().await.unwrap(), bytes);

    let refuses = async |url: &str, status: u16, code: &str| {
        let answer = follow(daybook, url, &[]).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (status, &"application/problem+json".parse().unwrap())
        );
        // What a link gives may change: no cache keeps that it gave nothing.
        assert_eq!(answer.headers()["cache-control"], no_store);
        assert_eq!(answer.json::<Value>().await.unwrap()["code"], code);
    };
    refuses(&url.replace("statement.pdf", "statement.csv"), 403, "link_invalid").await;
    refuses(&url.replace("expires=1", "expires=2"), 403, "link_invalid").await;
    refuses(&url.replace("signature=", "signature=0"), 403, "link_invalid").await;
    // Signed an hour ago with the same key.
    let secret = std::fs::read(daybook.dir().join("secrets/files.key")).unwrap().try_into().unwrap();
    let files =
        FileStore::open(&Location::Folder(daybook.dir().join("files")), UrlSecret::new(secret)).unwrap();
    let key = format!("statements/{account}/1993-01/statement.pdf").parse().unwrap();
    let (minute, hour) = (std::time::Duration::from_secs(60), chrono::TimeDelta::hours(1));
    refuses(&files.url_for(&key, minute, Utc::now() - hour).await.unwrap(), 410, "link_expired").await;
    refuses(url.split_once('&').unwrap().0, 400, "invalid_query").await;
    // Links give statements and downloads, and those that are there.
    for key in ["elsewhere/statement.pdf", "statements-of-others/statement.pdf"] {
        let key = key.parse().unwrap();
        files.put(&key, "not for customers").await.unwrap();
        refuses(&files.url_for(&key, minute, Utc::now()).await.unwrap(), 404, "file_not_found").await;
    }
    let missing = format!("statements/{account}/1992-12/statement.pdf").parse().unwrap();
    refuses(&files.url_for(&missing, minute, Utc::now()).await.unwrap(), 404, "file_not_found").await;

    let asked = holder.graphql(DOWNLOAD_URL, json!({ "id": account, "month": "1993-01" })).await;
    let statement = &asked["account"]["statement"];
    assert_eq!(statement["closing"], "-65.75");
    let camt = follow(daybook, &text(&statement["downloadUrl"]), &[]).await.text().await.unwrap();
    assert!(camt.contains("camt.053.001.08"), "{camt}");
    let open = holder.graphql(DOWNLOAD_URL, json!({ "id": account, "month": "1993-04" })).await;
    assert_eq!(open["account"]["statement"]["downloadUrl"], Value::Null);
}

fn pages(pdf: &str) -> usize {
    let told = said("pdfinfo", &[pdf]);
    told.lines().find_map(|line| line.strip_prefix("Pages:")).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn several_months_come_as_one_file() {
    let closed = closed_bank().await;
    let (daybook, account) = (&closed.daybook, &closed.account);
    let holder = daybook.customer(&closed.holder).await;
    let several = async |format: &str| {
        let query = format!("from=1992-11&to=1993-03&format={format}");
        let told =
            link_at(daybook, &holder, &format!("/api/v1/transactions/{account}/download?{query}")).await;
        let bytes = follow(daybook, &text(&told["url"]), &[]).await.bytes().await.unwrap();
        assert_eq!(
            (sha256(&bytes), bytes.len() as u64),
            (text(&told["sha256"]), told["bytes"].as_u64().unwrap())
        );
        assert_eq!(told["months"], json!(MONTHS));
        let path = daybook.dir().join(format!("several.{format}"));
        std::fs::write(&path, bytes).unwrap();
        (path.to_str().unwrap().to_owned(), text(&told["sha256"]))
    };
    let (pdf, digest) = several("pdf").await;
    let each = MONTHS.map(|month| file(daybook, account, month, "statement.pdf"));
    let each = each.each_ref().map(|path| path.to_str().unwrap());
    assert_eq!(pages(&pdf), each.map(pages).iter().sum::<usize>());
    let text_of = |pdf: &str| said("pdftotext", &["-layout", pdf, "-"]);
    assert_eq!(text_of(&pdf), each.map(text_of).concat());
    // It is found again, not made again.
    assert_eq!(several("pdf").await.1, digest);
    for (format, extension) in [("csv", "csv"), ("camt053", "xml")] {
        let (zip, _) = several(format).await;
        let listed = said("python3", &["-m", "zipfile", "-l", &zip]);
        assert_eq!(listed.lines().count(), 1 + MONTHS.len(), "{listed}");
        let unpacked = tempfile::tempdir().unwrap();
        said("python3", &["-m", "zipfile", "-e", &zip, unpacked.path().to_str().unwrap()]);
        for month in MONTHS {
            let name = unpacked.path().join(format!("{account}-{month}-statement.{extension}"));
            assert_eq!(
                std::fs::read(name).unwrap(),
                std::fs::read(file(daybook, account, month, &format!("statement.{extension}"))).unwrap()
            );
        }
    }
    let none = format!("/api/v1/transactions/{account}/download?from=1990-01&to=1991-01");
    holder.get(&none).await.refuses(404, "statement_not_issued");
    let backwards = format!("/api/v1/transactions/{account}/download?from=1993-03&to=1993-01");
    holder.get(&backwards).await.refuses(400, "invalid_argument");
    let long = format!("/api/v1/transactions/{account}/download?from=1893-01&to=1993-03");
    assert_eq!(link_at(daybook, &holder, &long).await["sha256"], digest);
}

#[tokio::test]
async fn a_row_that_is_strange_is_an_error_and_one_that_is_too_much_a_refusal() {
    let daybook = Daybook::start().await;
    let bank = daybook.operator("strange rows").await;
    let (_, account) = holder(&bank, "Jan Novák", "strange").await;
    book(&bank, &[row("s1", "strange", "1993-01-04", "credit", "10.00")]).await;
    closed(&daybook, "1993-01").await;
    let alone = format!("/api/v1/transactions/{account}/month/1993-01/download");
    let several = format!("/api/v1/transactions/{account}/download?from=1993-01&to=1993-01");
    link_at(&daybook, &bank, &alone).await;
    link_at(&daybook, &bank, &several).await;

    let mut db = PgConnection::connect(&daybook.database_url()).await.unwrap();
    let mut change = async |change: &str| {
        let changed = format!("update statements set files = {change} where account_id = {account}");
        sqlx::query(AssertSqlSafe(changed)).execute(&mut db).await.unwrap();
    };
    change("jsonb_set(files, '{0,bytes}', '33554433')").await;
    bank.get(&several).await.refuses(400, "download_too_large");
    link_at(&daybook, &bank, &alone).await;
    change("'{\"pdf\": true}'").await;
    for path in [&several, &alone] {
        // Not by `get`, which takes no such answer.
        let answer = bank.request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), 500);
        assert_eq!(answer.json::<Value>().await.unwrap()["code"], "internal");
    }
    let asked = json!({ "id": account, "month": "1993-01" });
    assert_eq!(bank.graphql_error(DOWNLOAD_URL, asked).await, "internal");
}
