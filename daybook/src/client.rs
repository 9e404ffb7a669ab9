//! Talks to a running daybook.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use http::StatusCode;
use reqwest::{Client, RequestBuilder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);

/// A running daybook, and a token to enter.
#[derive(Clone, Debug)]
pub struct Server {
    http: Client,
    url: String,
    token: String,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL is not one we can ask.
    #[error("'{0}' is not a URL such as http://127.0.0.1:8080 (https is not supported)")]
    Url(String),
    /// Nobody answers there, or not to the end.
    #[error("no answer from {url}: {reason}; is `daybook up` running there?")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// The server says no.
    #[error("the server answered {status} {code}: {detail}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// The problem's code.
        code: String,
        /// What it says.
        detail: String,
    },
    /// The answer is not what was asked for.
    #[error("the server's answer cannot be read: {0}")]
    Unreadable(String),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: String,
    detail: String,
}

impl ClientError {
    /// True when asking again may help: every request here may be sent twice.
    fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => {
                matches!(status.as_u16(), 429 | 502 | 503 | 504)
            }
            Self::Url(_) | Self::Unreadable(_) => false,
        }
    }
}

impl Server {
    /// The server at `url`.
    ///
    /// # Errors
    /// [`ClientError::Url`].
    pub fn new(url: &str, token: String) -> Result<Self, ClientError> {
        let wrong = || ClientError::Url(url.to_owned());
        let authority = url.strip_prefix("http://").ok_or_else(wrong)?.trim_end_matches('/');
        if authority.is_empty() || authority.contains('/') {
            return Err(wrong());
        }
        let http =
            Client::builder().timeout(REQUEST_TIME_MAX).tcp_nodelay(true).build().map_err(|_| wrong())?;
        let url = format!("http://{authority}");
        Ok(Self { http, url, token })
    }

    /// Sends a JSON body, again if need be, for up to `patience`.
    ///
    /// # Errors
    /// The last attempt's.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        position: Option<u64>,
        body: &(impl Serialize + Sync),
        patience: Duration,
    ) -> Result<T, ClientError> {
        let mut request = self.http.post(format!("{}{path}", self.url)).json(body);
        if let Some(position) = position {
            request = request.header("x-daybook-position", position);
        }
        self.ask(request.bearer_auth(&self.token), patience).await
    }

    /// The same caller at another place.
    ///
    /// # Errors
    /// [`ClientError::Url`].
    pub fn at(&self, url: &str) -> Result<Self, ClientError> {
        Self::new(url, self.token.clone())
    }

    /// Asks for something, again if need be, for up to `patience`; once the read models have reached `position`, if one is named.
    ///
    /// # Errors
    /// The last attempt's.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        position: Option<u64>,
        patience: Duration,
    ) -> Result<T, ClientError> {
        let mut request = self.http.get(format!("{}{path}", self.url));
        if let Some(position) = position {
            request = request.header("x-daybook-position", position);
        }
        self.ask(request.bearer_auth(&self.token), patience).await
    }

    /// A page that needs no token, whatever its status.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn page(&self, path: &str) -> Result<String, ClientError> {
        let response = self.http.get(format!("{}{path}", self.url)).send().await;
        let response = response.map_err(|error| self.unreachable(&error))?;
        response.text().await.map_err(|error| self.unreachable(&error))
    }

    /// The position of the log's last event.
    ///
    /// # Errors
    /// When the server does not say.
    pub async fn position(&self) -> Result<u64, ClientError> {
        #[derive(Deserialize)]
        struct Health {
            position: u64,
        }
        let url = format!("{}/health/ready", self.url);
        let response = self.http.get(url).send().await.map_err(|error| self.unreachable(&error))?;
        // Ready or not, it says.
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        let health: Health = read(&body)?;
        Ok(health.position)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        patience: Duration,
    ) -> Result<T, ClientError> {
        let attempt = || async {
            let request =
                request.try_clone().ok_or_else(|| ClientError::Unreadable("no request".to_owned()))?;
            self.ask_once(request).await
        };
        attempt
            .retry(
                ExponentialBuilder::default()
                    .with_jitter()
                    .with_min_delay(Duration::from_millis(50))
                    .with_max_delay(Duration::from_secs(1))
                    .without_max_times()
                    .with_total_delay(Some(patience)),
            )
            .when(ClientError::is_passing)
            .await
    }

    async fn ask_once<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        if status.is_success() {
            return read(&body);
        }
        let problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
        Err(ClientError::Refused { status, code: problem.code, detail: problem.detail })
    }

    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        let mut reason: &dyn std::error::Error = error;
        while let Some(source) = reason.source() {
            reason = source;
        }
        ClientError::Unreachable { url: self.url.clone(), reason: reason.to_string() }
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(|error| ClientError::Unreadable(error.to_string()))
}
