//! Asks a daybook by HTTP, and holds every answer to what all answers promise.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, Request, RequestBuilder};
use serde_json::{Value, json};

use super::witness::{Exchange, Witness};

pub(crate) const POSITION: &str = "x-daybook-position";
pub(crate) const REPLAYED: &str = "idempotent-replayed";

/// No answer takes longer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// One caller. Reads what it wrote: it names the highest position it was told whenever it reads.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    /// Where commands go, and where questions go.
    url: String,
    reads: String,
    token: Option<String>,
    position: Arc<AtomicU64>,
    witness: Witness,
}

impl Client {
    pub(super) fn new(url: String, token: Option<String>) -> Self {
        Self::divided(url.clone(), url, token)
    }

    /// One that sends commands to one process and questions to another.
    pub(super) fn divided(url: String, reads: String, token: Option<String>) -> Self {
        // Of this test's own runtime: a client's connections end with the runtime that made them.
        let http = reqwest::Client::builder().timeout(ANSWER_TIME_MAX).build().unwrap();
        Self { http, url, reads, token, position: Arc::default(), witness: Witness::default() }
    }

    /// The same, telling everything to this witness.
    pub(super) fn heard_by(self, witness: &Witness) -> Self {
        Self { witness: witness.clone(), ..self }
    }

    /// Who heard everything that this client and its likes were answered.
    pub(crate) fn witness(&self) -> &Witness {
        &self.witness
    }

    /// What says who calls.
    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().unwrap()
    }

    /// Reads from now on at this position or later.
    pub(crate) fn reads_at(&self, position: u64) {
        self.position.fetch_max(position, Ordering::Relaxed);
    }

    /// A request with nothing in it but the caller's token.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request_at(&self.url, method, path)
    }

    fn request_at(&self, url: &str, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{url}{path}"));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.reading(Method::GET, path)).await
    }

    /// An answer that has begun, and does not end by itself.
    pub(crate) async fn stream(&self, method: Method, path: &str) -> reqwest::Response {
        let answer = self.reading(method, path).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// As [`Client::post`], for daybooks that may end meanwhile.
    pub(crate) async fn try_post(&self, path: &str, body: &Value) -> reqwest::Result<Answer> {
        self.try_send(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.unwrap()
    }

    pub(crate) async fn try_get(&self, path: &str) -> reqwest::Result<Answer> {
        self.try_send(self.reading(Method::GET, path)).await
    }

    async fn try_send(&self, request: RequestBuilder) -> reqwest::Result<Answer> {
        let request = request.build()?;
        let at = match (request.headers().get(POSITION), request.method()) {
            // One that is none is refused.
            (Some(at), _) => at.to_str().ok().and_then(|at| at.parse().ok()).unwrap_or_default(),
            (None, &Method::GET) => 0,
            (None, _) => self.position.load(Ordering::Relaxed),
        };
        let mut exchange = Exchange::asked(&request, at);
        self.witness.listens();
        let answered = self.answer(request).await;
        exchange.answer = answered.as_ref().ok().cloned();
        self.witness.hears(exchange);
        answered
    }

    async fn answer(&self, request: Request) -> reqwest::Result<Answer> {
        let response = self.http.execute(request).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let answer = Answer { status, headers, body };
        answer.keeps_promises();
        self.reads_at(answer.position());
        Ok(answer)
    }

    /// Answers a GraphQL query, which must be without errors.
    pub(crate) async fn graphql(&self, query: &str, variables: Value) -> Value {
        let mut body = self.ask_graphql(query, variables).await;
        assert!(body.get("errors").is_none(), "{query}: {body}");
        body["data"].take()
    }

    /// The code of the errors that a GraphQL query has.
    pub(crate) async fn graphql_error(&self, query: &str, variables: Value) -> String {
        let body = self.ask_graphql(query, variables).await;
        let errors = body["errors"].as_array().unwrap_or_else(|| panic!("{query}: no error: {body}"));
        let code = text(&errors[0]["extensions"]["code"]);
        for error in errors {
            assert!(
                !text(&error["message"]).is_empty() && error["extensions"]["code"] == code,
                "{query}: {body}"
            );
        }
        code
    }

    async fn ask_graphql(&self, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables });
        self.send(self.reading(Method::POST, "/graphql").json(&body)).await.is(200)
    }

    fn reading(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.request_at(&self.reads, method, path);
        request.header(POSITION, self.position.load(Ordering::Relaxed))
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// A string when it is no JSON.
    pub(crate) body: Value,
}

impl Answer {
    fn keeps_promises(&self) {
        let Self { status, headers, body } = self;
        assert_ne!(*status, 500, "{body}");
        assert!(headers.contains_key("x-request-id"), "{headers:?}");
        if *status >= 400 {
            assert_eq!(self.header(CONTENT_TYPE.as_str()), Some("application/problem+json"), "{body}");
            assert_eq!(body["status"], *status, "{body}");
            for member in ["title", "detail", "code"] {
                assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "no {member}: {body}");
            }
        }
        if let Some(position) = self.header(POSITION) {
            assert_eq!(body["position"].to_string(), position, "header and body differ");
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().unwrap())
    }

    /// Its body, if it has this status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// Its body, if it is this problem.
    #[track_caller]
    pub(crate) fn refuses(self, status: u16, code: &str) -> Value {
        let body = self.is(status);
        assert_eq!(body["code"], code, "{body}");
        body
    }

    /// True when it is the answer of an earlier request.
    pub(crate) fn is_replayed(&self) -> bool {
        let value = self.header(REPLAYED);
        assert!(matches!(value, None | Some("true")), "{value:?}");
        value.is_some()
    }

    /// Where in the log it stands; 0 when it does not say.
    pub(crate) fn position(&self) -> u64 {
        self.body["position"].as_u64().unwrap_or(0)
    }

    #[track_caller]
    pub(crate) fn transfer_id(&self) -> String {
        let id = &self.body["transfer_id"];
        assert!(id.is_string(), "no transfer: {}", self.body);
        text(id)
    }
}

/// The text of a JSON string.
#[track_caller]
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
