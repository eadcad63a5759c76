//! As much of HTML as a page of the Simple API has: anchors, their attributes, a base. Pure.
//!
//! No document is made of it. What a lenient reader and this one see differently can only be a
//! file that is not found, or one whose digest does not match.

/// What is read of a page.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) anchors: Vec<Element>,
    pub(super) base: Option<String>,
    metas: Vec<Element>,
}

/// Names in lower case, and values.
type Attributes = Vec<(String, String)>;

#[derive(Debug, Default)]
pub(super) struct Element {
    attributes: Attributes,
    /// Up to the next tag.
    pub(super) text: String,
}

impl Page {
    pub(super) fn meta(&self, name: &str) -> Option<&str> {
        self.metas
            .iter()
            .find(|meta| meta.attribute("name") == Some(name))?
            .attribute("content")
    }
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

pub(super) fn read(text: &str) -> Result<Page, String> {
    let mut page = Page::default();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            let end = comment.find("-->").ok_or("a comment does not end")?;
            rest = &comment[end + 3..];
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric());
        let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
        let name = name.to_ascii_lowercase();
        if !matches!(name.as_str(), "a" | "base" | "meta") {
            continue;
        }
        let (attributes, after) = attributes(after)?;
        let end = after.find('<').unwrap_or(after.len());
        let element = Element {
            attributes,
            text: decoded(&after[..end]),
        };
        rest = after;
        match name.as_str() {
            "a" => page.anchors.push(element),
            "meta" => page.metas.push(element),
            _ if page.base.is_none() => page.base = element.attribute("href").map(str::to_owned),
            _ => {}
        }
    }
    Ok(page)
}

/// The attributes of a tag, and what follows it.
fn attributes(text: &str) -> Result<(Attributes, &str), String> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if let Some(after) = rest.strip_prefix('>') {
            return Ok((found, after));
        }
        let end = rest
            .find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/'))
            .ok_or("a tag does not end")?;
        if end == 0 {
            return Err("a tag is malformed".to_owned());
        }
        let name = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let Some(value) = rest.strip_prefix('=') else {
            found.push((name, String::new()));
            continue;
        };
        let value = value.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (value, after) = match quote {
            Some(quote) => value[1..]
                .split_once(quote)
                .ok_or("an attribute does not end")?,
            None => {
                let end = value.find(|c: char| c.is_ascii_whitespace() || c == '>');
                value.split_at(end.ok_or("a tag does not end")?)
            }
        };
        rest = after;
        found.push((name, decoded(value)));
    }
}

/// Longest character reference that is looked for, `&` and `;` included. An `&` is just that when
/// no `;` is near: searching all that follows for each would take the square of the length.
const MAX_REFERENCE: usize = 12;

/// Character references: the five of XML and numbers.
fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let length = rest.bytes().take(MAX_REFERENCE).position(|b| b == b';');
        let reference =
            length.and_then(|length| Some((character(&rest[1..length])?, &rest[length + 1..])));
        match reference {
            Some((character, after)) => {
                out.push(character);
                rest = after;
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn character(name: &str) -> Option<char> {
    let number = match name {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        _ => name.strip_prefix('#')?,
    };
    let code = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => number.parse(),
    };
    char::from_u32(code.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_have_attributes_and_text() {
        let page = read(
            "<base href='https://b/'><body><abbr>no</abbr><a\nhref = \"x?a&amp;b\" flag data-x=y>t&lt;x&#x41;&#66;&nope;</a><a href=z>",
        )
        .unwrap();
        assert_eq!(page.base.as_deref(), Some("https://b/"));
        let [first, second] = page.anchors.as_slice() else {
            panic!("{page:?}");
        };
        assert_eq!(first.attribute("href"), Some("x?a&b"));
        assert_eq!(first.attribute("flag"), Some(""));
        assert_eq!(first.attribute("data-x"), Some("y"));
        assert_eq!(first.text, "t<xAB&nope;");
        assert_eq!(second.attribute("href"), Some("z"));
    }

    #[test]
    fn broken_pages_are_errors_and_end() {
        for text in ["<a href=\"x", "<a href", "<a ", "<!-- x", "<a ==>"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read("").unwrap().anchors.is_empty());
        assert!(read("plain < text").unwrap().anchors.is_empty());
    }

    #[test]
    fn references_are_short() {
        assert_eq!(decoded("&#x10FFFF;&#1114111;"), "\u{10FFFF}\u{10FFFF}");
        assert_eq!(decoded("&#000000065;&#0000000065;"), "A&#0000000065;");
        assert_eq!(decoded("&ä;&;&"), "&ä;&;&");
    }

    /// The square of this length takes a quarter of an hour and more.
    #[test]
    fn time_grows_with_the_length_and_not_its_square() {
        let count = 4 << 20;
        let text = "&".repeat(count);
        assert_eq!(decoded(&text), text);
        assert!(read(&"<".repeat(count)).unwrap().anchors.is_empty());
        let page = read(&"<a>".repeat(count / 32)).unwrap();
        assert_eq!(page.anchors.len(), count / 32);
        read(&format!("<a{}>", " b=&".repeat(count / 32))).unwrap();
        read(&"<!--".repeat(count)).unwrap_err();
    }
}
