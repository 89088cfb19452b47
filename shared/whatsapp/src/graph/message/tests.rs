use super::*;
use crate::graph::ids::MediaId;
use proptest::prelude::*;
use recado_domain::ids::{Bsuid, WaId};
use serde_json::{Map, Value, json};

fn phone() -> Address {
    Address::Phone(WaId::parse("5491155551234").unwrap())
}

fn file() -> Media {
    Media::id(MediaId::parse("4490709327384033").unwrap())
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn place() -> Location {
    let (name, address) = (Some("Obelisco".to_owned()), Some("Av. 9 de Julio s/n".to_owned()));
    Location { latitude: -34.6037, longitude: -58.3816, name, address }
}

fn row(id: &str, description: Option<&str>) -> Row {
    Row { id: id.to_owned(), title: format!("Fila {id}"), description: description.map(str::to_owned) }
}

fn card() -> ContactCard {
    ContactCard {
        name: CardName {
            formatted_name: "Jorge Pérez".to_owned(),
            first_name: Some("Jorge".to_owned()),
            last_name: Some("Pérez".to_owned()),
            ..CardName::default()
        },
        phones: vec![CardPhone {
            phone: "+54 9 11 5555-1234".to_owned(),
            kind: Some("CELL".to_owned()),
            wa_id: Some(WaId::parse("5491155551234").unwrap()),
        }],
        emails: vec![CardEmail { email: Some("jorge@example.com".to_owned()), kind: Some("WORK".to_owned()) }],
        addresses: vec![CardAddress {
            street: Some("Av. Corrientes 1234".to_owned()),
            city: Some("Buenos Aires".to_owned()),
            country_code: Some("ar".to_owned()),
            kind: Some("HOME".to_owned()),
            ..CardAddress::default()
        }],
        org: Some(CardOrganisation { company: Some("CampoTech".to_owned()), ..CardOrganisation::default() }),
        urls: vec![CardUrl { url: Some("https://campotech.example".to_owned()), kind: Some("WORK".to_owned()) }],
        birthday: Some("1980-05-04".to_owned()),
    }
}

fn flow() -> Flow {
    Flow::Flow {
        flow_message_version: "3".to_owned(),
        flow_token: Some("token-1".to_owned()),
        flow_id: Some("1234567890".to_owned()),
        flow_name: None,
        flow_cta: "Reservar".to_owned(),
        flow_action: Some(FlowAction::Navigate),
        flow_action_payload: Some(FlowPayload {
            screen: "FIRST".to_owned(),
            data: Some(map(json!({"service": "riego"}))),
        }),
        mode: None,
    }
}

fn interactive(interactive: Interactive) -> Content {
    Content::Interactive(Box::new(interactive))
}

/// One message of each shape, by a name that says which.
fn shapes() -> Vec<(&'static str, Content)> {
    let header = |header| Interactive {
        header: Some(header),
        footer: Some("CampoTech".into()),
        ..Interactive::buttons("¿Confirmás la visita?", [("yes", "Sí"), ("no", "No")])
    };
    let sections = vec![
        Section { title: Some("Mañana".to_owned()), rows: vec![row("8", Some("De 8 a 9")), row("9", None)] },
        Section { title: Some("Tarde".to_owned()), rows: vec![row("15", None)] },
    ];
    let template = || TemplateMessage::new("job_scheduled", "es_AR");
    let card = |image, code: &str| {
        vec![
            Component::Header { parameters: vec![Parameter::Image { image }] },
            Component::Body { parameters: vec![Parameter::text("10 %")] },
            Component::Button {
                sub_type: ButtonKind::QuickReply,
                index: 0,
                parameters: vec![ButtonParameter::Payload { payload: code.to_owned() }],
            },
        ]
    };
    let product = Product { product_retailer_id: "SKU1".to_owned(), catalog_id: "77".to_owned() };
    vec![
        ("text", Content::text("¡Hola!")),
        ("text_with_preview", Content::Text(Text { body: "https://example.com".to_owned(), preview_url: true })),
        ("image_by_id", Content::Image(file().with_caption("El tanque"))),
        ("image_by_link", Content::Image(Media::link("https://example.com/a.jpg"))),
        ("video", Content::Video(file().with_caption("La bomba"))),
        ("audio", Content::Audio(file())),
        ("voice", Content::Audio(file().as_voice())),
        ("document", Content::Document(file().with_caption("Tu factura").with_filename("factura.pdf"))),
        ("sticker", Content::Sticker(file())),
        ("location", Content::Location(place())),
        ("contacts", Content::Contacts(vec![self::card()])),
        ("reaction", reaction("👍🏽")),
        ("reaction_removed", reaction("")),
        ("buttons", interactive(header(Header::Text { text: "Visita".to_owned() }))),
        ("buttons_image_header", interactive(header(Header::Image { image: file() }))),
        ("buttons_video_header", interactive(header(Header::Video { video: file() }))),
        (
            "buttons_document_header",
            interactive(header(Header::Document { document: file().with_filename("presupuesto.pdf") })),
        ),
        ("list", interactive(Interactive::list("Elegí un horario", "Ver horarios", sections))),
        ("cta_url", interactive(Interactive::cta_url("Tu factura", "Pagar", "https://example.com/pay/1"))),
        ("location_request", interactive(Interactive::location_request("¿Dónde es la visita?"))),
        ("contact_info_request", interactive(Interactive::contact_info_request("¿Nos pasás tu número?"))),
        ("flow", interactive(Interactive::new("Reservá tu turno", Action::Flow(flow())))),
        ("template_bare", Content::Template(template())),
        (
            "template_positional",
            Content::Template(
                template()
                    .header(Parameter::text("Ana"))
                    .body([
                        Parameter::text("Ana"),
                        Parameter::Currency {
                            parameter_name: None,
                            currency: Currency {
                                fallback_value: "$ 1.500".to_owned(),
                                code: "ARS".to_owned(),
                                amount_1000: 1_500_000,
                            },
                        },
                        Parameter::DateTime {
                            parameter_name: None,
                            date_time: DateTime { fallback_value: "20 de noviembre".to_owned() },
                        },
                    ])
                    .button(0, ButtonKind::Url, ButtonParameter::Text { text: "abc".to_owned() })
                    .button(1, ButtonKind::QuickReply, ButtonParameter::Payload { payload: "CONFIRM_8812".to_owned() }),
            ),
        ),
        (
            "template_named",
            Content::Template(
                template()
                    .header(Parameter::Document { document: file().with_filename("f.pdf") })
                    .body([Parameter::named("customer_name", "Ana"), Parameter::named("job_date", "20/11")]),
            ),
        ),
        (
            "template_image_header",
            Content::Template(template().header(Parameter::Image { image: Media::link("https://example.com/a.jpg") })),
        ),
        ("template_video_header", Content::Template(template().header(Parameter::Video { video: file() }))),
        ("template_location_header", Content::Template(template().header(Parameter::Location { location: place() }))),
        ("template_product_header", Content::Template(template().header(Parameter::Product { product }))),
        (
            "template_flow",
            Content::Template(template().button(
                0,
                ButtonKind::Flow,
                ButtonParameter::flow("token-1", Some(map(json!({"service": "riego"})))),
            )),
        ),
        (
            "template_catalog",
            Content::Template(template().button(
                0,
                ButtonKind::Catalog,
                ButtonParameter::Action { action: map(json!({"thumbnail_product_retailer_id": "SKU1"})) },
            )),
        ),
        ("template_one_time_code", Content::Template(TemplateMessage::one_time_code("login_code", "es_AR", "123456"))),
        (
            "template_limited_time_offer",
            Content::Template(template().body([Parameter::text("Ana")]).offer_until(1_795_171_200_000).button(
                0,
                ButtonKind::CopyCode,
                ButtonParameter::CouponCode { coupon_code: "25OFF".to_owned() },
            )),
        ),
        (
            "template_carousel",
            Content::Template(
                template().body([Parameter::text("Ana")]).carousel([card(file(), "A"), card(file(), "B")]),
            ),
        ),
    ]
}

fn reaction(emoji: &str) -> Content {
    Content::Reaction(Reaction { message_id: Wamid::parse("wamid.A").unwrap(), emoji: emoji.to_owned() })
}

#[test]
fn every_shape_is_written_as_meta_documents_it() {
    for (name, content) in shapes() {
        let to = phone();
        let draft = OutgoingMessage { to: &to, reply_to: None, callback: None, content };
        let sendable = draft.check().unwrap_or_else(|invalid| panic!("{name}: {invalid}"));
        insta::assert_json_snapshot!(name, sendable);
    }
}

#[test]
fn an_answer_with_callback_data_to_a_business_scoped_id_is_written_as_meta_documents_it() {
    let to = Address::Bsuid(Bsuid::parse("AR.70921846350912837465").unwrap());
    let wamid = Wamid::parse("wamid.A").unwrap();
    let content = Content::text("¡Hola!");
    let draft = OutgoingMessage { to: &to, reply_to: Some(&wamid), callback: Some("v1.a.b.1"), content };
    insta::assert_json_snapshot!("reply_to_bsuid", draft.check().unwrap());
}

#[test]
fn every_shape_reads_back() {
    for (name, content) in shapes() {
        let json = serde_json::to_string(&content).unwrap();
        let read: Content = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{name}: {error} in {json}"));
        assert!(read == content, "{name} reads back as something else: {json}");
        assert!(json.starts_with(&format!("{{\"{}\":", content.kind())), "{name}: {json}");
    }
}

#[test]
fn a_misspelt_field_is_not_swallowed() {
    for bad in [
        json!({"text": {"body": "Hola", "previewUrl": true}}),
        json!({"image": {"id": "1", "captions": "x"}}),
        json!({"template": {"name": "a", "language": {"code": "es"}, "component": []}}),
        json!({"text": {"body": "Hola"}, "image": {"id": "1"}}),
        json!({"type": "text", "text": {"body": "Hola"}}),
        json!({"poem": {}}),
        json!({"interactive": {"body": {"text": "x"}, "footers": {"text": "x"}, "type": "button",
               "action": {"buttons": [{"type": "reply", "reply": {"id": "1", "title": "a"}}]}}}),
        json!({"interactive": {"body": {"text": "x"}, "type": "button",
               "action": {"buttons": [{"type": "reply", "reply": {"id": "1", "title": "a", "emoji": "x"}}]}}}),
        json!({"interactive": {"body": {"text": "x"}, "type": "cta_url", "action": {"name": "cta_url",
               "parameters": {"display_text": "a", "url": "https://a", "icon": "b"}}}}),
        json!({"template": {"name": "a", "language": {"code": "es"},
               "components": [{"type": "body", "parameter": []}]}}),
        json!({"template": {"name": "a", "language": {"code": "es"}, "components": [
               {"type": "body", "parameters": [{"type": "text", "text": "x", "parameterName": "y"}]}]}}),
        json!({"template": {"name": "a", "language": {"code": "es"}, "components": [
               {"type": "button", "sub_type": "url", "index": 0, "params": []}]}}),
    ] {
        assert!(serde_json::from_value::<Content>(bad.clone()).is_err(), "{bad} was accepted");
    }
}

#[test]
fn a_buttons_index_is_read_as_text_or_number() {
    for index in [json!("3"), json!(3)] {
        let json = json!({"type": "button", "sub_type": "flow", "index": index});
        let read: Component = serde_json::from_value(json).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap()["index"], "3");
    }
}

