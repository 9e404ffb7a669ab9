//! Statements on S3.

use super::{book, follow, holder, link, link_at, read_close, row, said, sha256, with_place};
use crate::harness::{Daybook, S3, scratch, text};

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
