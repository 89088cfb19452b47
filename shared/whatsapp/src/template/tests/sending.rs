use super::*;
use proptest::prelude::*;
use recado_domain::personal::Personal;

fn secret(text: &str) -> Personal<String> {
    Personal::new(text.to_owned())
}

fn named<const N: usize>(values: [(&str, &str); N]) -> Values {
    Values::Named(values.map(|(name, value)| (name.to_owned(), secret(value))).to_vec())
}

fn positional<const N: usize>(values: [&str; N]) -> Values {
    Values::Positional(values.map(secret).to_vec())
}

fn button(index: usize, kind: ButtonKind, text: &str) -> ButtonValue {
    ButtonValue { index, kind, text: Some(secret(text)) }
}

/// What fits [`listed`].
fn fitting() -> Parameters {
    Parameters {
        header: Some(HeaderValue::Text(named([("number", "12")]))),
        body: named([("date", "20/11"), ("name", "Ana")]),
        buttons: vec![button(0, ButtonKind::Payload, "SI_12"), button(2, ButtonKind::UrlSuffix, "12")],
        ..Parameters::default()
    }
}

fn fitting_cards() -> Parameters {
    let card = Parameters {
        header: Some(HeaderValue::Media(HeaderFormat::Image)),
        body: positional(["20 %"]),
        buttons: vec![button(1, ButtonKind::UrlSuffix, "9")],
        ..Parameters::default()
    };
    Parameters { body: positional(["Ana"]), cards: vec![card.clone(), card], ..Parameters::default() }
}

fn fitting_offer() -> Parameters {
    Parameters {
        header: Some(HeaderValue::Media(HeaderFormat::Image)),
        body: positional(["CARIBE25"]),
        buttons: vec![button(0, ButtonKind::CouponCode, "CARIBE25"), button(1, ButtonKind::UrlSuffix, "x")],
        expiration_ms: Some(1_795_171_200_000),
        ..Parameters::default()
    }
}

fn fitting_code() -> Parameters {
    let buttons = vec![button(0, ButtonKind::UrlSuffix, "123456")];
    Parameters { body: positional(["123456"]), buttons, ..Parameters::default() }
}

#[test]
fn a_template_says_what_a_message_must_supply() {
    let required = read(listed()).parameters();
    assert_eq!(required.header, Some(HeaderRequirement::Text(Requirement::Named(vec!["number".into()]))));
    assert_eq!(required.body, Requirement::Named(vec!["name".into(), "date".into()]));
    let buttons: Vec<_> =
        required.buttons.iter().map(|button| (button.index, button.kind, button.is_optional)).collect();
    use ButtonKind::*;
    assert_eq!(buttons, [(0, Payload, true), (1, Payload, true), (2, UrlSuffix, false), (4, Flow, true)]);

    let required = read(carousel()).parameters();
    assert_eq!(required.cards.len(), 2);
    assert_eq!(required.cards[1].header, Some(HeaderRequirement::Media(HeaderFormat::Image)));
    assert_eq!(required.cards[1].body, Requirement::Positional(1));
    assert!(read(offer()).parameters().expiration);
    assert_eq!(read(one_time_code()).parameters().body, Requirement::Positional(1));
    assert_eq!(read(json!({"components": []})).parameters(), Required::default());
}

#[test]
fn an_authentication_template_is_checked_as_meta_lists_it_too() {
    let template = read(json!({"category": "AUTHENTICATION", "components": [
        {"type": "BODY", "text": "*{{1}}* es tu código de verificación."},
        {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Copiar código",
            "url": "https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp{{1}}"}]}
    ]}));
    assert_eq!(template.check_parameters(&fitting_code()), Ok(()));
    let too_long = Parameters { body: positional(["1234567890123456"]), ..fitting_code() };
    assert_eq!(findings(template.check_parameters(&too_long)), ["body[0] must have at most 15 characters"]);
}

#[test]
fn what_fits_passes() {
    for (json, parameters) in [
        (listed(), fitting()),
        (listed(), Parameters { buttons: vec![button(2, ButtonKind::UrlSuffix, "12")], ..fitting() }),
        (carousel(), fitting_cards()),
        (offer(), fitting_offer()),
        (one_time_code(), fitting_code()),
    ] {
        assert_eq!(findings(read(json.clone()).check_parameters(&parameters)), [""; 0], "{json}");
    }
}