#[test]
fn what_people_write_does_not_show_in_debug() {
    for (name, content) in shapes() {
        let to = phone();
        let draft = OutgoingMessage { to: &to, reply_to: None, callback: None, content };
        let shown = format!("{draft:?} {:?}", draft.content);
        for secret in ["Ana", "Hola", "Jorge", "5491155551234", "Obelisco", "123456", "wamid"] {
            assert!(!shown.contains(secret), "{name} shows {secret}: {shown}");
        }
    }
}

/// The rule that a content breaks, as `field: rule`; empty if none.
fn broken(content: &Content) -> String {
    content.check().err().map(|invalid| invalid.to_string()).unwrap_or_default()
}

/// At the limit it passes; one character above it fails, naming the field.
fn assert_text_limit(field: &str, most: usize, content: impl Fn(String) -> Content) {
    // Two bytes a character: characters are counted, not bytes.
    assert_eq!(broken(&content("ñ".repeat(most))), "", "{field} at its limit of {most}");
    assert_eq!(broken(&content("ñ".repeat(most + 1))), format!("{field}: at most {most} characters"));
}

fn assert_needed(field: &str, content: impl Fn(String) -> Content) {
    for empty in ["", " \n"] {
        assert_eq!(broken(&content(empty.to_owned())), format!("{field}: must not be empty"), "{empty:?}");
    }
}

