//! How long tokens live that say it themselves (JWT, RFC 7519). Decoded here; nobody is asked, and
//! no signature is checked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::entry::Entry;
use super::super::finding::Finding;
use super::super::machine::Machine;
use super::super::table::Rule;
use super::about;
use super::secret_texts::{excerpt, jwts};

const DAY: u64 = 24 * 60 * 60;
/// Longest life of a token, in seconds.
const LONGEST: u64 = 90 * DAY;

pub(super) fn rule(entry: &Entry<'_>, machine: &dyn Machine, found: &mut Vec<Finding>) {
    for text in &entry.texts {
        for token in jwts(&text.text) {
            let Some(life) = life(token, machine.now()) else {
                continue;
            };
            let shown = excerpt(token);
            let (rule, message) = match life {
                Life::Endless => (
                    Rule::EndlessToken,
                    format!("the token in `{}` ({shown}) has no end", text.name),
                ),
                Life::Seconds(seconds) if seconds > LONGEST => (
                    Rule::LongLivedToken,
                    format!(
                        "the token in `{}` ({shown}) lives {} days",
                        text.name,
                        seconds / DAY
                    ),
                ),
                Life::Seconds(_) => continue,
            };
            found.push(about(entry, rule, text.at, &text.name, message));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Endless,
    /// From its issue, or from now if it doesn't say when that was.
    Seconds(u64),
}

/// What a token says of its life; `None` if it is no JWT.
fn life(token: &str, now: u64) -> Option<Life> {
    let mut parts = token.split('.');
    let header: serde_json::Value = part(parts.next()?)?;
    let claims: serde_json::Value = part(parts.next()?)?;
    header.get("alg")?;
    let seconds = |claim: &str| {
        let value = claims.get(claim)?;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, and a time before 1970 is none"
        )]
        let from_float = || value.as_f64().map(|seconds| seconds as u64);
        value.as_u64().or_else(from_float)
    };
    claims.as_object()?;
    Some(match seconds("exp") {
        None => Life::Endless,
        Some(end) => {
            let start = seconds("iat").or_else(|| seconds("nbf")).unwrap_or(now);
            Life::Seconds(end.saturating_sub(start))
        }
    })
}

fn part(text: &str) -> Option<serde_json::Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.c2ln", encode(r#"{"alg":"HS256"}"#), encode(claims))
    }

    #[test]
    fn a_life_is_read() {
        for (claims, expected) in [
            ("{}", Life::Endless),
            (r#"{"exp":"x"}"#, Life::Endless),
            (r#"{"iat":1000,"exp":4600}"#, Life::Seconds(3600)),
            (r#"{"iat":1000.5,"exp":4600.5}"#, Life::Seconds(3600)),
            (r#"{"exp":60}"#, Life::Seconds(50)),
            (r#"{"exp":1}"#, Life::Seconds(0)),
        ] {
            assert_eq!(life(&token(claims), 10), Some(expected), "{claims}");
        }
        for text in ["eyJ.eyJ.x", "a.b.c", "", "eyJhbGciOiJub25lIn0.W10.x"] {
            assert_eq!(life(text, 10), None, "{text}");
        }
    }
}
