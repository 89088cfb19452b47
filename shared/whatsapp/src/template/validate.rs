//! Every limit of a definition, before Meta is asked.

use super::Template;
use super::component::{Body, Card, Carousel, Component, Footer, Header, Lenient, LimitedTimeOffer, NamedExample};
use super::validate_buttons;
use super::variable::{Placeholder, Variable, literals, variables};
use super::word::{Category, HeaderFormat, ParameterFormat};
use crate::invalid::{Findings, Invalid};
use std::collections::BTreeSet;
use std::mem::discriminant;

/// Most characters of a name.
const NAME_MAX: usize = 512;
/// Most characters of a body.
pub(super) const BODY_MAX: usize = 1_024;
/// Most characters of the body beside a limited-time offer.
pub(super) const OFFER_BODY_MAX: usize = 600;
/// Most characters of a card's body.
pub(super) const CARD_BODY_MAX: usize = 160;
/// Most characters of a text header.
pub(super) const HEADER_MAX: usize = 60;
/// Most characters of a footer.
const FOOTER_MAX: usize = 60;
/// Most characters of an offer's heading.
const OFFER_MAX: usize = 16;

/// What a part may be depends on the template around it.
pub(super) struct Around<'a> {
    pub(super) category: &'a Category,
    pub(super) is_named: bool,
    pub(super) has_offer: bool,
    pub(super) in_card: bool,
}

impl Around<'_> {
    fn is_authentication(&self) -> bool {
        *self.category == Category::Authentication
    }

    pub(super) const fn body_max(&self) -> usize {
        match (self.in_card, self.has_offer) {
            (true, _) => CARD_BODY_MAX,
            (false, true) => OFFER_BODY_MAX,
            (false, false) => BODY_MAX,
        }
    }
}

/// The variables that a text has, or none that can be told.
#[derive(Debug, PartialEq, Eq)]
enum Names<'t> {
    Positional(usize),
    Named(BTreeSet<&'t str>),
    Unclear,
}

impl Template {
    /// Judges a definition before it is created: every limit it breaks, by field.
    ///
    /// Characters are counted as Unicode scalar values.
    pub fn validate(&self) -> Result<(), Vec<Invalid>> {
        let mut found = Findings::default();
        let name_chars = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        found.require(
            (1..=NAME_MAX).contains(&self.name.len()) && self.name.bytes().all(name_chars),
            "name",
            "must be 1 to 512 small letters (a to z), digits and underscores",
        );
        found.require(is_language(&self.language), "language", "must be a language such as `es` or `es_AR`");
        if let Some(ParameterFormat::Other(_)) = self.parameter_format {
            found.add("parameter_format", "must be NAMED or POSITIONAL");
        }
        match &self.category {
            None | Some(Category::Other(_)) => {
                found.add("category", "must be UTILITY, MARKETING or AUTHENTICATION");
            }
            Some(category) => {
                check_ttl(&mut found, category, self.message_send_ttl_seconds);
                let has_offer = self.components.iter().any(|part| matches!(part, Component::LimitedTimeOffer(_)));
                let around = Around { category, is_named: self.is_named(), has_offer, in_card: false };
                check_components(&mut found, "components", &self.components, &around);
                check_whole(&mut found, &self.components, &around);
            }
        }
        found.into_result()
    }
}

