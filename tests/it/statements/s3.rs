//! Statements on S3.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{book, follow, holder, link, link_at, read_close, row, said, sha256, with_place};
use crate::harness::{Client, Daybook, S3, scratch, text, until};

#[tokio::test]
async fn statements_are_on_s3_and_its_own_links_lead_there() {
    let s3 = S3::start().await;
    let daybook = Daybook::start_within(s3.environment(), scratch(), &["--files-url", &S3::url()]).await;
    let bank = daybook.operator("on s3").await;
    let (user, account) = holder(&bank, "Zoë", "s3-1").await;
    book(
        &bank,
        &[
            row("a", "s3-1", "1993-01-04", "credit", "10.00"),
            row("b", "s3-1", "1993-02-04", "credit", "2.00"),
        ],
    )
    .await;
    let url = S3::url();
    let closed = async |month| read_close(&with_place(&daybook, month, &["--files-url", &url]).await);
    for month in ["1993-01", "1993-02"] {
        assert_eq!(closed(month).await["files"], 6);
    }
    assert!(!daybook.dir().join("files").exists(), "nothing is kept beside");

    let zoe = daybook.customer(&user).await;
    for (format, extension) in [("pdf", "pdf"), ("csv", "csv"), ("camt053", "xml")] {
        let told = link(&daybook, &zoe, &account, "1993-01", format).await;
        let url = text(&told["url"]);
        assert!(url.starts_with(&s3.endpoint()) && url.contains("X-Amz-Signature="), "{url}");
        let answer = follow(&daybook, &url, &[]).await;
        assert_eq!(answer.status(), 200);
        let expires: DateTime<Utc> = text(&told["expires_at"]).parse().unwrap();
        for (name, value) in [
            (
                "content-disposition",
                format!("attachment; filename=\"{account}-1993-01-statement.{extension}\""),
            ),
            ("cache-control", "public, immutable".to_owned()),
            ("expires", expires.format("%a, %d %b %Y %H:%M:%S GMT").to_string()),
        ] {
            assert_eq!(answer.headers()[name], value, "{name}");
        }
        // Its own, of which nothing is promised.
        assert_ne!(answer.headers()["etag"], format!("\"{}\"", text(&told["sha256"])));
        let bytes = answer.bytes().await.unwrap();
        assert_eq!(sha256(&bytes), text(&told["sha256"]));
        let key = format!("statements/{account}/1993-01/statement.{extension}");
        assert_eq!(std::fs::read(s3.file(&key)).unwrap(), bytes);
        // It is for this file and this long.
        assert!(url[..url.len() - 64].ends_with("X-Amz-Signature="), "{url}");
        let other = if url.ends_with('0') { '1' } else { '0' };
        for changed in [
            url.replace("/1993-01/", "/1993-02/"),
            url.replace("X-Amz-Expires=", "X-Amz-Expires=1"),
            format!("{}{other}", &url[..url.len() - 1]),
            url.split_once('?').unwrap().0.to_owned(),
        ] {
            assert_ne!(changed, url);
            assert_eq!(follow(&daybook, &changed, &[]).await.status(), 403, "{changed}");
        }
    }
    let path = format!("/api/v1/transactions/{account}/download?from=1993-01&to=1993-02");
    let told = link_at(&daybook, &zoe, &path).await;
    let url = text(&told["url"]);
    assert!(url.starts_with(&s3.endpoint()), "{url}");
    let both = follow(&daybook, &url, &[]).await.bytes().await.unwrap();
    let pdf = daybook.dir().join("both.pdf");
    std::fs::write(&pdf, &both).unwrap();
    assert!(
        said("pdfinfo", &[pdf.to_str().unwrap()])
            .lines()
            .any(|line| line.starts_with("Pages:") && line.ends_with(" 2"))
    );
    assert_eq!(closed("1993-02").await["unchanged"], 2);
}

/// Asks for a path, and goes away when `begun` has come.
async fn ask_and_leave(daybook: &Daybook, client: &Client, path: &str, begun: impl AsyncFnOnce()) {
    let address = daybook.url().strip_prefix("http://").unwrap().to_owned();
    let mut line = TcpStream::connect(&address).await.unwrap();
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\r\n", client.token());
    line.write_all(head.as_bytes()).await.unwrap();
    begun().await;
    line.shutdown().await.unwrap();
    // The server has noticed when it hangs up, too.
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(30), line.read_to_end(&mut answer)).await;
    assert!(ended.is_ok() && answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn one_file_of_several_months_is_made_to_its_end_though_nobody_waits_and_holds_up_no_stop() {
    let s3 = S3::start().await;
    let url = S3::url();
    let mut daybook = Daybook::start_within(s3.environment(), scratch(), &["--files-url", &url]).await;
    let bank = daybook.operator("leaves").await;
    let (user, account) = holder(&bank, "Zoë", "s3-2").await;
    book(&bank, &[row("a", "s3-2", "1993-01-04", "credit", "10.00")]).await;
    let output = with_place(&daybook, "1993-01", &["--files-url", &url]).await;
    assert_eq!(read_close(&output)["files"], 6);
    let zoe = daybook.customer(&user).await;
    // Now the statements can be read.
    link(&daybook, &zoe, &account, "1993-01", "pdf").await;

    let path = |format: &str| {
        format!("/api/v1/transactions/{account}/download?from=1993-01&to=1993-01&format={format}")
    };
    let is_written = async |count: usize| {
        until("a file is being written", Duration::from_secs(30), async || {
            (s3.held() == count).then_some(())
        })
        .await;
    };
    s3.holds(Some("/downloads/"));
    ask_and_leave(&daybook, &zoe, &path("csv"), async || is_written(1).await).await;
    s3.holds(None);
    let folder = s3.file(&format!("downloads/{account}"));
    until("the file is there", Duration::from_secs(30), async || {
        std::fs::read_dir(&folder).ok()?.next().map(|_| ())
    })
    .await;
    // It is found, not made again.
    s3.holds(Some("/downloads/"));
    let told = link_at(&daybook, &zoe, &path("csv")).await;
    let bytes = follow(&daybook, &text(&told["url"]), &[]).await.bytes().await.unwrap();
    assert_eq!((sha256(&bytes), s3.held()), (text(&told["sha256"]), 1));

    ask_and_leave(&daybook, &zoe, &path("pdf"), async || is_written(2).await).await;
    daybook.stop().await;
}
