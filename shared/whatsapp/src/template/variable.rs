//! Variables in a template's text.

use std::ops::Range;

/// What stands between the braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder<'a> {
    /// `{{1}}`: the first of the values, counted from 1.
    Positional(usize),
    /// `{{customer_name}}`: small letters, digits and underscores, not digits alone.
    Named(&'a str),
    /// Anything else between double braces. Meta would show it as it is, or refuse the template.
    Malformed(&'a str),
}

/// A variable and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable<'a> {
    /// What stands between the braces.
    pub placeholder: Placeholder<'a>,
    /// The bytes of the text that it takes, braces included.
    pub range: Range<usize>,
}

/// Every variable of a text, in the order of the text.
pub fn variables(text: &str) -> Vec<Variable<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = text[from..].find("{{").map(|at| from + at) {
        let Some(end) = text[start..].find("}}").map(|at| start + at + 2) else { break };
        found.push(Variable { placeholder: placeholder(&text[start + 2..end - 2]), range: start..end });
        from = end;
    }
    found
}

/// The text with values in place of its variables; those that have none stay as they are.
pub fn fill<'v>(text: &str, value: impl Fn(Placeholder<'_>) -> Option<&'v str>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut from = 0;
    for Variable { placeholder, range } in variables(text) {
        filled.push_str(&text[from..range.start]);
        filled.push_str(value(placeholder).unwrap_or(&text[range.clone()]));
        from = range.end;
    }
    filled.push_str(&text[from..]);
    filled
}

/// The stretches of text before, between and after variables.
pub(super) fn literals<'t>(text: &'t str, variables: &[Variable<'_>]) -> Vec<&'t str> {
    let starts = std::iter::once(0).chain(variables.iter().map(|variable| variable.range.end));
    let ends = variables.iter().map(|variable| variable.range.start).chain([text.len()]);
    starts.zip(ends).map(|(start, end)| &text[start..end]).collect()
}

fn placeholder(inside: &str) -> Placeholder<'_> {
    let small = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_digit()) {
        match inside.parse() {
            Ok(number) if number > 0 && !inside.starts_with('0') => Placeholder::Positional(number),
            _ => Placeholder::Malformed(inside),
        }
    } else if !inside.is_empty() && inside.bytes().all(small) {
        Placeholder::Named(inside)
    } else {
        Placeholder::Malformed(inside)
    }
}

#[cfg(test)]
mod tests {
    use super::Placeholder::*;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn variables_are_found_where_they_stand() {
        let found = |text| variables(text).into_iter().map(|variable| variable.placeholder).collect::<Vec<_>>();
        assert_eq!(found("Hola {{1}}, tu turno es el {{fecha_2}}."), [Positional(1), Named("fecha_2")]);
        assert_eq!(found("{{}}{{0}}{{01}}{{ 1}}{{Name}}"), ["", "0", "01", " 1", "Name"].map(Malformed));
        assert_eq!(found("{{1 and no end"), []);
        assert_eq!(found("{{99999999999999999999999999}}"), [Malformed("99999999999999999999999999")]);
        let text = "ñ {{1}}";
        assert_eq!(&text[variables(text)[0].range.clone()], "{{1}}");
    }

    #[test]
    fn a_value_is_never_looked_at_for_variables() {
        let filled = fill("{{1}} y {{2}}", |placeholder| (placeholder == Positional(1)).then_some("{{2}}"));
        assert_eq!(filled, "{{2}} y {{2}}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn no_text_is_too_strange_and_literals_and_variables_are_the_whole_of_it(text in "([{}a1_ ñ\n]|\\{\\{|\\}\\}|\\PC){0,40}") {
            let found = variables(&text);
            let mut whole = String::new();
            let literals = literals(&text, &found);
            for (index, literal) in literals.iter().enumerate() {
                whole.push_str(literal);
                whole.push_str(found.get(index).map_or("", |variable| &text[variable.range.clone()]));
            }
            prop_assert_eq!(&whole, &text);
            prop_assert_eq!(fill(&text, |_| None), text);
        }
    }
}
