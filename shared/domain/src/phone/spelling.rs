//! From what was typed to digits.

use super::InvalidPhone;

/// The digits of a typed number, and whether they begin with a calling code.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// After `+` or `00`.
    International(String),
    /// Without either.
    National(String),
}

/// More digits than any spelling of any number has: 00, calling code, 9, trunk prefix, 15 and all.
const MAX_DIGITS: usize = 24;

/// Reads the digits out of what was typed, pasted, or linked with `tel:`.
pub(super) fn read(text: &str) -> Result<Typed, InvalidPhone> {
    let text = text.trim();
    let text = text.get(..4).filter(|scheme| scheme.eq_ignore_ascii_case("tel:")).map_or(text, |_| &text[4..]);
    let mut has_plus = false;
    let mut digits = String::new();
    for char in text.chars() {
        match char {
            '+' | '\u{FF0B}' if digits.is_empty() && !has_plus => has_plus = true,
            char if is_separator(char) => {}
            char => digits.push(digit(char).ok_or(InvalidPhone::Character)?),
        }
        if digits.len() > MAX_DIGITS {
            return Err(InvalidPhone::Length);
        }
    }
    match digits.strip_prefix("00") {
        _ if digits.is_empty() => Err(InvalidPhone::Empty),
        Some(rest) => Ok(Typed::International(rest.to_owned())),
        None if has_plus => Ok(Typed::International(digits)),
        None => Ok(Typed::National(digits)),
    }
}

/// A digit, also as full-width form.
fn digit(char: char) -> Option<char> {
    match char {
        '0'..='9' => Some(char),
        '\u{FF10}'..='\u{FF19}' => char::from_u32(char as u32 - 0xFF10 + u32::from('0')),
        _ => None,
    }
}

/// What people, address books and web pages put between digits; including marks that nobody sees.
const fn is_separator(char: char) -> bool {
    char.is_whitespace()
        || matches!(
            char,
            '-' | '.' | '/' | '(' | ')' | '[' | ']' | '\u{B7}' | '\u{2022}'
            // Dashes, the minus sign, and full-width forms.
            | '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}'
            | '\u{FF08}' | '\u{FF09}' | '\u{FF0D}'..='\u{FF0F}'
            // Soft hyphen, zero-width characters and marks of direction, which copying brings along.
            | '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'
            | '\u{2066}'..='\u{2069}' | '\u{FEFF}'
        )
}