/// What fits, in the form in which it is sent.
#[test]
fn parameters_are_read_from_the_message_that_carries_them() {
    let text = |text: &str| json!({"type": "text", "text": text});
    let name = |name: &str, text: &str| json!({"type": "text", "parameter_name": name, "text": text});
    let url = |index: Value, suffix: &str| json!({"type": "button", "sub_type": "url", "index": index, "parameters": [text(suffix)]});
    let image = || json!({"type": "header", "parameters": [{"type": "image", "image": {"id": "1"}}]});
    let card = |index: usize| {
        json!({"card_index": index, "components": [
            image(), {"type": "body", "parameters": [text("20 %")]}, url(json!(1), "9")]})
    };
    for (sent, expected) in [
        (
            json!([
                {"type": "header", "parameters": [name("number", "12")]},
                {"type": "body", "parameters": [name("date", "20/11"), name("name", "Ana")]},
                {"type": "button", "sub_type": "quick_reply", "index": "0", "parameters": [{"type": "payload", "payload": "SI_12"}]},
                url(json!("2"), "12")
            ]),
            fitting(),
        ),
        (
            json!([{"type": "BODY", "parameters": [text("Ana")]}, {"type": "carousel", "cards": [card(1), card(0)]}]),
            fitting_cards(),
        ),
        (
            json!([
                image(),
                {"type": "body", "parameters": [{"type": "currency", "currency":
                    {"fallback_value": "CARIBE25", "code": "ARS", "amount_1000": 1}}]},
                {"type": "limited_time_offer", "parameters": [{"type": "limited_time_offer",
                    "limited_time_offer": {"expiration_time_ms": 1_795_171_200_000_i64}}]},
                {"type": "button", "sub_type": "copy_code", "index": 0,
                 "parameters": [{"type": "coupon_code", "coupon_code": "CARIBE25"}]},
                url(json!(1), "x")
            ]),
            fitting_offer(),
        ),
        (json!([{"type": "body", "parameters": [text("123456")]}, url(json!("0"), "123456")]), fitting_code()),
        (json!([]), Parameters::default()),
    ] {
        assert_eq!(Parameters::of_components(sent.as_array().unwrap()), Ok(expected), "{sent}");
    }

    let broken = json!([
        {"type": "tail"},
        {"type": "body", "parameters": [text("a"), name("b", "c"), {"type": "image"}]},
        {"type": "button", "sub_type": "jump", "index": -1},
        {"type": "limited_time_offer"},
        {"type": "carousel", "cards": [card(1), {}]},
        7
    ]);
    let found = findings(Parameters::of_components(broken.as_array().unwrap()).map(|_| ()));
    assert_eq!(
        found,
        [
            "components[0].type must be header, body, button, limited_time_offer or carousel",
            "components[1].parameters[2] must be a text, a currency or a date_time",
            "components[1] must name all of its parameters or none",
            "components[2].index must be a number from 0",
            "components[2].sub_type must be url, copy_code, quick_reply, flow, catalog or mpm",
            "components[3] must have an expiration_time_ms",
            "components[4].cards[1].card_index must be a number from 0",
            "components[4] must have cards with the indexes 0, 1, 2 and so on",
            "components[5].type must be header, body, button, limited_time_offer or carousel",
        ]
    );
}

#[test]
fn what_does_not_fit_is_named() {
    let with_body = |body| Parameters { body, ..fitting() };
    let with_header = |header| Parameters { header, ..fitting() };
    let with_buttons = |buttons| Parameters { buttons, ..fitting() };
    let url = |text| button(2, ButtonKind::UrlSuffix, text);
    let x = |count: usize| "x".repeat(count);
    let cases = [
        (with_body(named([("name", "Ana")])), "body must be one value for each of: name, date"),
        (with_body(named([("name", "Ana"), ("name", "Ana")])), "body must be one value for each of: name, date"),
        (
            with_body(named([("name", "a"), ("date", "b"), ("time", "c")])),
            "body must be one value for each of: name, date",
        ),
        (with_body(positional(["Ana", "20/11"])), "body must be named values"),
        (with_body(named([("name", ""), ("date", "b")])), "body.name must not be empty"),
        (with_body(named([("name", "a\nb"), ("date", "b")])), "body.name must have neither line breaks nor tabs"),
        (with_body(named([("name", "a\tb"), ("date", "b")])), "body.name must have neither line breaks nor tabs"),
        (with_body(named([("name", "a     b"), ("date", "b")])), "body.name must have at most 4 spaces in a row"),
        (with_body(named([("name", &x(1_000)), ("date", "b")])), "body must leave the whole text at 1024 characters"),
        (with_header(None), "header must be the values of a text"),
        (with_header(Some(HeaderValue::Media(HeaderFormat::Image))), "header must be the values of a text"),
        (with_header(Some(HeaderValue::Text(named([("number", &x(60))])))), "header must leave the whole text at 60"),
        (with_buttons(vec![]), "buttons[2] must be supplied"),
        (with_buttons(vec![url("1"), url("2")]), "buttons[2] must be supplied once"),
        (with_buttons(vec![url("1"), button(3, ButtonKind::UrlSuffix, "1")]), "buttons[3] must be absent"),
        (with_buttons(vec![url("1"), button(99, ButtonKind::Payload, "1")]), "buttons[99] must be absent"),
        (
            with_buttons(vec![button(2, ButtonKind::Payload, "1")]),
            "buttons[2] must be what the button at this place takes",
        ),
        (with_buttons(vec![url("")]), "buttons[2] must not be empty"),
        (with_buttons(vec![url(&x(2_000))]), "buttons[2] must leave the address at 2000"),
        (Parameters { expiration_ms: Some(1), ..fitting() }, "expiration_ms must be absent"),
        (Parameters { cards: vec![Parameters::default()], ..fitting() }, "cards must be 0"),
    ];
    for (parameters, expected) in cases {
        let found = findings(read(listed()).check_parameters(&parameters));
        assert!(found.iter().any(|finding| finding.starts_with(expected)), "expected {expected:?} among {found:#?}");
    }

    let mut cards = fitting_cards();
    cards.cards[1].header = Some(HeaderValue::Media(HeaderFormat::Video));
    assert_eq!(findings(read(carousel()).check_parameters(&cards)), ["cards[1].header must be of format IMAGE"]);
    cards.cards.pop();
    assert_eq!(findings(read(carousel()).check_parameters(&cards)), ["cards must be 2, as many as the template has"]);

    let unending = Parameters { expiration_ms: None, ..fitting_offer() };
    assert_eq!(findings(read(offer()).check_parameters(&unending)), ["expiration_ms must say when the offer ends"]);
    let wordy = Parameters {
        buttons: vec![button(0, ButtonKind::CouponCode, &x(16)), button(1, ButtonKind::UrlSuffix, "x")],
        ..fitting_offer()
    };
    assert_eq!(findings(read(offer()).check_parameters(&wordy)), ["buttons[0] must have 1 to 15 characters"]);

    let numbered = read(json!({"components": [{"type": "BODY", "text": "Hola {{1}} y {{2}}"}]}));
    let check = |body| findings(numbered.check_parameters(&Parameters { body, ..Parameters::default() }));
    assert_eq!(check(positional(["a"])), ["body must be 2 values"]);
    assert_eq!(
        check(named([("a", "b"), ("c", "d")])),
        ["body must be positional values: the template numbers its variables"]
    );
    let fixed = read(
        json!({"components": [{"type": "BODY", "text": "Hola"}, {"type": "HEADER", "format": "TEXT", "text": "H"}]}),
    );
    let found = findings(fixed.check_parameters(&fitting()));
    assert_eq!(found[0], "header must be absent: the template's header takes no values");
    assert_eq!(found[1], "body must be absent: the template's text takes no values");
}

