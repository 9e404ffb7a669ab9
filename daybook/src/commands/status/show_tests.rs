use serde_json::json;

use super::*;

fn projection(changes: &serde_json::Value) -> Projection {
    let mut projection = json!({
        "name": "accounts", "version": 1, "position": "900", "lag": "0", "lagSeconds": 0.0,
        "stopped": null, "rebuilding": null,
    });
    projection.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    serde_json::from_value(projection).unwrap()
}

fn look() -> Look {
    let ready = Process {
        url: "http://127.0.0.1:8080".to_owned(),
        state: State::Ready,
        roles: vec!["node".to_owned(), "process_manager".to_owned()],
        position: Some(900),
        reasons: Vec::new(),
    };
    Look { processes: vec![ready], projections: Some(vec![projection(&json!({}))]), ..Look::default() }
}

#[test]
fn a_look_is_read_at_a_glance() {
    assert_eq!(
        whole(&look(), false),
        "\
Daybook at 1970-01-01 00:00:00 UTC: all is well

PROCESS                STATE  ROLES
http://127.0.0.1:8080  ready  node, process manager

PROJECTION  VERSION  POSITION  BEHIND  SECONDS  EVENTS/S  STATE
accounts    1        900       0       0.0      -         up to date

Log at 900, - events/s, - transfers/s, - transfers under way, at most 0.0 s behind
"
    );
}

#[test]
fn what_needs_attention_stands_first() {
    let look = Look { problems: vec!["projection accounts stopped".to_owned()], ..look() };
    assert!(whole(&look, false).starts_with(
        "Daybook at 1970-01-01 00:00:00 UTC: needs attention\n  ! projection accounts stopped\n\n"
    ));
    assert!(in_short(&look).starts_with("00:00:00 needs attention. Log at 900,"));
    assert!(in_short(&look).ends_with("\n  ! projection accounts stopped\n"));
}

#[test]
fn projections_say_what_they_do() {
    let standings = [
        json!({}),
        json!({ "lag": "5", "lagSeconds": 2.0 }),
        json!({ "lag": "5", "lagSeconds": 61.0 }),
        json!({ "stopped": { "position": "900", "reason": "no", "at": "2026-01-02T03:04:05.678Z" } }),
        json!({ "rebuilding": {} }),
        json!({ "rebuilding": { "phase": "CATCHING_UP", "percent": 99.97 } }),
        json!({ "rebuilding": { "phase": "LOADING", "percent": 12.3, "eventsPerSecond": 4500.0, "secondsLeft": 8.1 } }),
    ]
    .map(|changes| standing(&projection(&changes)));
    assert_eq!(
        standings,
        [
            "up to date",
            "catching up",
            "LATE",
            "STOPPED at 900 since 2026-01-02T03:04:05",
            "rebuild: waits for a projector",
            "rebuild: catching up, 100.0 %",
            "rebuild: loading, 12.3 %, 4500 events/s, 8 s left",
        ]
    );
}
