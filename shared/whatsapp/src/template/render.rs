//! What the customer will see.

use super::Template;
use super::component::{Button, Component};
use super::parameters::{ButtonKind, HeaderValue, Parameters, Values};
use super::variable::{Placeholder, fill};
use super::word::{Category, HeaderFormat};

impl Template {
    /// The message as text: header, body, footer, buttons in square brackets, then the cards.
    ///
    /// Media show as in a conversation's preview (REQUIREMENTS IN-08). A variable without a value shows
    /// as it is defined. It is personal data as soon as the values are.
    pub fn render(&self, parameters: &Parameters) -> String {
        let mut lines = Vec::new();
        lines_of(&self.components, parameters, self, &mut lines);
        lines.join("\n\n")
    }
}

fn lines_of(components: &[Component], parameters: &Parameters, template: &Template, lines: &mut Vec<String>) {
    let with = |text: &str, values: &Values| fill(text, |placeholder| values.of(placeholder));
    // In the order in which WhatsApp shows them, whatever the order of the definition.
    for place in 0..6 {
        for component in components {
            match (place, component) {
                (0, Component::Header(header)) => match (&header.format, &header.text, &parameters.header) {
                    (HeaderFormat::Text, Some(text), Some(HeaderValue::Text(values))) => lines.push(with(text, values)),
                    (HeaderFormat::Text, Some(text), _) => lines.push(text.clone()),
                    (format, ..) => lines.push(sign(format)),
                },
                (1, Component::LimitedTimeOffer(offer)) => lines.push(offer.limited_time_offer.text.clone()),
                (2, Component::Body(body)) => match &body.text {
                    Some(text) => lines.push(with(text, &parameters.body)),
                    None if template.category == Some(Category::Authentication) => {
                        let spanish = template.language.starts_with("es");
                        lines.push(code_text(parameters, spanish, body.add_security_recommendation == Some(true)));
                    }
                    None => {}
                },
                (3, Component::Footer(footer)) => lines.extend(footer.text.clone()),
                (4, Component::Buttons(buttons)) => {
                    let labels = buttons.buttons.iter().enumerate();
                    let labels: Vec<_> = labels.map(|(index, button)| label(index, button, parameters)).collect();
                    lines.push(labels.join("\n"));
                }
                (5, Component::Carousel(carousel)) => {
                    let nothing = Parameters::default();
                    for (index, card) in carousel.cards.iter().enumerate() {
                        let supplied = parameters.cards.get(index).unwrap_or(&nothing);
                        lines_of(&card.components, supplied, template, lines);
                    }
                }
                _ => {}
            }
        }
    }
}

fn sign(format: &HeaderFormat) -> String {
    let sign = match format {
        HeaderFormat::Image => "📷 Imagen",
        HeaderFormat::Video | HeaderFormat::Gif => "🎥 Video",
        HeaderFormat::Document => "📄 Documento",
        HeaderFormat::Location => "📍 Ubicación",
        HeaderFormat::Product => "🛍️ Producto",
        HeaderFormat::Text => "",
        HeaderFormat::Other(word) => word,
    };
    sign.to_owned()
}

/// Roughly what Meta writes for a one-time code.
fn code_text(parameters: &Parameters, spanish: bool, recommends: bool) -> String {
    let code = parameters.body.of(Placeholder::Positional(1)).unwrap_or("{{1}}");
    match (spanish, recommends) {
        (true, false) => format!("Tu código de verificación es {code}."),
        (true, true) => format!("Tu código de verificación es {code}. Por tu seguridad, no lo compartas."),
        (false, false) => format!("{code} is your verification code."),
        (false, true) => format!("{code} is your verification code. For your security, do not share this code."),
    }
}

fn label(index: usize, button: &Button, parameters: &Parameters) -> String {
    let given = |kind| parameters.buttons.iter().find(|given| given.index == index && given.kind == kind);
    let text = |kind| given(kind).and_then(|given| given.text.as_ref()).map(|text| text.expose().as_str());
    match button {
        Button::QuickReply(button)
        | Button::Catalog(button)
        | Button::Mpm(button)
        | Button::Spm(button)
        | Button::VoiceCall(button) => format!("[{}]", button.text),
        Button::Url(button) => {
            let url = fill(&button.url, |_| text(ButtonKind::UrlSuffix));
            format!("[{}] {url}", button.text)
        }
        Button::PhoneNumber(button) => format!("[{}] {}", button.text, button.phone_number),
        Button::CopyCode(button) => {
            let label = button.text.as_deref().unwrap_or("Copiar código");
            format!("[{label}] {}", text(ButtonKind::CouponCode).unwrap_or_default()).trim_end().to_owned()
        }
        Button::Otp(button) => format!("[{}]", button.text.as_deref().unwrap_or("Copiar código")),
        Button::Flow(button) => format!("[{}]", button.text),
        Button::Other(_) => "[…]".to_owned(),
    }
}
