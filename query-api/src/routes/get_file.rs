//! `GET /api/v1/files/{key}?expires=…&signature=…`: a file, for whoever has a link to it. Links are given by other routes; this one is not
//! among those that are described. A cache in front of it must have the query in its key: else it gives files to those who have no link.

use std::future::{Ready, ready};
use std::ops::Range;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use file_store::{FileInfo, FileStore, Key};
use futures::StreamExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::asked::Asked;
use super::segments::Segments;
use crate::QueryApi;
use crate::limits::FILE_PIECE_BYTES;
use crate::problem::Problem;

/// What a link says beside the key.
#[derive(Deserialize)]
pub(crate) struct Signed {
    /// Seconds since the UNIX epoch.
    expires: i64,
    signature: String,
}

pub(crate) async fn handle(
    State(api): State<QueryApi>,
    Segments(key): Segments<String>,
    Asked(Signed { expires, signature }): Asked<Signed>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let files = api.downloads.files()?;
    let key: Key = key.parse().map_err(|_| file_store::Refusal::Unsigned)?;
    let now = Utc::now();
    files.verify(&key, expires, &signature, now)?;
    // Nothing else is given to customers, whoever signed it.
    if !SERVED.iter().any(|folder| key.as_str().starts_with(folder)) {
        return Err(Problem::FileNotFound);
    }
    let info = files.head(&key).await?.ok_or(Problem::FileNotFound)?;
    let tag = format!("\"{}\"", api.downloads.digest(&info).await?);
    let rest = expires.saturating_sub(now.timestamp());
    let common = [
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, format!("public, max-age={rest}, immutable")),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
    ];
    if header_of(&headers, header::IF_NONE_MATCH).is_some_and(|wanted| matches(wanted, &tag)) {
        return Ok((StatusCode::NOT_MODIFIED, common).into_response());
    }
    let same = header_of(&headers, header::IF_RANGE).is_none_or(|wanted| wanted == tag);
    let asked = header_of(&headers, header::RANGE).filter(|_| same);
    let (status, range) = match asked.map_or(Asking::Whole, |range| asking(range, info.bytes)) {
        Asking::Whole => (StatusCode::OK, 0..info.bytes),
        Asking::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asking::Nothing => return Err(Problem::RangeNotSatisfiable(info.bytes)),
    };
    let about = [
        (header::CONTENT_TYPE, key.content_type().to_owned()),
        (header::CONTENT_LENGTH, (range.end - range.start).to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", key.saved_as())),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    let last = range.end.saturating_sub(1);
    let part = (status == StatusCode::PARTIAL_CONTENT)
        .then(|| [(header::CONTENT_RANGE, format!("bytes {}-{last}/{}", range.start, info.bytes))]);
    let body = Body::from_stream(pieces(files.clone(), info, range));
    let mut response = (status, common, about, body).into_response();
    for (name, value) in part.into_iter().flatten() {
        response.headers_mut().extend(value.parse().map(|value| (name, value)));
    }
    Ok(response)
}

/// What a cache may not keep of the answers: a link that leads nowhere now may do so in a moment.
pub(crate) fn unkept_unless_good(mut response: Response) -> Ready<Response> {
    if response.status().is_client_error() || response.status().is_server_error() {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    ready(response)
}

fn header_of(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// True when one of the tags is this one.
fn matches(wanted: &str, tag: &str) -> bool {
    wanted.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

/// Where the files are that have links.
const SERVED: [&str; 2] = ["statements/", "downloads/"];

/// What of a file is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Asking {
    Whole,
    Part(Range<u64>),
    Nothing,
}

/// One range of bytes. Several, or another unit, are answered with the whole, as RFC 9110 allows.
fn asking(range: &str, length: u64) -> Asking {
    let parse = || {
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        let number = |text: &str| text.parse::<u64>().ok();
        match (first.trim(), last.trim()) {
            ("", last) => Some(length.saturating_sub(number(last)?)..length),
            (first, "") => Some(number(first)?..length),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then(|| first..last.saturating_add(1).min(length))
            }
        }
    };
    match parse() {
        None => Asking::Whole,
        Some(range) if range.start >= range.end => Asking::Nothing,
        Some(range) => Asking::Part(range),
    }
}

/// The bytes, a piece at a time, all of one version of the file.
fn pieces(
    files: FileStore,
    info: FileInfo,
    range: Range<u64>,
) -> impl futures::Stream<Item = Result<file_store::Bytes, file_store::FileError>> {
    let end = range.end;
    futures::stream::iter(range.step_by(FILE_PIECE_BYTES)).then(move |start| {
        let (files, info) = (files.clone(), info.clone());
        let piece = start..start.saturating_add(FILE_PIECE_BYTES as u64).min(end);
        async move { files.get_range(&info.key, piece, info.e_tag.as_deref()).await }
    })
}

#[cfg(test)]
mod tests {
    use super::{Asking, asking, matches};

    #[test]
    fn one_range_is_given_and_anything_else_is_the_whole() {
        assert_eq!(asking("bytes=0-9", 100), Asking::Part(0..10));
        assert_eq!(asking("bytes=90-", 100), Asking::Part(90..100));
        assert_eq!(asking("bytes=-5", 100), Asking::Part(95..100));
        assert_eq!(asking("bytes=-500", 100), Asking::Part(0..100));
        assert_eq!(asking("bytes=50-500", 100), Asking::Part(50..100));
        for nothing in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            assert_eq!(asking(nothing, 100), Asking::Nothing, "{nothing}");
        }
        for whole in ["bytes=0-1,5-6", "items=0-1", "bytes=9-1", "bytes=x-", ""] {
            assert_eq!(asking(whole, 100), Asking::Whole, "{whole}");
        }
    }

    #[test]
    fn a_tag_is_found_among_others() {
        assert!(matches("\"a\", W/\"b\"", "\"b\"") && matches("*", "\"b\""));
        assert!(!matches("\"a\"", "\"b\""));
    }
}
