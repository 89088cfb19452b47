use super::*;
use proptest::prelude::*;

fn buenos_aires(text: &str) -> Result<String, InvalidPhone> {
    Phone::parse(text, AreaCode::BUENOS_AIRES).map(|phone| phone.digits().to_owned())
}

fn wa_id(text: &str) -> WaId {
    WaId::parse(text).unwrap()
}

#[test]
fn every_checked_vector_comes_out_as_it_should() {
    #[derive(Deserialize)]
    struct Vector {
        input: String,
        default_area: String,
        result: String,
        e164_digits: Option<String>,
        note: String,
    }
    let vectors = include_str!("../../../testkit/samples/ar_phone_vectors.json");
    let vectors: Vec<Vector> = serde_json::from_str(vectors).unwrap();
    assert!(vectors.len() >= 17, "only {} vectors", vectors.len());
    for Vector { input, default_area, result, e164_digits, note } in vectors {
        let phone = Phone::parse(&input, AreaCode::parse(&default_area).unwrap());
        let digits = phone.as_ref().ok().map(|phone| phone.digits().to_owned());
        assert_eq!(digits, e164_digits, "{input:?} in area {default_area} ({note}): {phone:?}");
        assert_eq!(phone.is_ok(), result != "invalid", "{input:?} ({note})");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (text, rule) in [
        ("", InvalidPhone::Empty),
        (" +( ) ", InvalidPhone::Empty),
        ("11 1234-5678 int. 4", InvalidPhone::Character),
        ("11+12345678", InvalidPhone::Character),
        ("++54 11 1234 5678", InvalidPhone::Character),
        ("11 1234-567", InvalidPhone::Length),
        ("11 1234-56789", InvalidPhone::Length),
        ("999 15 1234567", InvalidPhone::AreaCode),
        ("0800 555 1234", InvalidPhone::AreaCode),
        ("+54 9 15 1234-5678", InvalidPhone::AreaCode),
        ("16505551234", InvalidPhone::AreaCode),
        ("15 555-0077", InvalidPhone::AfterFifteen),
        ("+210 555 1234", InvalidPhone::CallingCode),
        ("+1 650 555", InvalidPhone::ForeignLength),
        ("+1 650 555 1234 5678", InvalidPhone::ForeignLength),
        ("11 1234 5678 1234 5678 1234 5678", InvalidPhone::Length),
    ] {
        assert_eq!(buenos_aires(text), Err(rule), "{text:?}");
    }
}

#[test]
fn foreign_numbers_pass_and_lose_only_a_trunk_prefix() {
    for (text, digits) in [
        ("+260 97 1234567", "260971234567"),
        ("00 598 94 123 456", "59894123456"),
        ("+44 (0)20 7946 0958", "442079460958"),
        ("+39 06 698 12345", "390669812345"),
        ("+55 11 91234-5678", "5511912345678"),
        ("+52 1 55 1234 5678", "5215512345678"),
        ("+7 800 555 35 35", "78005553535"),
        ("+7 8 (495) 123-45-67", "74951234567"),
        ("+1 242 555 1234", "12425551234"),
        ("+595 981 123456", "595981123456"),
    ] {
        assert_eq!(buenos_aires(text).as_deref(), Ok(digits), "{text:?}");
    }
}

#[test]
fn two_area_codes_with_one_beginning_are_told_apart_by_their_fifteen() {
    assert_eq!(buenos_aires("0220 15 412-3456").as_deref(), Ok("5492204123456"));
    assert_eq!(buenos_aires("02202 15 41-2345").as_deref(), Ok("5492202412345"));
}

#[test]
fn the_alternate_form_goes_there_and_back_and_only_in_argentina() {
    assert_eq!(alternate_form(&wa_id("5491112345678")), Some(wa_id("541112345678")));
    assert_eq!(alternate_form(&wa_id("541112345678")), Some(wa_id("5491112345678")));
    for other in ["16505551234", "5511912345678", "5215512345678", "54911123", "549911123456"] {
        assert_eq!(alternate_form(&wa_id(other)), None, "{other}");
    }
}

#[test]
fn a_key_is_ten_digits_at_home_and_everything_abroad() {
    let key = |text| match_key_of(&wa_id(text)).map(|key| key.as_str().to_owned());
    assert_eq!(key("5491112345678").as_deref(), Some("1112345678"));
    assert_eq!(key("541112345678").as_deref(), Some("1112345678"));
    assert_eq!(key("11112345678").as_deref(), Some("+11112345678"), "a foreign number with the same last ten digits");
    assert_eq!(key("123"), None, "too short for a number");
}

#[test]
fn a_number_does_not_show_in_debug_and_is_stored_with_its_plus() {
    let phone = Phone::parse("11 1234-5678", AreaCode::BUENOS_AIRES).unwrap();
    let shown = format!("{phone:?} {:?}", phone.match_key());
    assert!(!shown.contains("1234"), "the number shows in {shown}");
    let json = serde_json::to_string(&phone).unwrap();
    assert_eq!(json, "\"+5491112345678\"");
    assert_eq!(serde_json::from_str::<Phone>(&json).unwrap(), phone);
    assert!(serde_json::from_str::<Phone>("\"5491112345678\"").is_err(), "a number without plus was read");
}

/// All the ways in which this subscriber is written where the area is the default one.
fn spellings(area: AreaCode, subscriber: &str) -> Vec<String> {
    let whole = format!("{area}{subscriber}");
    let fifteen = format!("{area}15{subscriber}");
    let mut all = vec![subscriber.to_owned(), format!("15{subscriber}"), format!("015{subscriber}")];
    for before in ["", "0", "9", "09", "54", "549", "540", "5490", "+54", "+549", "+540", "0054", "00549", "+0054"] {
        all.push(format!("{before}{whole}"));
        all.push(format!("{before}{fifteen}"));
    }
    all
}

const SEPARATORS: [&str; 16] = [
    "", " ", "-", ".", "/", "(", ")", ") ", " - ", "\u{A0}", "\u{2011}", "\u{2013}", "\u{2212}", "\u{202F}",
    "\u{200E}", "\u{202A}",
];

/// Puts separators between the characters, as `noise` says; perhaps in full width, perhaps as a link.
fn disguised(number: &str, noise: u64) -> String {
    let mut random = noise;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize
    };
    let full_width = next() % 4 == 0;
    let mut text = String::from(["", "", "tel:", "TEL:"][next() % 4]);
    for char in number.chars() {
        match char.to_digit(10) {
            Some(digit) if full_width => text.extend(char::from_u32(0xFF10 + digit)),
            _ => text.push(char),
        }
        // Most digits stand together.
        text.push_str(SEPARATORS[(next() % 64).saturating_sub(48)]);
    }
    text
}

