//! The gate between raw and trusted bytes.
//!
//! Meta signs the exact bytes it sends (`X-Hub-Signature-256: sha256=<hex>`), with `\u00f1`-style
//! escapes and `\/`, so a body that was parsed and written again no longer verifies. Hence:
//! raw bytes in, [`VerifiedBody`] out, and everything that parses takes a `VerifiedBody`.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// The header that carries the signature.
pub const HEADER: &str = "x-hub-signature-256";

/// The secrets of one Meta app.
#[derive(Debug, Clone)]
pub struct AppSecrets {
    /// The app secret that Meta signs with now. Never empty: anybody could sign with that.
    pub current: SecretString,
    /// The one before it; accepted while a rotation is under way.
    pub previous: Option<SecretString>,
}

/// Why a body was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no signature header.
    #[error("the {HEADER} header is missing")]
    Missing,
    /// The header is not `sha256=` and 64 hexadecimal digits.
    #[error("the {HEADER} header is not `sha256=` and 64 hexadecimal digits")]
    Malformed,
    /// The signature was made with another secret, or over other bytes.
    #[error("the signature does not match the body")]
    Mismatch,
}

/// Bytes that Meta signed for one of our apps. Can only be had from [`verify`].
#[derive(Debug, Clone, Copy)]
pub struct VerifiedBody<'a>(&'a [u8]);

impl<'a> VerifiedBody<'a> {
    /// The bytes as they were received.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

/// Checks a body against its signature header, in constant time.
///
/// Upper-case digits are accepted: they name the same bytes. (Meta sends lower case.)
pub fn verify<'a>(
    body: &'a [u8],
    header: Option<&[u8]>,
    secrets: &AppSecrets,
) -> Result<VerifiedBody<'a>, SignatureError> {
    let header = header.ok_or(SignatureError::Missing)?;
    let digits = header.strip_prefix(b"sha256=").ok_or(SignatureError::Malformed)?;
    let mut signature = [0_u8; 32];
    match data_encoding::HEXLOWER_PERMISSIVE.decode_len(digits.len()) {
        Ok(32) => data_encoding::HEXLOWER_PERMISSIVE
            .decode_mut(digits, &mut signature)
            .map_err(|_| SignatureError::Malformed)?,
        _ => return Err(SignatureError::Malformed),
    };
    let signed_with = |secret: &SecretString| mac(body, secret).verify_slice(&signature).is_ok();
    if signed_with(&secrets.current) || secrets.previous.as_ref().is_some_and(signed_with) {
        Ok(VerifiedBody(body))
    } else {
        Err(SignatureError::Mismatch)
    }
}

/// The header's value for a body: what Meta would send. For tests and the simulator.
pub fn sign(body: &[u8], secret: &SecretString) -> String {
    format!("sha256={}", data_encoding::HEXLOWER.encode(&mac(body, secret).finalize().into_bytes()))
}

fn mac(body: &[u8], secret: &SecretString) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .expect("HMAC takes keys of any length")
        .chain_update(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use recado_testkit::samples;

    fn secrets(current: &str, previous: Option<&str>) -> AppSecrets {
        AppSecrets { current: current.into(), previous: previous.map(Into::into) }
    }

    #[test]
    fn every_vector_is_judged_as_it_says() {
        for vector in samples::signature_vectors() {
            let header = vector.header.as_ref().map(|header| header.as_bytes());
            let verdict = verify(&vector.body, header, &secrets(&vector.secret, None));
            assert_eq!(verdict.is_ok(), vector.valid, "{}: {verdict:?}", vector.name);
        }
    }

    #[test]
    fn a_refusal_says_what_is_wrong() {
        let judge = |header: Option<&str>| verify(b"{}", header.map(str::as_bytes), &secrets("s", None)).unwrap_err();
        assert_eq!(judge(None), SignatureError::Missing);
        assert_eq!(judge(Some("sha1=00")), SignatureError::Malformed);
        assert_eq!(judge(Some(&format!("sha256={}", "0".repeat(63)))), SignatureError::Malformed);
        assert_eq!(judge(Some(&format!("sha256={}", "0".repeat(66)))), SignatureError::Malformed);
        assert_eq!(judge(Some(&format!("sha256={}", "0".repeat(64)))), SignatureError::Mismatch);
    }

    #[test]
    fn the_previous_secret_is_good_during_a_rotation_and_not_after_it() {
        let header = sign(b"{}", &"old".into());
        assert!(verify(b"{}", Some(header.as_bytes()), &secrets("new", Some("old"))).is_ok());
        assert!(verify(b"{}", Some(header.as_bytes()), &secrets("new", None)).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn what_was_signed_verifies_and_nothing_else_does(
            body in proptest::collection::vec(any::<u8>(), 0..200),
            secret in "[ -~]{1,40}",
            place in any::<prop::sample::Index>(),
            bit in 0..8_u32,
        ) {
            let header = sign(&body, &secret.as_str().into());
            prop_assert!(verify(&body, Some(header.as_bytes()), &secrets(&secret, None)).is_ok());

            // One bit of any of the three, a byte too many, and a byte too few.
            let mutations = |bytes: &[u8]| -> Vec<Vec<u8>> {
                let mut flipped = bytes.to_vec();
                let longer = [bytes, b" "].concat();
                if bytes.is_empty() {
                    return vec![longer];
                }
                flipped[place.index(bytes.len())] ^= 1 << bit;
                vec![flipped, longer, bytes[1..].to_vec(), bytes[..bytes.len() - 1].to_vec()]
            };
            for other in mutations(&body) {
                prop_assert!(verify(&other, Some(header.as_bytes()), &secrets(&secret, None)).is_err());
            }
            for other in mutations(header.as_bytes()) {
                // A digit in upper case is the same digit.
                let same = other.eq_ignore_ascii_case(header.as_bytes()) && other.starts_with(b"sha256=");
                prop_assert_eq!(verify(&body, Some(&other), &secrets(&secret, None)).is_ok(), same, "{:?}", other);
            }
            for other in mutations(secret.as_bytes()).into_iter().filter_map(|other| String::from_utf8(other).ok()) {
                prop_assert!(verify(&body, Some(header.as_bytes()), &secrets(&other, None)).is_err());
            }
        }
    }
}