fn text(body: String) -> Content {
    Content::text(body)
}

fn buttons(change: impl FnOnce(&mut Interactive)) -> Content {
    let mut buttons = Interactive::buttons("¿Sí?", [("yes", "Sí"), ("no", "No")]);
    change(&mut buttons);
    interactive(buttons)
}

fn list(change: impl FnOnce(&mut List, &mut Words)) -> Content {
    let mut list = List {
        button: "Ver".to_owned(),
        sections: vec![Section { title: None, rows: vec![row("1", Some("x")), row("2", None)] }],
    };
    let mut body = Words::from("Elegí");
    change(&mut list, &mut body);
    interactive(Interactive { header: None, body, footer: None, action: Action::List(list) })
}

fn cta(label: &str, url: &str) -> Content {
    interactive(Interactive::cta_url("Mirá", label, url))
}

fn with_flow(change: impl FnOnce(&mut Flow)) -> Content {
    let mut flow = flow();
    change(&mut flow);
    interactive(Interactive::new("Reservá", Action::Flow(flow)))
}

fn template(component: Component) -> Content {
    Content::Template(TemplateMessage::new("t", "es_AR").with(component))
}

fn button(sub_type: ButtonKind, index: u8, parameters: Vec<ButtonParameter>) -> Content {
    template(Component::Button { sub_type, index, parameters })
}

