//! One look at every process.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use futures::future::join_all;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::answers::{
    Answer, DeadLetter, Health, PROJECTIONS, Projection, Projections, StuckNode, TRANSFERS, Transfers,
};
use super::meters::{Meters, Series};
use crate::client::{ClientError, Server};
use crate::commands::Failure;
use crate::commands::server::EntryFlags;

/// No process is waited for longer, so that one that hangs does not hide the others.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// A token for one look.
const TOKEN_TTL: Duration = Duration::from_secs(60);
/// A projection that is further behind is late.
pub(super) const LATE: f64 = 60.0;

/// Everything that was seen at once.
#[derive(Debug, Default, Serialize)]
pub(super) struct Look {
    pub(super) at: DateTime<Utc>,
    /// What needs attention, in words.
    pub(super) problems: Vec<String>,
    pub(super) processes: Vec<Process>,
    pub(super) throughput: Throughput,
    /// Nothing when no process could say.
    pub(super) projections: Option<Vec<Projection>>,
    pub(super) transfers: Option<Pending>,
}

/// A process and how it fares.
#[derive(Debug, Serialize)]
pub(super) struct Process {
    pub(super) url: String,
    pub(super) state: State,
    pub(super) roles: Vec<String>,
    /// The log's last position, as far as it knows.
    pub(super) position: Option<u64>,
    /// Why it is not ready.
    pub(super) reasons: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Ready,
    NotReady,
    Unreachable,
}

/// How much goes on. What nobody said is not known.
#[derive(Debug, Default, Serialize)]
pub(super) struct Throughput {
    /// Events that projections handle each second.
    pub(super) events_per_second: Option<f64>,
    /// Transfers that end each second.
    pub(super) transfers_per_second: Option<f64>,
    /// Transfers that have not ended, parked ones aside.
    pub(super) transfers_under_way: Option<f64>,
}

/// Transfers that need somebody.
#[derive(Debug, Serialize)]
pub(super) struct Pending {
    /// Those that have not ended for longer than they should, and are still being tried.
    pub(super) stuck: Vec<Stuck>,
    pub(super) dead_letters: Vec<DeadLetter>,
    /// There are more than these.
    pub(super) more: bool,
}

/// A stuck transfer.
#[derive(Debug, Serialize)]
pub(super) struct Stuck {
    pub(super) transfer_id: String,
    pub(super) amount: String,
    pub(super) currency: String,
    pub(super) age_seconds: i64,
    pub(super) step: String,
}

/// Looks at processes, and remembers what they had counted.
pub(super) struct Looker<'a> {
    urls: &'a [String],
    entry: &'a EntryFlags,
    meters: HashMap<String, Meters>,
}

impl<'a> Looker<'a> {
    /// # Errors
    /// When a URL is none, or there is no way in.
    pub(super) fn new(urls: &'a [String], entry: &'a EntryFlags) -> Result<Self, Failure> {
        let looker = Self { urls, entry, meters: HashMap::new() };
        looker.servers()?;
        Ok(looker)
    }

    /// Tokens end, and a look may be one of many.
    fn servers(&self) -> Result<Vec<Server>, Failure> {
        let token = self.entry.token("status", TOKEN_TTL)?;
        Ok(self.urls.iter().map(|url| Server::new(url, token.clone())).collect::<Result<_, _>>()?)
    }

    /// Takes note of what is counted, for the next look to compare with. Who does not answer is left out.
    pub(super) async fn measure(&mut self) {
        if let Ok(servers) = self.servers() {
            self.meters = self.meters_of(&servers).await;
        }
    }

    async fn meters_of(&self, servers: &[Server]) -> HashMap<String, Meters> {
        let pages = join_all(servers.iter().map(|server| soon(server.page("/metrics")))).await;
        let meters = self.urls.iter().zip(pages);
        meters.filter_map(|(url, page)| Some((url.clone(), Meters::new(page.ok()?)))).collect()
    }

    /// # Errors
    /// When the issuer's key cannot be used any more.
    pub(super) async fn look(&mut self) -> Result<Look, Failure> {
        let servers = self.servers()?;
        let (processes, meters) = tokio::join!(
            join_all(self.urls.iter().zip(&servers).map(|(url, server)| process(url, server))),
            self.meters_of(&servers)
        );
        let before = std::mem::replace(&mut self.meters, meters);
        let mut look = Look { at: Utc::now().trunc_subsecs(0), processes, ..Look::default() };
        self.ask(&servers, &mut look).await;
        look.problems.splice(0..0, problems_of_processes(&look));
        self.throughput(&before, &mut look);
        Ok(look)
    }

    /// Asks the first process that answers queries, and the next one where that cannot.
    async fn ask(&self, servers: &[Server], look: &mut Look) {
        let answers_queries = |process: &&Process| {
            process.state != State::Unreachable && process.roles.iter().any(|role| role == "query")
        };
        let mut refused = Vec::new();
        for (_, server) in look.processes.iter().zip(servers).filter(|(process, _)| answers_queries(process))
        {
            let (projections, transfers) = tokio::join!(
                query::<Projections>(server, PROJECTIONS),
                query::<Transfers>(server, TRANSFERS)
            );
            refused.clear();
            match projections {
                Ok(Projections { projections }) => look.projections = Some(projections),
                Err(reason) => refused.push(format!("projections are not known: {reason}")),
            }
            match transfers {
                Ok(transfers) => look.transfers = Some(pending(transfers)),
                Err(reason) => refused.push(format!("stuck transfers are not known: {reason}")),
            }
            if refused.is_empty() {
                break;
            }
        }
        look.problems.extend(refused);
        if look.processes.iter().all(|process| !answers_queries(&process)) {
            look.problems.push("no process that answers queries was asked: name one with --url".to_owned());
        }
        for projection in look.projections.iter().flatten() {
            if let Some(stopped) = &projection.stopped {
                look.problems.push(format!(
                    "projection {} stopped at position {}: {}",
                    projection.name, stopped.position, stopped.reason
                ));
            } else if projection.rebuilding.is_none() && projection.lag_seconds > LATE {
                look.problems.push(format!(
                    "projection {} is {:.0} s behind",
                    projection.name, projection.lag_seconds
                ));
            }
        }
        if let Some(Pending { stuck, dead_letters, more }) = &look.transfers {
            let or_more = if *more { " or more" } else { "" };
            if !stuck.is_empty() {
                let count = stuck.len();
                look.problems.push(format!(
                    "{count}{or_more} transfers have not ended for longer than they should: daybook transfers stuck"
                ));
            }
            if !dead_letters.is_empty() {
                let count = dead_letters.len();
                look.problems
                    .push(format!("{count}{or_more} dead letters wait for you: daybook deadletter list"));
            }
        }
    }

