//! Text of a spec that may be a secret: nobody prints it, and it is wiped when it is dropped.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The value of a variable, or the text of a file.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrivateText(Zeroizing<String>);

impl PrivateText {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for PrivateText {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<&str> for PrivateText {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl std::fmt::Debug for PrivateText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_travels_as_text_and_is_never_printed() {
        let text = PrivateText::from("planted");
        assert_eq!(format!("{text:?}"), "…");
        let json = serde_json::to_string(&text).unwrap();
        assert_eq!(json, "\"planted\"");
        assert_eq!(serde_json::from_str::<PrivateText>(&json).unwrap(), text);
    }
}
