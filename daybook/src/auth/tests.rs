use std::time::Duration;

use axum::response::IntoResponse;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue};
use ledger_core::{Actor, Role, UserId};

use super::{Denied, Issuer, Verifier, authenticate};

const NOW: u64 = 1_800_000_000;
const HOUR: Duration = Duration::from_secs(3600);

fn customer() -> Actor {
    Actor { subject: "app".to_owned(), role: Role::Customer, user_id: UserId::from_i64(7) }
}

fn issuer() -> (tempfile::TempDir, Issuer) {
    let dir = tempfile::tempdir().unwrap();
    let issuer = Issuer::open(dir.path()).unwrap();
    (dir, issuer)
}

#[test]
fn a_token_names_its_bearer() {
    let (_dir, issuer) = issuer();
    let verifier = issuer.verifier();
    let token = issuer.token(&customer(), NOW, HOUR).unwrap();
    // Twice: checked, then remembered.
    assert_eq!(verifier.verify(&token, NOW), Ok(customer()));
    assert_eq!(verifier.verify(&token, NOW), Ok(customer()));
}

#[test]
fn a_token_expires_on_the_second_also_when_remembered() {
    let (_dir, issuer) = issuer();
    let verifier = issuer.verifier();
    let token = issuer.token(&customer(), NOW, HOUR).unwrap();
    assert_eq!(verifier.verify(&token, NOW + 3_599), Ok(customer()));
    assert_eq!(verifier.verify(&token, NOW + 3_600), Err(Denied::Expired));
    assert_eq!(issuer.verifier().verify(&token, NOW + 3_600), Err(Denied::Expired));
}

#[test]
fn foreign_and_changed_tokens_are_refused() {
    let (_dir, issuer) = issuer();
    let verifier = issuer.verifier();
    let (_other_dir, other) = self::issuer();
    let token = issuer.token(&customer(), NOW, HOUR).unwrap();
    let foreign = other.token(&customer(), NOW, HOUR).unwrap();
    let (body, signature) = token.rsplit_once('.').unwrap();
    let flipped = format!("{body}.{}", signature.chars().rev().collect::<String>());
    // {"alg":"none"}
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", body.split_once('.').unwrap().1);
    for bad in [foreign.as_str(), &flipped, &unsigned, body, "", "x", &"x".repeat(10_000)] {
        assert_eq!(verifier.verify(bad, NOW), Err(Denied::Invalid), "{bad}");
    }
}

#[test]
fn a_customer_without_a_user_and_an_unknown_role_are_refused() {
    let (dir, issuer) = issuer();
    let nobody = Actor { user_id: None, ..customer() };
    let token = issuer.token(&nobody, NOW, HOUR).unwrap();
    assert_eq!(issuer.verifier().verify(&token, NOW), Err(Denied::Invalid));

    let secret = std::fs::read(dir.path().join("secrets/issuer.key")).unwrap();
    let claims =
        serde_json::json!({ "iss": "daybook", "sub": "x", "role": "root", "iat": NOW, "exp": NOW + 10 });
    let key = jsonwebtoken::EncodingKey::from_secret(&secret);
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    assert_eq!(issuer.verifier().verify(&token, NOW), Err(Denied::Invalid));
}

#[test]
fn the_secret_is_made_once_and_kept_secret() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, issuer) = issuer();
    let again = Issuer::open(dir.path()).unwrap();
    let token = issuer.token(&customer(), NOW, HOUR).unwrap();
    assert!(again.verifier().verify(&token, NOW).is_ok());

    let key = dir.path().join("secrets/issuer.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(dir.path().join("secrets")).unwrap().count(), 1);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(Issuer::open(dir.path()).is_err());
}

#[test]
fn links_have_a_secret_of_their_own_that_every_process_finds() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, _issuer) = issuer();
    let secret = super::files_secret(dir.path()).unwrap();
    assert_eq!(super::files_secret(dir.path()).unwrap(), secret);
    let path = dir.path().join("secrets/files.key");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_ne!(std::fs::read(dir.path().join("secrets/issuer.key")).unwrap(), secret);
    std::fs::write(&path, "short").unwrap();
    assert!(super::files_secret(dir.path()).is_err());
}

fn headers(authorization: Option<&str>) -> HeaderMap {
    let value = authorization.map(|text| HeaderValue::from_str(text).unwrap());
    value.into_iter().map(|value| (AUTHORIZATION, value)).collect()
}

fn ask(verifier: &Verifier, path: &str, authorization: Option<&str>) -> Result<Option<Actor>, Denied> {
    authenticate(verifier, path, &headers(authorization), NOW)
}

#[test]
fn only_the_api_needs_a_token() {
    let (_dir, issuer) = issuer();
    let verifier = issuer.verifier();
    for path in ["/", "/graphiql", "/health/ready", "/metrics", "/api/v1/openapi.json", "/nowhere"] {
        assert_eq!(ask(&verifier, path, None), Ok(None), "{path}");
    }
    for path in ["/api", "/api/v1/accounts", "/graphql", "/graphql/ws"] {
        assert_eq!(ask(&verifier, path, None), Err(Denied::Missing), "{path}");
        assert_eq!(ask(&verifier, path, Some("Basic eDp5")), Err(Denied::Malformed), "{path}");
        assert_eq!(ask(&verifier, path, Some("Bearer")), Err(Denied::Malformed), "{path}");
        assert_eq!(ask(&verifier, path, Some("Bearer x")), Err(Denied::Invalid), "{path}");
    }
    let token = issuer.token(&customer(), NOW, HOUR).unwrap();
    let bearer = format!("bearer {token}");
    assert_eq!(ask(&verifier, "/api/v1/accounts", Some(&bearer)), Ok(Some(customer())));
}

#[tokio::test]
async fn a_refusal_is_a_problem_with_a_challenge() {
    for (denied, code, challenge) in [
        (Denied::Missing, "unauthenticated", r#"Bearer realm="daybook""#),
        (Denied::Invalid, "token_invalid", r#"Bearer realm="daybook", error="invalid_token""#),
        (
            Denied::Expired,
            "token_expired",
            r#"Bearer realm="daybook", error="invalid_token", error_description="expired""#,
        ),
    ] {
        let response = denied.into_response();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()[WWW_AUTHENTICATE], challenge);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["code"], code);
        assert_eq!(body["status"], 401);
    }
}