const SUBSCRIBERS_PER_AREA: u32 = 24;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(SUBSCRIBERS_PER_AREA))]

    /// 300 areas × 24 subscribers × 31 spellings: 223,200 numbers.
    #[test]
    fn every_spelling_of_a_mobile_is_the_same_phone(digits in 1_000_000_000_u64..10_000_000_000, noise: u64) {
        let mut tried = 0;
        for area in AreaCode::all() {
            let subscriber = &digits.to_string()[..area.subscriber_len()];
            let wa_id = wa_id(&format!("549{area}{subscriber}"));
            for spelling in spellings(area, subscriber) {
                let typed = disguised(&spelling, noise ^ tried);
                let phone = Phone::parse(&typed, area);
                prop_assert_eq!(phone.as_ref().map(Phone::to_wa_id), Ok(wa_id.clone()), "{:?}", typed);
                let phone = phone.unwrap();
                prop_assert_eq!(Some(phone.match_key()), match_key_of(&wa_id));
                prop_assert_eq!(Some(phone.match_key()), alternate_form(&wa_id).and_then(|other| match_key_of(&other)));
                prop_assert_eq!(Phone::parse(phone.as_e164(), AreaCode::BUENOS_AIRES), Ok(phone));
                tried += 1;
            }
        }
        prop_assert_eq!(tried, 300 * 31);
    }
}

#[test]
fn no_calling_code_begins_with_a_zero() {
    for text in ["000070000000000", "+07000000000"] {
        assert_eq!(Phone::parse(text, AreaCode::BUENOS_AIRES), Err(InvalidPhone::CallingCode), "{text}");
    }
}

#[test]
fn two_spellings_of_an_international_number_are_the_same_number() {
    for (one, other) in [
        ("5491150001234", "+54 9 11 5000-1234"),
        ("541150001234", "+54 9 11 5000-1234"),
        ("+1 555 078 3881", "15550783881"),
    ] {
        assert!(is_same_number(one, other), "{one} and {other}");
    }
    for (one, other) in [("5491150001234", "5491150001235"), ("", ""), ("1234", "1234"), ("5491150001234", "")] {
        assert!(!is_same_number(one, other), "{one:?} and {other:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn no_text_is_too_strange_and_what_is_read_reads_back(text in any_text(), area in 0_usize..300) {
        let area = AreaCode::all().nth(area).unwrap();
        if let Ok(phone) = Phone::parse(&text, area) {
            prop_assert_eq!(Some(phone.match_key()), match_key_of(&phone.to_wa_id()));
            prop_assert!(is_international(phone.digits()));
            prop_assert_eq!(Phone::parse(phone.as_e164(), AreaCode::BUENOS_AIRES), Ok(phone), "{:?}", text);
        }
    }

    #[test]
    fn no_foreign_number_matches_an_argentine_one(foreign in "[1-9][0-9]{6,14}", national in "[123][0-9]{9}") {
        prop_assume!(!foreign.starts_with("54"));
        let key = match_key_of(&wa_id(&foreign)).unwrap();
        prop_assert_ne!(Some(key.clone()), match_key_of(&wa_id(&format!("549{national}"))));
        prop_assert!(key.as_str().starts_with('+'));
    }
}

/// Mostly things that look like numbers, sometimes anything at all.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => r"(\+|00|tel:\+?)?[0-9]{1,18}",
        2 => r"[+]?[0-9 ()./\-]{0,30}",
        1 => r"\PC{0,40}",
        1 => any::<String>(),
    ]
}