fn is_language(language: &str) -> bool {
    let (tongue, region) = language.split_once('_').map_or((language, None), |(tongue, region)| (tongue, Some(region)));
    (2..=3).contains(&tongue.len())
        && tongue.bytes().all(|byte| byte.is_ascii_lowercase())
        && region.is_none_or(|region| {
            (2..=4).contains(&region.len()) && region.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

fn check_ttl(found: &mut Findings, category: &Category, seconds: Option<i64>) {
    let Some(seconds) = seconds else { return };
    let (range, rule) = match category {
        Category::Authentication => (30..=900, "must be 30 to 900 seconds, or −1, for authentication"),
        Category::Utility => (30..=43_200, "must be 30 to 43200 seconds, or −1, for utility"),
        _ => (43_200..=2_592_000, "must be 43200 to 2592000 seconds (12 hours to 30 days) for marketing"),
    };
    let is_thirty_days = seconds == -1 && *category != Category::Marketing;
    found.require(is_thirty_days || range.contains(&seconds), "message_send_ttl_seconds", rule);
}

fn check_components(found: &mut Findings, path: &str, components: &[Component], around: &Around<'_>) {
    for (index, component) in components.iter().enumerate() {
        let field = format!("{path}[{index}]");
        if components[..index].iter().any(|earlier| discriminant(earlier) == discriminant(component)) {
            found.add(&field, "must be the only component of its type");
        }
        match component {
            Component::Header(header) => check_header(found, &field, header, around),
            Component::Body(body) => check_body(found, &field, body, around),
            Component::Footer(footer) => check_footer(found, &field, footer, around),
            Component::Buttons(buttons) => {
                validate_buttons::check(found, &format!("{field}.buttons"), &buttons.buttons, around);
            }
            Component::Carousel(carousel) => check_carousel(found, &field, carousel, around),
            Component::LimitedTimeOffer(offer) => check_offer(found, &field, offer, around),
            Component::Other(_) => {
                found.add(field, "must be a component of a known type, with the fields of that type")
            }
        }
    }
}

/// What the parts must be together.
fn check_whole(found: &mut Findings, components: &[Component], around: &Around<'_>) {
    let has = |is: fn(&Component) -> bool| components.iter().any(is);
    let footer = |part: &Component| matches!(part, Component::Footer(_));
    let header = |part: &Component| matches!(part, Component::Header(_));
    let buttons = |part: &Component| matches!(part, Component::Buttons(_));
    found.require(has(|part| matches!(part, Component::Body(_))), "components", "must contain a BODY");
    if has(|part| matches!(part, Component::Carousel(_))) {
        let alone = !(has(footer) || has(header) || has(buttons) || around.has_offer);
        found.require(alone, "components", "may contain nothing but a BODY beside a CAROUSEL");
    }
    if around.has_offer {
        found.require(!has(footer), "components", "may not contain a FOOTER beside a LIMITED_TIME_OFFER");
    }
    if around.is_authentication() {
        found.require(has(buttons), "components", "must contain BUTTONS with an OTP button, for authentication");
        found.require(!has(header), "components", "may not contain a HEADER, for authentication");
    }
}

fn check_header(found: &mut Findings, field: &str, header: &Header, around: &Around<'_>) {
    let example = header.example.as_ref().and_then(Lenient::read);
    let in_card_only = [HeaderFormat::Image, HeaderFormat::Video, HeaderFormat::Product];
    if around.in_card && !in_card_only.contains(&header.format) {
        found.add(format!("{field}.format"), "must be IMAGE, VIDEO or PRODUCT in a card");
    }
    if around.has_offer && !matches!(header.format, HeaderFormat::Image | HeaderFormat::Video) {
        found.add(format!("{field}.format"), "must be IMAGE or VIDEO beside a LIMITED_TIME_OFFER");
    }
    match &header.format {
        HeaderFormat::Text => {
            let path = format!("{field}.text");
            let text = header.text.as_deref().unwrap_or_default();
            let names = check_text(found, &path, text, HEADER_MAX, around.is_named);
            found.require(variables(text).len() <= 1, &path, "must have at most one variable");
            found.require(is_plain(text), &path, PLAIN);
            found.require(!text.contains(['*', '~', '`']), &path, "must have no formatting marks");
            let positional = example.and_then(|example| example.header_text.as_deref());
            let named = example.and_then(|example| example.header_text_named_params.as_deref());
            check_examples(found, field, ["header_text", "header_text_named_params"], names, positional, named);
        }
        HeaderFormat::Image | HeaderFormat::Video | HeaderFormat::Gif | HeaderFormat::Document => {
            let handles = example.and_then(|example| example.header_handle.as_deref()).unwrap_or_default();
            let has_sample = matches!(handles, [handle] if !handle.is_empty());
            found.require(
                has_sample,
                &format!("{field}.example.header_handle"),
                "must hold one handle of sample media",
            );
            found.require(header.text.is_none(), &format!("{field}.text"), "must be absent from a media header");
        }
        HeaderFormat::Location => {
            found.require(header.text.is_none(), &format!("{field}.text"), "must be absent from a location header");
        }
        HeaderFormat::Product => {
            found.require(around.in_card, &format!("{field}.format"), "may be PRODUCT only in a card")
        }
        HeaderFormat::Other(_) => {
            found.add(format!("{field}.format"), "must be TEXT, IMAGE, VIDEO, GIF, DOCUMENT, LOCATION or PRODUCT");
        }
    }
}

fn check_body(found: &mut Findings, field: &str, body: &Body, around: &Around<'_>) {
    let path = format!("{field}.text");
    if around.is_authentication() {
        found.require(body.text.is_none(), &path, "must be absent for authentication, whose text is Meta's");
        return;
    }
    let recommends = body.add_security_recommendation.is_some();
    found.require(
        !recommends,
        &format!("{field}.add_security_recommendation"),
        "must be absent except for authentication",
    );
    let text = body.text.as_deref().unwrap_or_default();
    let names = check_text(found, &path, text, around.body_max(), around.is_named);
    check_places(found, &path, text);
    let example = body.example.as_ref().and_then(Lenient::read);
    let rows = example.and_then(|example| example.body_text.as_deref());
    let row = rows.and_then(|rows| if let [row] = rows { Some(row.as_slice()) } else { None });
    let named = example.and_then(|example| example.body_text_named_params.as_deref());
    check_examples(found, field, ["body_text", "body_text_named_params"], names, row, named);
}

fn check_footer(found: &mut Findings, field: &str, footer: &Footer, around: &Around<'_>) {
    let text = format!("{field}.text");
    let minutes = format!("{field}.code_expiration_minutes");
    if around.in_card {
        found.add(field, "may not stand in a card");
    } else if around.is_authentication() {
        found.require(footer.text.is_none(), &text, "must be absent for authentication");
        let in_range = footer.code_expiration_minutes.is_some_and(|minutes| (1..=90).contains(&minutes));
        found.require(in_range, &minutes, "must be 1 to 90");
    } else {
        found.require(footer.code_expiration_minutes.is_none(), &minutes, "must be absent except for authentication");
        check_label(found, &text, footer.text.as_deref().unwrap_or_default(), FOOTER_MAX);
    }
}

fn check_offer(found: &mut Findings, field: &str, offer: &LimitedTimeOffer, around: &Around<'_>) {
    let only = *around.category == Category::Marketing && !around.in_card;
    found.require(only, field, "may stand only in a MARKETING template, and not in a card");
    check_label(found, &format!("{field}.limited_time_offer.text"), &offer.limited_time_offer.text, OFFER_MAX);
}

fn check_carousel(found: &mut Findings, field: &str, carousel: &Carousel, around: &Around<'_>) {
    let only = *around.category == Category::Marketing && !around.in_card;
    found.require(only, field, "may stand only in a MARKETING template, and not in a card");
    if around.in_card {
        return;
    }
    let cards = &carousel.cards;
    found.require((2..=10).contains(&cards.len()), &format!("{field}.cards"), "must be 2 to 10");
    let around = Around { category: around.category, is_named: around.is_named, has_offer: false, in_card: true };
    for (index, card) in cards.iter().enumerate() {
        let field = format!("{field}.cards[{index}]");
        check_components(found, &format!("{field}.components"), &card.components, &around);
        let has_header = card.components.iter().any(|part| matches!(part, Component::Header(_)));
        found.require(has_header, &format!("{field}.components"), "must contain a HEADER");
        found.require(structure(card) == structure(&cards[0]), &field, "must have the same parts as the first card");
    }
}

/// What must be equal among the cards of a carousel. The order in which parts are listed means nothing.
fn structure(card: &Card) -> Vec<String> {
    let part = |component: &Component| match component {
        Component::Header(header) => format!("header {}", header.format.as_str()),
        Component::Body(_) => "body".to_owned(),
        Component::Buttons(buttons) => {
            let kinds: Vec<_> = buttons.buttons.iter().map(validate_buttons::kind).collect();
            format!("buttons {}", kinds.join(" "))
        }
        _ => "other".to_owned(),
    };
    let mut parts: Vec<_> = card.components.iter().map(part).collect();
    parts.sort_unstable();
    parts
}

/// A short text without variables.
pub(super) fn check_label(found: &mut Findings, field: &str, text: &str, max: usize) {
    found.require(!text.trim().is_empty(), field, "must not be empty");
    found.require(text.chars().count() <= max, field, format!("must have at most {max} characters"));
    found.require(!text.contains("{{") && !text.contains("}}"), field, "must have no variables");
    found.require(is_plain(text), field, PLAIN);
}

const PLAIN: &str = "must have neither line breaks nor emojis";

/// Neither line breaks nor emojis (Twilio's account of Meta's rules, error 63040).
fn is_plain(text: &str) -> bool {
    let is_emoji = |char: char| matches!(char, '\u{1F000}'..='\u{1FAFF}' | '\u{2600}'..='\u{27BF}' | '\u{FE0F}');
    !text.chars().any(|char| matches!(char, '\n' | '\r') || is_emoji(char))
}

/// A text with variables; returns them.
fn check_text<'t>(found: &mut Findings, field: &str, text: &'t str, max: usize, is_named: bool) -> Names<'t> {
    found.require(!text.trim().is_empty(), field, "must not be empty");
    found.require(text.chars().count() <= max, field, format!("must have at most {max} characters"));
    let variables = variables(text);
    let stray = literals(text, &variables).iter().any(|literal| literal.contains("{{") || literal.contains("}}"));
    found.require(!stray, field, "must have double braces only around variables");
    let mut numbers = BTreeSet::new();
    let mut names = BTreeSet::new();
    for Variable { placeholder, .. } in &variables {
        match placeholder {
            Placeholder::Positional(number) => _ = numbers.insert(*number),
            Placeholder::Named(name) => _ = names.insert(*name),
            Placeholder::Malformed(_) => {
                found.add(field, "must have variables of the form `{{1}}` or `{{customer_name}}`");
                return Names::Unclear;
            }
        }
    }
    match (is_named, numbers.is_empty(), names.is_empty()) {
        (true, true, _) => Names::Named(names),
        (false, _, true) => {
            let count = numbers.len();
            let gapless = numbers.last().is_none_or(|last| *last == count);
            found.require(gapless, field, "must number its variables from 1 without gaps");
            if gapless { Names::Positional(count) } else { Names::Unclear }
        }
        (true, false, _) => {
            found.add(field, "must have named variables only, as `parameter_format` is NAMED");
            Names::Unclear
        }
        (false, _, false) => {
            found.add(field, "must have numbered variables only, as `parameter_format` is not NAMED");
            Names::Unclear
        }
    }
}

/// Where variables may stand (errors 2388299 and 2388293), and how many a text carries.
///
/// Meta does not say how many are too many. Providers found that it takes twice as many words as
/// variables, and one more (Syniverse, `30569685832471-How-to-avoid-too-many-parameters-rejection`; Maqsam).
fn check_places(found: &mut Findings, field: &str, text: &str) {
    let variables = variables(text);
    if variables.is_empty() {
        return;
    }
    let literals = literals(text, &variables);
    let blank = |literal: &&str| literal.trim().is_empty();
    let ends = [literals.first(), literals.last()];
    found.require(!ends.into_iter().flatten().any(blank), field, "must neither begin nor end with a variable");
    let between = &literals[1..literals.len() - 1];
    found.require(!between.iter().any(blank), field, "must have words between two variables");
    let words = literals.iter().flat_map(|literal| literal.split_whitespace());
    let words = words.filter(|word| word.chars().any(char::is_alphanumeric)).count();
    let needed = 2 * variables.len() + 1;
    found.require(words >= needed, field, format!("must have at least {needed} words beside its variables"));
}

fn check_examples(
    found: &mut Findings,
    field: &str,
    [positional_field, named_field]: [&str; 2],
    names: Names<'_>,
    positional: Option<&[String]>,
    named: Option<&[NamedExample]>,
) {
    match names {
        Names::Positional(count) if count > 0 => {
            let values = positional.unwrap_or_default();
            let complete = values.len() == count && values.iter().all(|value| !value.trim().is_empty());
            let rule = format!("must hold one example for each of the {count} variables");
            found.require(complete, &format!("{field}.example.{positional_field}"), rule);
        }
        Names::Named(names) if !names.is_empty() => {
            let values = named.unwrap_or_default();
            let given: BTreeSet<_> = values.iter().map(|value| value.param_name.as_str()).collect();
            let filled = values.iter().all(|value| !value.example.trim().is_empty());
            let complete = given == names && values.len() == names.len() && filled;
            let names: Vec<_> = names.into_iter().collect();
            let rule = format!("must hold one example for each of: {}", names.join(", "));
            found.require(complete, &format!("{field}.example.{named_field}"), rule);
        }
        _ => {}
    }
}
