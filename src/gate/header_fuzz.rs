//! Headers from strangers: credentials and deadlines, read as a slow and simple reader reads them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use super::{Login, deadline};

fn headers(name: &'static str, value: &[u8]) -> Option<HeaderMap> {
    Some(HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_bytes(value).ok()?)]))
}

/// User and password, as the text before and after the first colon.
fn expected(plain: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = plain.iter().position(|byte| *byte == b':')?;
    let user = String::from_utf8_lossy(&plain[..colon]).into_owned();
    Some((user, plain[colon + 1..].to_vec()))
}

fn parts(login: Result<Login, tonic::Status>) -> Result<(String, Vec<u8>), String> {
    login.map(Login::into_parts).map_err(|e| e.message().to_owned())
}

#[test]
fn fuzz_credentials_that_were_written_are_read() {
    bolero::check!().for_each(|plain: &[u8]| {
        let no_colon = || "auth check failure, please check api key is correct".to_owned();
        let encoded = STANDARD.encode(plain);
        let grpc = headers("authorization", encoded.as_bytes()).unwrap();
        assert_eq!(parts(Login::from_grpc(&grpc)), expected(plain).ok_or_else(no_colon));
        let basic = headers("authorization", format!("Basic {encoded}").as_bytes()).unwrap();
        assert_eq!(parts(Login::from_http(&basic)), expected(plain).ok_or_else(no_colon));
        if let Some(bearer) = headers("authorization", &[b"Bearer ", plain].concat()) {
            assert_eq!(parts(Login::from_http(&bearer)), expected(plain).ok_or_else(no_colon));
        }
        // What is passed on is the same login.
        if let Ok(login) = Login::from_grpc(&grpc)
            && std::str::from_utf8(plain).is_ok()
        {
            let mut passed_on = HeaderMap::new();
            passed_on.insert(AUTHORIZATION, login.to_grpc().unwrap());
            assert_eq!(parts(Login::from_grpc(&passed_on)).ok(), expected(plain));
        }
    });
}

#[test]
fn fuzz_credentials_have_one_spelling() {
    bolero::check!().for_each(|value: &[u8]| {
        // Mostly base64: all bytes would seldom be any.
        const LETTERS: &[u8] = b"ABcd09+/==:\n -_";
        let letters = value.iter().map(|byte| LETTERS[usize::from(*byte) % LETTERS.len()]);
        for value in [value.to_vec(), letters.collect()] {
            let Some(headers) = headers("authorization", &value) else { continue };
            match parts(Login::from_grpc(&headers)) {
                Ok(_) => {
                    assert_eq!(STANDARD.encode(STANDARD.decode(&value).unwrap()).as_bytes(), value)
                }
                Err(text) => assert!(text.len() < 64),
            }
        }
    });
}

/// By gRPC's grammar, but for the number of digits.
fn reckoned(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    let nanos: u128 = match unit {
        b'H' => 3_600_000_000_000,
        b'M' => 60_000_000_000,
        b'S' => 1_000_000_000,
        b'm' => 1_000_000,
        b'u' => 1_000,
        b'n' => 1,
        _ => return None,
    };
    let digit = |all: Option<u128>, byte: &u8| {
        let all = all?.checked_mul(10)?.checked_add(u128::from(byte.checked_sub(b'0')?))?;
        (byte.is_ascii_digit() && all <= u128::from(u64::MAX)).then_some(all)
    };
    let amount = digits.iter().fold((!digits.is_empty()).then_some(0), digit)?;
    let all = amount * nanos;
    let seconds = u64::try_from(all / 1_000_000_000).ok()?;
    Some(Duration::new(seconds, (all % 1_000_000_000) as u32))
}

#[test]
fn fuzz_deadlines_are_what_they_say() {
    bolero::check!().with_type::<(Vec<u8>, u64, u8)>().for_each(|(any, amount, unit)| {
        const UNITS: &[u8] = b"HMSmunx+";
        let unit = char::from(UNITS[usize::from(*unit) % UNITS.len()]);
        // Small amounts too.
        let small = amount >> (amount % 64);
        for value in [
            any.clone(),
            format!("{amount}{unit}").into(),
            format!("{small}{unit}").into(),
            format!("+{small}{unit}").into(),
        ] {
            if let Some(headers) = headers("grpc-timeout", &value) {
                assert_eq!(deadline::of(&headers), reckoned(&value), "{value:?}");
                // However long, the moment can be reckoned with.
                let _ = deadline::moment(&headers);
            }
        }
        let left = Duration::from_micros(*amount >> (amount % 64));
        let told =
            HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), deadline::header(left))]);
        let told = deadline::of(&told).unwrap();
        // Never longer, and shorter by a hundredth at most.
        assert!(
            told <= left && left - told <= left / 100 || left.as_secs() > 99_999_999,
            "{left:?} {told:?}"
        );
    });
}
