//! Texts of a bundle with `${VARIABLES}` in them, read once.
//!
//! What a variable stands for is put in as it is: a `${…}` in a value is text, so
//! that no value can name another one, or a folder.

use std::fmt;

use super::error::BundleError;

/// A text in pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(pub(super) Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// `${__dirname}`: the folder of the bundle's files.
    Folder,
    /// `${HOME}`: the server's own.
    Home,
    /// `${user_config.KEY}`
    Value(String),
}

/// As it would be written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Folder => f.write_str("${__dirname}"),
            Piece::Home => f.write_str("${HOME}"),
            Piece::Value(key) => write!(f, "${{user_config.{key}}}"),
        })
    }
}

impl Template {
    /// `field` is where the text stands, for messages.
    pub(super) fn parse(text: &str, field: &str) -> Result<Self, BundleError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (variable, behind) = after
                .split_once('}')
                .ok_or_else(|| BundleError::field(field, "a `${` in it is not closed by `}`"))?;
            push_text(&mut pieces, before);
            match variable {
                "__dirname" => pieces.push(Piece::Folder),
                "HOME" => pieces.push(Piece::Home),
                "/" | "pathSeparator" => push_text(&mut pieces, "/"),
                other => match other.strip_prefix("user_config.") {
                    Some(key) if !key.is_empty() => pieces.push(Piece::Value(key.to_owned())),
                    _ => {
                        return Err(BundleError::Variable {
                            field: field.to_owned(),
                            variable: other.to_owned(),
                        });
                    }
                },
            }
            rest = behind;
        }
        push_text(&mut pieces, rest);
        Ok(Self(pieces))
    }

    /// The key, when the text is one `${user_config.KEY}` and nothing else.
    pub(super) fn only_value(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Value(key)] => Some(key),
            _ => None,
        }
    }

    /// The path below the bundle's folder, when the text is `${__dirname}/…`.
    pub(super) fn below_folder(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Folder, Piece::Text(text)] => text.strip_prefix('/'),
            _ => None,
        }
    }

    /// The whole text, when it has no variable but separators.
    pub(super) fn plain(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The keys of all values in it.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Value(key) => Some(key.as_str()),
            _ => None,
        })
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(before)) => before.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Template, BundleError> {
        Template::parse(text, "server.mcp_config.args[0]")
    }

    #[test]
    fn texts_come_apart() {
        let path = parse("${__dirname}${/}server/index.js").unwrap();
        assert_eq!(path.below_folder(), Some("server/index.js"));
        let value = parse("${user_config.api key}").unwrap();
        assert_eq!(value.only_value(), Some("api key"));
        let mixed = parse("--a=$x ${user_config.a}${HOME}").unwrap();
        assert_eq!(
            mixed.0,
            [
                Piece::Text("--a=$x ".into()),
                Piece::Value("a".into()),
                Piece::Home
            ]
        );
        assert_eq!(mixed.only_value(), None);
        assert_eq!(parse("").unwrap().plain(), Some(""));
        assert_eq!(parse("a}b$c").unwrap().plain(), Some("a}b$c"));
    }

    #[test]
    fn what_is_not_known_is_named() {
        for variable in [
            "DOCUMENTS",
            "user_config.",
            "PATH",
            "",
            "user_config",
            "x${HOME",
        ] {
            let error = parse(&format!("a${{{variable}}}b")).unwrap_err();
            let expected = BundleError::Variable {
                field: "server.mcp_config.args[0]".into(),
                variable: variable.into(),
            };
            assert_eq!(error, expected);
        }
        let open = parse("a${HOME").unwrap_err().to_string();
        assert!(open.contains("not closed"), "{open}");
    }
}