fn body(parameters: Vec<Parameter>) -> Content {
    template(Component::Body { parameters })
}

#[test]
fn texts_keep_to_their_limits() {
    assert_text_limit("text.body", 4096, text);
    assert_needed("text.body", text);
    for (kind, content) in
        [("image", Content::Image as fn(Media) -> Content), ("video", Content::Video), ("document", Content::Document)]
    {
        assert_text_limit(&format!("{kind}.caption"), 1024, |caption| content(file().with_caption(caption)));
        assert_needed(&format!("{kind}.caption"), |caption| content(file().with_caption(caption)));
    }
    assert_text_limit("document.filename", 240, |name| Content::Document(file().with_filename(name)));
    let named = |name: String| Content::Location(Location { name: Some(name), ..place() });
    assert_text_limit("location.name", 1000, named);
    let addressed = |address: String| Content::Location(Location { address: Some(address), ..place() });
    assert_text_limit("location.address", 1000, addressed);
}

#[test]
fn interactive_texts_keep_to_their_limits() {
    let body = |text: String| buttons(|message| message.body.text = text);
    assert_text_limit("interactive.body.text", 1024, body);
    assert_needed("interactive.body.text", body);
    let header = |text: String| buttons(|message| message.header = Some(Header::Text { text }));
    assert_text_limit("interactive.header.text", 60, header);
    assert_needed("interactive.header.text", header);
    let footer = |text: String| buttons(|message| message.footer = Some(Words { text }));
    assert_text_limit("interactive.footer.text", 60, footer);
    assert_needed("interactive.footer.text", footer);

    let reply = |new: Button| buttons(|message| message.action = Action::Buttons(Buttons { buttons: vec![new] }));
    let with_id = |id: String| reply(Button::Reply { id, title: "Sí".to_owned() });
    assert_text_limit("interactive.action.buttons[0].reply.id", 256, with_id);
    assert_needed("interactive.action.buttons[0].reply.id", with_id);
    let with_title = |title: String| reply(Button::Reply { id: "1".to_owned(), title });
    assert_text_limit("interactive.action.buttons[0].reply.title", 20, with_title);
    assert_needed("interactive.action.buttons[0].reply.title", with_title);

    let list_body = |text: String| list(|_, body| body.text = text);
    assert_text_limit("interactive.body.text", 4096, list_body);
    let list_button = |text: String| list(|list, _| list.button = text);
    assert_text_limit("interactive.action.button", 20, list_button);
    assert_needed("interactive.action.button", list_button);
    let section = |text: String| list(|list, _| list.sections[0].title = Some(text));
    assert_text_limit("interactive.action.sections[0].title", 24, section);
    let row_id = |text: String| list(|list, _| list.sections[0].rows[1].id = text);
    assert_text_limit("interactive.action.sections[0].rows[1].id", 200, row_id);
    assert_needed("interactive.action.sections[0].rows[1].id", row_id);
    let row_title = |text: String| list(|list, _| list.sections[0].rows[1].title = text);
    assert_text_limit("interactive.action.sections[0].rows[1].title", 24, row_title);
    assert_needed("interactive.action.sections[0].rows[1].title", row_title);
    let description = |text: String| list(|list, _| list.sections[0].rows[1].description = Some(text));
    assert_text_limit("interactive.action.sections[0].rows[1].description", 72, description);

    let label = |text: String| cta(&text, "https://example.com");
    assert_text_limit("interactive.action.parameters.display_text", 20, label);
    assert_needed("interactive.action.parameters.display_text", label);
    let flow_label = |text: String| {
        with_flow(|flow| {
            let Flow::Flow { flow_cta, .. } = flow;
            *flow_cta = text;
        })
    };
    assert_text_limit("interactive.action.parameters.flow_cta", 30, flow_label);
}

