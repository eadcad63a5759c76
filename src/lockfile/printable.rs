//! Text from files and servers, made fit for a message on a terminal.

/// At most `limit` characters of `text`; hidden ones are spelled `\u{…}`.
///
/// Control characters could command the terminal and direction marks could make
/// a line read differently from what it says.
pub fn printable(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == limit {
            shown.push('…');
            break;
        }
        if is_hidden(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Whether a character is a control character, invisible, or changes the direction of writing.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_spelled_and_the_rest_stays() {
        assert_eq!(printable("héllo \"you\"", 20), "héllo \"you\"");
        assert_eq!(
            printable("a\u{1b}[2J\n\u{202e}", 20),
            "a\\u{1b}[2J\\u{a}\\u{202e}"
        );
        assert_eq!(printable("abcdef", 3), "abc…");
        assert_eq!(printable("abc", 3), "abc");
    }
}
