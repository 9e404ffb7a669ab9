//! Posting: one attempt to tell one endpoint one thing.
//!
//! No redirect is followed and no proxy asked, so a post goes where the webhook says or nowhere.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER, USER_AGENT};
use http::uri::Scheme;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use ledger_core::WebhookId;
use ledger_core::text::plainly;
use ledger_core::webhook::Settings;
use ledger_core::webhook::address::is_public;
use ledger_streams::WebhookSecret;
use name_lookup::Names;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;

use crate::notification::Notification;
use crate::resolver::{NotPublic, Resolver};
use crate::signature::sign;
use crate::{
    ANSWER_BODY_TIMEOUT, ANSWER_BYTES_MAX, CONNECT_TIMEOUT, ERROR_CHARS_MAX, IDLE_CONNECTION_MAX,
    NotificationOptions, SLOW_AFTER, WINDOW,
};

/// Posts to endpoints, and keeps their connections.
#[derive(Clone)]
pub(crate) struct Endpoints {
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    allow_private: bool,
    timeout: Duration,
}

/// Where a webhook's notifications go, and what they are signed with.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) webhook_id: WebhookId,
    pub(crate) settings: Settings,
    pub(crate) uri: Uri,
    pub(crate) secret: WebhookSecret,
    /// Signs as well until then.
    pub(crate) previous: Option<(WebhookSecret, DateTime<Utc>)>,
}

/// What an attempt came to.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The endpoint's answer, or why there was none.
    pub(crate) result: Result<StatusCode, String>,
    /// When the endpoint wants to be asked again.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) took: Duration,
}

impl Answer {
    pub(crate) fn is_delivered(&self) -> bool {
        self.result.as_ref().is_ok_and(StatusCode::is_success)
    }

    pub(crate) fn is_slow(&self) -> bool {
        self.took >= SLOW_AFTER
    }

    /// The endpoint says that it is no more.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.result, Ok(StatusCode::GONE))
    }

    /// In words, for people: short and plain, whoever the words are from.
    pub(crate) fn text(&self) -> String {
        match &self.result {
            Ok(status) if status.is_redirection() => format!("{status}; redirects are not followed"),
            Ok(status) => status.to_string(),
            Err(reason) => plainly(reason, ERROR_CHARS_MAX).into_owned(),
        }
    }
}

impl Endpoints {
    /// # Errors
    /// When the system has no certificates to trust.
    pub(crate) fn new(options: &NotificationOptions) -> std::io::Result<Self> {
        let allow_private = options.allow_private;
        let mut tcp = HttpConnector::new_with_resolver(Resolver { names: Names::of_system(), allow_private });
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT.min(options.timeout)));
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(default_provider())?
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION_MAX)
            .pool_max_idle_per_host(WINDOW)
            .build(connector);
        Ok(Self { client, allow_private, timeout: options.timeout })
    }

    /// Tells an endpoint one thing, once.
    pub(crate) async fn post(&self, target: Arc<Target>, notification: &Notification) -> Answer {
        let started = Instant::now();
        let answered = tokio::time::timeout(self.timeout, self.try_post(&target, notification)).await;
        let took = started.elapsed();
        let (result, retry_after) = match answered {
            Ok(Ok(response)) => {
                let (head, body) = response.into_parts();
                // What it says is nobody's business; read to its end, the connection can be used again.
                let rest = Limited::new(body, ANSWER_BYTES_MAX).collect();
                let _ = tokio::time::timeout(ANSWER_BODY_TIMEOUT, rest).await;
                (Ok(head.status), retry_after(head.status, &head.headers))
            }
            Ok(Err(reason)) => (Err(reason), None),
            Err(_) => (Err(format!("no answer within {:?}", self.timeout)), None),
        };
        Answer { result, retry_after, took }
    }

    async fn try_post(
        &self,
        target: &Target,
        notification: &Notification,
    ) -> Result<Response<Incoming>, String> {
        // It was registered when that was allowed.
        if !self.allow_private && target.uri.scheme() != Some(&Scheme::HTTPS) {
            return Err("http is not allowed; a webhook's URL must begin with https://".to_owned());
        }
        // A name is checked once it is resolved; an address in its place is never resolved.
        if let Some(address) = literal_address(&target.uri)
            && !self.allow_private
            && !is_public(address)
        {
            return Err(NotPublic(address.to_string()).to_string());
        }
        let now = Utc::now();
        let id = notification.message_id(target.webhook_id);
        let body = notification.body(&target.settings);
        let previous = target.previous.as_ref().filter(|(_, until)| now < *until);
        let keys = std::iter::once(target.secret.bytes()).chain(previous.map(|(secret, _)| secret.bytes()));
        let request = Request::post(target.uri.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, "Daybook")
            .header("webhook-timestamp", now.timestamp())
            .header("webhook-signature", sign(keys, &id, now.timestamp(), &body))
            .header("webhook-id", id)
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        self.client.request(request).await.map_err(|error| innermost(&error))
    }
}

/// The address that stands in a URL in place of a name.
fn literal_address(uri: &Uri) -> Option<IpAddr> {
    let host = uri.host()?;
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse().ok()
}

/// Seconds or a date, on an answer that says "not now".
fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    if status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    (date.to_utc() - Utc::now()).to_std().ok()
}

/// An error's cause says more than the error.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Answer;
    use crate::ERROR_CHARS_MAX;

    #[test]
    fn what_a_post_came_to_is_said_shortly_and_plainly() {
        let result = Err(format!("certificate of\0 {}", "x".repeat(5_000)));
        let text = Answer { result, retry_after: None, took: Duration::ZERO }.text();
        assert!(text.starts_with("certificate of  x") && text.ends_with('…'), "{text}");
        assert_eq!(text.chars().count(), ERROR_CHARS_MAX);
    }
}
