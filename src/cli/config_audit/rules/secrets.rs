//! Secrets that stand in a config.

use super::super::entry::{Entry, Named, texts_outside};
use super::super::finding::Finding;
use super::super::machine::Machine;
use super::super::table::Rule;
use super::about;
use super::remote::addresses;
use super::secret_texts::{certain, excerpt, in_address, is_random, is_token, random_in_path};
use crate::config::clients::ClientFile;

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

/// Secrets of the client's own, with their values. More careful than within a server: there are
/// settings of every kind, such as colours of tokens.
pub(super) fn outside(file: &ClientFile) -> Vec<(Named, String)> {
    let texts = texts_outside(file).into_iter();
    let secrets = texts.filter_map(|text| {
        let value = certain(&text.name, &text.text)?;
        is_token(&text.name, &value).then_some((text, value))
    });
    secrets.collect()
}

pub(super) fn outside_servers(file: &ClientFile, found: &mut Vec<Finding>) {
    for (text, value) in outside(file) {
        let name = match text.name.as_str() {
            "" => "a text".to_owned(),
            name => format!("`{name}`"),
        };
        found.push(Finding {
            rule: Rule::SecretOutsideServers,
            at: Some(text.at),
            server: None,
            message: format!("{name} holds a secret ({})", excerpt(&value)),
            subject: text.name,
            about: None,
            fix: None,
        });
    }
}
