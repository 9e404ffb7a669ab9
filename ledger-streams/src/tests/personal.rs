//! Personal data under keys of users.

use tempfile::TempDir;

#[test]
fn personal_data_is_gone_with_its_key() {
    let dir = TempDir::new().unwrap();
    let keys = crate::KeyStore::open(dir.path()).unwrap();
    let id = ledger_core::UserId::from_i64(5).unwrap();
    let details = crate::UserDetails {
        name: "Jana Nováková".into(),
        email: None,
        phone: None,
        ssn: Some("123".into()),
        date_of_birth: None,
    };
    let sealed = keys.create(id, &details).unwrap();
    assert!(!sealed.0.contains("Jana"));
    assert_eq!(keys.open_details(id, &sealed).unwrap(), Some(details.clone()));
    let stranger = ledger_core::UserId::from_i64(6).unwrap();
    keys.create(stranger, &details).unwrap();
    assert!(keys.open_details(stranger, &sealed).is_err(), "another user's key does not open it");
    keys.destroy(id).unwrap();
    keys.destroy(id).unwrap();
    assert_eq!(keys.open_details(id, &sealed).unwrap(), None);
    assert_eq!(keys.seal(id, &details).unwrap(), None);
}