#[test]
fn template_texts_keep_to_their_limits() {
    assert_text_limit("template.components[0].parameters[0].text", 32_768, |text| body(vec![Parameter::text(text)]));
    assert_needed("template.components[0].parameters[0].text", |text| body(vec![Parameter::text(text)]));
    let header = |text: String| template(Component::Header { parameters: vec![Parameter::text(text)] });
    assert_text_limit("template.components[0].parameters[0].text", 60, header);
    let url = |text: String| button(ButtonKind::Url, 0, vec![ButtonParameter::Text { text }]);
    assert_text_limit("template.components[0].parameters[0].text", 2000, url);
    let payload = |payload: String| button(ButtonKind::QuickReply, 0, vec![ButtonParameter::Payload { payload }]);
    assert_text_limit("template.components[0].parameters[0].payload", 256, payload);
    let code = |coupon_code: String| button(ButtonKind::CopyCode, 0, vec![ButtonParameter::CouponCode { coupon_code }]);
    assert_text_limit("template.components[0].parameters[0].coupon_code", 20, code);
    for (name, passes) in [("a".repeat(512), true), ("a".repeat(513), false)] {
        let content = Content::Template(TemplateMessage::new(name, "es_AR"));
        assert_eq!(content.check().is_ok(), passes);
    }
}

#[test]
fn callback_data_keep_to_their_limit() {
    let to = phone();
    for (length, passes) in [(512, true), (513, false), (0, false)] {
        let callback = "ñ".repeat(length);
        let content = Content::text("Hola");
        let checked = OutgoingMessage { to: &to, reply_to: None, callback: Some(&callback), content }.check();
        assert_eq!(checked.is_ok(), passes, "{length} characters");
        assert!(checked.is_ok() || checked.unwrap_err().field == "biz_opaque_callback_data");
    }
}

