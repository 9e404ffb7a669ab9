//! Signatures after Standard Webhooks: HMAC-SHA256 over id, timestamp and body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The value of `webhook-signature`: one `v1,…` for each key, with a space between.
#[must_use]
pub fn sign<'a>(keys: impl IntoIterator<Item = &'a [u8]>, id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut header = String::new();
    let timestamp = timestamp.to_string();
    for key in keys {
        // A key of any length will do.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { continue };
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        if !header.is_empty() {
            header.push(' ');
        }
        header.push_str("v1,");
        STANDARD.encode_string(mac.finalize().into_bytes(), &mut header);
    }
    header
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::sign;

    /// The example of the specification's own libraries.
    #[test]
    fn it_is_what_the_specification_says() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = sign([key.as_slice()], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_keys_make_two_signatures() {
        let both = sign([b"one".as_slice(), b"two".as_slice()], "msg_1", 1, b"{}");
        let (one, two) = both.split_once(' ').unwrap();
        assert_eq!(one, sign([b"one".as_slice()], "msg_1", 1, b"{}"));
        assert_eq!(two, sign([b"two".as_slice()], "msg_1", 1, b"{}"));
        assert_ne!(one, two);
    }
}
