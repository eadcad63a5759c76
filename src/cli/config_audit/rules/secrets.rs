//! Secrets that stand in a config.

use super::super::entry::{Entry, Named};
use super::super::finding::Finding;
use super::super::machine::Machine;
use super::super::table::Rule;
use super::about;
use super::remote::addresses;
use super::secret_texts::{certain, excerpt, in_address, is_random, random_in_path};

/// A secret of an entry. Its value is compared with others and never shown.
pub(in super::super) struct Secret<'e> {
    pub text: &'e Named,
    pub value: String,
    pub rule: Rule,
}

/// All of an entry, at most one for each text.
pub(in super::super) fn secrets<'e>(entry: &'e Entry<'_>) -> Vec<Secret<'e>> {
    let bridged = addresses(entry);
    let mut found = Vec::new();
    for text in &entry.texts {
        let secret = |value: String, rule| Secret { text, value, rule };
        let is_asked = bridged.iter().any(|word| word.at == text.at);
        if let Some(value) = in_address(&text.text) {
            found.push(secret(value, Rule::UrlCredentials));
        } else if let Some(value) = certain(&text.name, &text.text) {
            found.push(secret(
                value,
                match text.is_argument {
                    true => Rule::SecretInArguments,
                    false => Rule::InlineSecret,
                },
            ));
        } else if is_asked && let Some(value) = random_in_path(&text.text) {
            found.push(secret(value.to_owned(), Rule::PossibleSecret));
        } else if is_random(&text.name, &text.text) {
            found.push(secret(text.text.clone(), Rule::PossibleSecret));
        }
    }
    found
}

pub(super) fn rule(entry: &Entry<'_>, _: &dyn Machine, found: &mut Vec<Finding>) {
    for secret in secrets(entry) {
        let name = match secret.text.name.as_str() {
            "" => "an argument".to_owned(),
            name => format!("`{name}`"),
        };
        let shown = excerpt(&secret.value);
        let message = match secret.rule {
            Rule::UrlCredentials => format!("the address in {name} holds one ({shown})"),
            Rule::SecretInArguments => format!("{name} is a secret ({shown})"),
            Rule::PossibleSecret => format!("{name} looks like one ({shown})"),
            _ => format!("{name} holds a secret ({shown})"),
        };
        found.push(about(
            entry,
            secret.rule,
            secret.text.at,
            &secret.text.name,
            message,
        ));
    }
}