/// Everything that is no length of a text: what breaks, and what is told.
fn rules() -> Vec<(Content, &'static str)> {
    let reply = |id: &str, title: &str| Button::Reply { id: id.to_owned(), title: title.to_owned() };
    let replies = |given: Vec<Button>| buttons(|message| message.action = Action::Buttons(Buttons { buttons: given }));
    let many = |count: usize| (0..count).map(|n| reply(&n.to_string(), &n.to_string())).collect::<Vec<_>>();
    let rows = |count: usize| (0..count).map(|n| row(&n.to_string(), None)).collect::<Vec<_>>();
    let section = |title: Option<&str>, rows| Section { title: title.map(str::to_owned), rows };
    let sections = |sections: Vec<Section>| list(|list, _| list.sections = sections);
    let one_each =
        |count: usize| (0..count).map(|n| section(Some("S"), vec![row(&n.to_string(), None)])).collect::<Vec<_>>();
    let location = |latitude, longitude| Content::Location(Location { latitude, longitude, ..place() });
    let card_with = |change: fn(&mut ContactCard)| {
        let mut card = card();
        change(&mut card);
        Content::Contacts(vec![card])
    };
    let request = |change: fn(&mut Interactive)| {
        let mut request = Interactive::contact_info_request("¿Tu número?");
        change(&mut request);
        interactive(request)
    };
    let typed = |mime_type: &str| Media { mime_type: Some(mime_type.to_owned()), ..file().as_voice() };
    let text_button = || ButtonParameter::Text { text: "x".to_owned() };
    let named = |name: &str| Parameter::named(name, "x");
    let cards = |count: u8| {
        let card = |n| Card { card_index: n, components: vec![] };
        template(Component::Carousel { cards: (0..count).map(card).collect() })
    };
    let offer =
        |expiration_time_ms| Content::Template(TemplateMessage::new("t", "es_AR").offer_until(expiration_time_ms));
    let currency = |code: &str| Parameter::Currency {
        parameter_name: None,
        currency: Currency { fallback_value: "$ 1".to_owned(), code: code.to_owned(), amount_1000: 1000 },
    };
    vec![
        // Files.
        (Content::Image(Media::default()), "image: exactly one of `id` and `link`"),
        (
            Content::Image(Media { link: Some("https://example.com".to_owned()), ..file() }),
            "image: exactly one of `id` and `link`",
        ),
        (Content::Image(Media::link("http://example.com/a.jpg")), "image.link: must be an https link"),
        (Content::Image(Media::link("example.com/a.jpg")), "image.link: must be an https link"),
        (Content::Image(Media::link("file:///etc/passwd")), "image.link: must be an https link"),
        (Content::Image(Media::link("https://")), "image.link: must be an https link"),
        (Content::Image(Media::link("https://example.com/a.jpg")), ""),
        (Content::Image(file().with_filename("a.jpg")), "image.filename: only documents have a file name"),
        (Content::Video(file().with_filename("a.mp4")), "video.filename: only documents have a file name"),
        (Content::Audio(file().with_filename("a.ogg")), "audio.filename: only documents have a file name"),
        (Content::Sticker(file().with_filename("a")), "sticker.filename: only documents have a file name"),
        (Content::Audio(file().with_caption("x")), "audio.caption: only images, videos and documents have a caption"),
        (
            Content::Sticker(file().with_caption("x")),
            "sticker.caption: only images, videos and documents have a caption",
        ),
        (Content::Image(file().as_voice()), "image.voice: only audio can be a voice message"),
        (Content::Document(file().as_voice()), "document.voice: only audio can be a voice message"),
        (Content::Document(file().with_filename("../a.pdf")), "document.filename: a name, without a path"),
        (Content::Document(file().with_filename("a\nb.pdf")), "document.filename: a name, without a path"),
        (Content::Audio(file().as_voice()), ""),
        (Content::Audio(typed("audio/ogg; codecs=opus")), ""),
        (Content::Audio(typed("audio/ogg")), "audio.voice: a voice message must be OGG with Opus"),
        (Content::Audio(typed("audio/ogg; codecs=vorbis")), "audio.voice: a voice message must be OGG with Opus"),
        (Content::Audio(typed("audio/mpeg")), "audio.voice: a voice message must be OGG with Opus"),
        (Content::Audio(Media::link("https://example.com/a.ogg?x=y.mp3").as_voice()), ""),
        (Content::Audio(Media::link("https://example.com/a").as_voice()), ""),
        (
            Content::Audio(Media::link("https://example.com/a.mp3").as_voice()),
            "audio.voice: a voice message must be OGG with Opus",
        ),
        (Content::Audio(Media::link("https://example.com/a.mp3")), ""),
        // Places.
        (location(90.0, 180.0), ""),
        (location(-90.0, -180.0), ""),
        (location(90.1, 0.0), "location.latitude: between -90 and 90"),
        (location(-90.1, 0.0), "location.latitude: between -90 and 90"),
        (location(0.0, 180.1), "location.longitude: between -180 and 180"),
        (location(0.0, -180.1), "location.longitude: between -180 and 180"),
        (location(f64::NAN, 0.0), "location.latitude: between -90 and 90"),
        (location(0.0, f64::INFINITY), "location.longitude: between -180 and 180"),
        // Reactions.
        (reaction("👨‍👩‍👧‍👦"), ""),
        (reaction("1️⃣"), ""),
        (reaction("ok"), "reaction.emoji: one emoji, or empty to take a reaction back"),
        (reaction(":)"), "reaction.emoji: one emoji, or empty to take a reaction back"),
        (reaction("¡hola!"), "reaction.emoji: one emoji, or empty to take a reaction back"),
        (reaction(&"👍".repeat(17)), "reaction.emoji: one emoji, or empty to take a reaction back"),
        // Contact cards.
        (Content::Contacts(vec![]), "contacts: at least 1"),
        (Content::Contacts(vec![card(); 257]), ""),
        (Content::Contacts(vec![card(); 258]), "contacts[257]: at most 257 contacts"),
        (card_with(|card| card.name.formatted_name.clear()), "contacts[0].name.formatted_name: must not be empty"),
        (
            card_with(|card| (card.name.first_name, card.name.last_name) = (None, None)),
            "contacts[0].name: at least one part besides `formatted_name`",
        ),
        (card_with(|card| card.phones[0].phone.clear()), "contacts[0].phones[0].phone: must not be empty"),
        (
            card_with(|card| card.emails[0].email = Some(String::new())),
            "contacts[0].emails[0].email: must not be empty",
        ),
        (card_with(|card| card.birthday = Some("4/5/1980".to_owned())), "contacts[0].birthday: a date as YYYY-MM-DD"),
        // Buttons and lists.
        (replies(vec![]), "interactive.action.buttons: at least 1"),
        (replies(many(3)), ""),
        (replies(many(4)), "interactive.action.buttons[3]: at most 3 buttons"),
        (replies(vec![reply("1", "a"), reply("1", "b")]), "interactive.action.buttons[1].reply.id: must be unique"),
        (replies(vec![reply("1", "a"), reply("2", "a")]), "interactive.action.buttons[1].reply.title: must be unique"),
        (sections(vec![]), "interactive.action.sections: at least 1"),
        (sections(one_each(10)), ""),
        (sections(one_each(11)), "interactive.action.sections[10]: at most 10 sections"),
        (sections(vec![section(None, rows(10))]), ""),
        (
            sections(vec![section(None, rows(11))]),
            "interactive.action.sections[0].rows[10]: at most 10 rows in all sections together",
        ),
        (
            sections(vec![section(Some("A"), rows(10)), section(Some("B"), vec![row("x", None)])]),
            "interactive.action.sections[1].rows[0]: at most 10 rows in all sections together",
        ),
        (sections(vec![section(None, vec![])]), "interactive.action.sections[0].rows: at least 1 row"),
        (
            sections(vec![section(Some("A"), vec![row("1", None)]), section(None, vec![row("2", None)])]),
            "interactive.action.sections[1].title: needed with several sections",
        ),
        (
            sections(vec![section(Some("A"), vec![row("1", None)]), section(Some("B"), vec![row("1", None)])]),
            "interactive.action.sections[1].rows[0].id: must be unique",
        ),
        (
            interactive(Interactive {
                header: Some(Header::Image { image: file() }),
                ..Interactive::list("Elegí", "Ver", one_each(1))
            }),
            "interactive.header: a list takes a text header only",
        ),
        (
            buttons(|message| message.header = Some(Header::Image { image: file().with_caption("x") })),
            "interactive.header.image.caption: only images, videos and documents have a caption",
        ),
        // Links, requests and forms.
        (cta("Pagar", "http://example.com"), "interactive.action.parameters.url: must be an https link"),
        (cta("Pagar", &format!("https://example.com/{}", "a".repeat(1980))), ""),
        (
            cta("Pagar", &format!("https://example.com/{}", "a".repeat(1981))),
            "interactive.action.parameters.url: at most 2000 characters",
        ),
        (
            request(|message| message.header = Some(Header::Text { text: "x".to_owned() })),
            "interactive.header: a request has no header",
        ),
        (request(|message| message.footer = Some("x".into())), "interactive.footer: a request has no footer"),
        (
            with_flow(|Flow::Flow { flow_name, .. }| *flow_name = Some("x".to_owned())),
            "interactive.action.parameters: exactly one of `flow_id` and `flow_name`",
        ),
        (
            with_flow(|Flow::Flow { flow_message_version, .. }| "4".clone_into(flow_message_version)),
            "interactive.action.parameters.flow_message_version: must be 3",
        ),
        (
            with_flow(|Flow::Flow { flow_action, .. }| *flow_action = Some(FlowAction::DataExchange)),
            "interactive.action.parameters.flow_action_payload: only with `navigate`",
        ),
        (
            with_flow(|Flow::Flow { flow_action_payload, .. }| {
                *flow_action_payload = Some(FlowPayload { screen: "A".to_owned(), data: Some(Map::new()) });
            }),
            "interactive.action.parameters.flow_action_payload.data: must not be empty",
        ),
        // Templates.
        (
            Content::Template(TemplateMessage::new("Job-Scheduled", "es_AR")),
            "template.name: 1 to 512 lower-case letters, digits and underscores",
        ),
        (
            Content::Template(TemplateMessage::new("", "es_AR")),
            "template.name: 1 to 512 lower-case letters, digits and underscores",
        ),
        (
            Content::Template(TemplateMessage::new("t", "es-AR")),
            "template.language.code: a language code such as es_AR",
        ),
        (template(Component::Header { parameters: vec![] }), "template.components[0].parameters: exactly 1 parameter"),
        (
            template(Component::Header { parameters: vec![Parameter::text("a"), Parameter::text("b")] }),
            "template.components[0].parameters: exactly 1 parameter",
        ),
        (
            Content::Template(
                TemplateMessage::new("t", "es").body([Parameter::text("a")]).body([Parameter::text("b")]),
            ),
            "template.components[1]: each part of a template only once",
        ),
        (
            Content::Template(TemplateMessage::new("t", "es").button(0, ButtonKind::Url, text_button()).button(
                0,
                ButtonKind::Url,
                text_button(),
            )),
            "template.components[1]: each part of a template only once",
        ),
        (
            body(vec![]),
            "template.components[0].parameters: at least 1 parameter; leave the body out if the template has no places",
        ),
        (body(vec![named("a"), named("b")]), ""),
        (
            body(vec![named("a"), Parameter::text("b")]),
            "template.components[0].parameters[1]: all parameters have a `parameter_name`, or none has",
        ),
        (
            body(vec![Parameter::text("b"), named("a")]),
            "template.components[0].parameters[1]: all parameters have a `parameter_name`, or none has",
        ),
        (body(vec![named("a"), named("a")]), "template.components[0].parameters[1].parameter_name: must be unique"),
        (
            body(vec![named("A b")]),
            "template.components[0].parameters[0].parameter_name: lower-case letters, digits and underscores",
        ),
        (
            body(vec![Parameter::Image { image: file() }]),
            "template.components[0].parameters[0]: only text, currency and date_time stand in a body",
        ),
        (body(vec![Parameter::text("a    b")]), ""),
        (
            body(vec![Parameter::text("a     b")]),
            "template.components[0].parameters[0].text: no line breaks, tabs or more than four blanks in a row",
        ),
        (
            body(vec![Parameter::text("a\nb")]),
            "template.components[0].parameters[0].text: no line breaks, tabs or more than four blanks in a row",
        ),
        (
            body(vec![Parameter::text("a\tb")]),
            "template.components[0].parameters[0].text: no line breaks, tabs or more than four blanks in a row",
        ),
        (body(vec![currency("ARS")]), ""),
        (
            body(vec![currency("ars")]),
            "template.components[0].parameters[0].currency.code: three capital letters such as ARS",
        ),
        (button(ButtonKind::Url, 9, vec![text_button()]), ""),
        (button(ButtonKind::Url, 10, vec![text_button()]), "template.components[0].index: 0 to 9"),
        (button(ButtonKind::Url, 0, vec![]), "template.components[0].parameters: exactly 1 parameter"),
        (button(ButtonKind::Flow, 0, vec![]), ""),
        (
            button(ButtonKind::QuickReply, 0, vec![text_button()]),
            "template.components[0].parameters[0]: a quick reply takes a payload",
        ),
        (
            button(ButtonKind::CopyCode, 0, vec![text_button()]),
            "template.components[0].parameters[0]: a code to copy takes a coupon_code",
        ),
        (
            button(ButtonKind::Mpm, 0, vec![text_button()]),
            "template.components[0].parameters[0]: forms and products take an action",
        ),
        (
            button(ButtonKind::Url, 0, vec![ButtonParameter::flow("t", None)]),
            "template.components[0].parameters[0]: a link takes a text",
        ),
        (cards(2), ""),
        (cards(10), ""),
        (cards(1), "template.components[0].cards: at least 2"),
        (cards(11), "template.components[0].cards[10]: at most 10 cards"),
        (
            template(Component::Carousel {
                cards: [1, 0].map(|card_index| Card { card_index, components: vec![] }).to_vec(),
            }),
            "template.components[0].cards[0].card_index: must count from 0 in order",
        ),
        (
            Content::Template(
                TemplateMessage::new("t", "es").carousel([vec![Component::Carousel { cards: vec![] }], vec![]]),
            ),
            "template.components[0].cards[0].components[0]: a card has no carousel of its own",
        ),
        (offer(1_795_171_200_000), ""),
        (
            offer(1_795_171_200),
            "template.components[0].parameters[0].limited_time_offer.expiration_time_ms: in Unix milliseconds",
        ),
    ]
}