#[test]
fn findings_and_parameters_never_show_a_value() {
    let parameters = Parameters { body: named([("name", "Lucía\n"), ("fecha", "Lucía")]), ..fitting() };
    let shown = format!("{parameters:?} {:?}", read(listed()).check_parameters(&parameters));
    assert!(!shown.contains("Luc"), "a value shows in {shown}");
}

#[test]
fn the_customer_sees_header_body_footer_and_buttons() {
    let shown = read(listed()).render(&fitting());
    assert_eq!(
        shown,
        "Turno 12\n\nHola Ana, te esperamos el 20/11 en el consultorio.\n\nConsultorio Sur\n\n\
         [Confirmar]\n[Cancelar]\n[Ver turno] https://example.com/t/12\n[Llamar] +541148001234\n[Encuesta]\n[Hablar]"
    );
    assert_eq!(
        read(offer()).render(&fitting_offer()),
        "📷 Imagen\n\nSe termina\n\nCon el código CARIBE25 tenés descuento en toda la tienda.\n\n\
         [Copiar código] CARIBE25\n[Comprar] https://example.com/?c=x"
    );
    assert_eq!(
        read(carousel()).render(&fitting_cards()),
        "Hola Ana, mirá lo nuevo de esta semana.\n\n\
         📷 Imagen\n\nLimones con 20 % de descuento por esta semana\n\n[Quiero]\n[Ver] https://example.com/p/9\n\n\
         📷 Imagen\n\nNaranjas con 20 % de descuento por esta semana\n\n[Quiero]\n[Ver] https://example.com/p/9"
    );
    assert_eq!(
        read(one_time_code()).render(&fitting_code()),
        "Tu código de verificación es 123456. Por tu seguridad, no lo compartas.\n\n[Copiar]"
    );
}

#[test]
fn what_is_not_supplied_yet_shows_as_it_is_defined() {
    let shown = read(listed()).render(&Parameters { body: named([("name", "Ana")]), ..Parameters::default() });
    assert!(shown.contains("Hola Ana, te esperamos el {{date}} en"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_048))]

    /// As many values as the text has variables pass, one more or one less never does.
    #[test]
    fn the_number_of_values_decides(count in 0_usize..12, given in 0_usize..12, value in "[a-zñ]{1,8}") {
        let text: Vec<_> = (1..=count).map(|number| format!("y {{{{{number}}}}} ")).collect();
        let template = read(json!({"components": [{"type": "BODY", "text": format!("Hola {}chau", text.concat())}]}));
        let body = Values::Positional(vec![secret(&value); given]);
        let parameters = Parameters { body, ..Parameters::default() };
        prop_assert_eq!(template.check_parameters(&parameters).is_ok(), given == count);
        prop_assert_eq!(template.render(&parameters).contains("{{"), given < count);
    }
}