    /// Projectors each count every event, and process managers every transfer, whoever has it: of several the greatest number is right.
    fn throughput(&self, before: &HashMap<String, Meters>, look: &mut Look) {
        let greatest = |of: &dyn Fn(&Meters, Option<&Meters>) -> Option<f64>| {
            let values = self.meters.iter().filter_map(|(url, now)| of(now, before.get(url)));
            values.reduce(f64::max)
        };
        let rate = |series: &Series<'_>| greatest(&|now, before| now.rate(before?, series));
        for projection in look.projections.iter_mut().flatten() {
            projection.events_per_second =
                rate(&Series::of("daybook_projection_events_total", "projection", &projection.name));
        }
        let by_projection = look.projections.iter().flatten().filter_map(|of| of.events_per_second);
        look.throughput = Throughput {
            events_per_second: by_projection.reduce(f64::max),
            transfers_per_second: rate(&Series::named("daybook_transfers_ended_total")),
            transfers_under_way: greatest(&|now, _| now.value(&Series::named("daybook_transfers_pending"))),
        };
    }
}

/// What is the matter with processes, those aside whose projector only says what is said of its projections anyway.
fn problems_of_processes(look: &Look) -> Vec<String> {
    let stopped: Vec<String> = look
        .projections
        .iter()
        .flatten()
        .filter_map(|projection| Some((&projection.name, projection.stopped.as_ref()?.position)))
        .map(|(name, position)| format!(" {name} stopped at position {position}: "))
        .collect();
    let is_said = |reason: &&String| stopped.iter().any(|stopped| reason.contains(stopped));
    let mut problems = Vec::new();
    for process in look.processes.iter().filter(|process| process.state != State::Ready) {
        let reasons: Vec<&str> =
            process.reasons.iter().filter(|reason| !is_said(reason)).map(String::as_str).collect();
        if !reasons.is_empty() {
            problems.push(format!("{}: {}", process.url, reasons.join("; ")));
        }
    }
    problems
}

/// What a process says of itself.
async fn process(url: &str, server: &Server) -> Process {
    let unreachable = |reason: String| Process {
        url: url.to_owned(),
        state: State::Unreachable,
        roles: Vec::new(),
        position: None,
        reasons: vec![reason],
    };
    let page = match soon(server.page("/health/ready")).await {
        Ok(page) => page,
        Err(error) => return unreachable(error),
    };
    let Ok(Health { position, roles, components }) = serde_json::from_str(&page) else {
        return unreachable("it answers, and not with health".to_owned());
    };
    let reasons: Vec<String> = components
        .into_iter()
        .filter(|(_, component)| component.status != "ready")
        .map(|(name, component)| {
            let name = name.replace('_', " ");
            match component.reason {
                Some(reason) => format!("{name} {}: {reason}", component.status),
                None => format!("{name} {}", component.status),
            }
        })
        .collect();
    let state = if reasons.is_empty() { State::Ready } else { State::NotReady };
    Process { url: url.to_owned(), state, roles, position, reasons }
}

async fn query<T: DeserializeOwned>(server: &Server, query: &str) -> Result<T, String> {
    let body = json!({ "query": query });
    let answer: Answer<T> = soon(server.post("/graphql", None, &body, Duration::ZERO)).await?;
    let refused = answer.errors.into_iter().next().map(|error| error.message);
    answer.data.ok_or_else(|| refused.unwrap_or_else(|| "the answer is empty".to_owned()))
}

/// An answer, or why there is none, in time.
async fn soon<T>(answer: impl Future<Output = Result<T, ClientError>>) -> Result<T, String> {
    match tokio::time::timeout(ANSWER_TIME_MAX, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(ClientError::Unreachable { reason, .. })) => Err(format!("no answer: {reason}")),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", ANSWER_TIME_MAX.as_secs())),
    }
}

fn pending(transfers: Transfers) -> Pending {
    let more =
        transfers.stuck_transfers.page_info.has_next_page || transfers.dead_letters.page_info.has_next_page;
    // Parked ones are among the dead letters.
    let stuck = transfers.stuck_transfers.edges.into_iter().map(|edge| edge.node).filter(|node| !node.parked);
    let stuck = stuck.map(|StuckNode { age_seconds, step, transfer, .. }| Stuck {
        transfer_id: transfer.id,
        amount: transfer.amount,
        currency: transfer.currency,
        age_seconds,
        step: step.to_lowercase(),
    });
    let dead_letters = transfers
        .dead_letters
        .edges
        .into_iter()
        .map(|edge| DeadLetter { step: edge.node.step.to_lowercase(), ..edge.node });
    Pending { stuck: stuck.collect(), dead_letters: dead_letters.collect(), more }
}