#[test]
fn every_other_rule_holds_and_is_told_with_its_field() {
    for (index, (content, expected)) in rules().iter().enumerate() {
        assert_eq!(broken(content), *expected, "row {index}, {content:?}");
    }
}

proptest! {
    #[test]
    fn checking_never_panics_and_never_quotes_the_text(text in "\\PC{0,80}", emoji in "\\PC{0,4}") {
        let contents = [
            Content::text(text.clone()),
            Content::Image(Media::link(text.clone()).with_caption(text.clone())),
            reaction(&emoji),
            cta(&text, &text),
            Content::Template(TemplateMessage::one_time_code(text.clone(), text.clone(), &text)),
        ];
        for content in contents {
            if let Err(invalid) = content.check() {
                prop_assert!(text.len() < 12 || !invalid.to_string().contains(&text), "{invalid}");
            }
        }
    }

    #[test]
    fn reading_arbitrary_content_never_panics(text in "\\{\"(text|image|template|interactive)\": ?\\PC{0,60}\\}") {
        if let Ok(content) = serde_json::from_str::<Content>(&text) {
            let _ = content.check();
        }
    }
}

#[test]
fn a_direct_message_says_its_category_and_how_long_it_is_tried() {
    let to = phone();
    let draft = |content| OutgoingMessage { to: &to, reply_to: None, callback: None, content }.check().unwrap();
    let direct = DirectSend { category: DirectCategory::Utility, ttl_seconds: Some(600) };
    let message = draft(Content::text("Ya salimos.")).directly(direct).unwrap();
    assert_eq!(
        serde_json::to_value(&message).unwrap(),
        json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": "5491155551234", "type": "text",
            "text": {"body": "Ya salimos.", "preview_url": false}, "category": "utility", "ttl_seconds": 600})
    );
    assert_eq!(message.endpoint(), "messages");
    let refused = draft(Content::Template(TemplateMessage::new("promo", "es_AR"))).directly(direct).unwrap_err();
    assert_eq!(refused.to_string(), "type: only text and interactive messages are sent directly");
}
