//! Arguments judged by a rule: the schema of the manifest against the bytes that would be
//! forwarded. Pure, and bounded in work whatever the arguments are.
//!
//! What readers could take for different things does not fit, and no `not` or `anyOf` makes it
//! fit: numbers that a double doesn't hold, other spellings of a key that the rule names (Go's
//! `encoding/json` takes `Owner` for `owner`), and text with a NUL, which readers in C end there.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::confusion::fold;
use super::event::kept;
use super::json::{Member, Object, Value};
use crate::schema::{Keyword, Literal, MAX_INTEGER, Number, Schema, Type};

/// Steps of one judgement; about two seconds in the worst case.
const MAX_WORK: u64 = 20_000_000;
/// Longest text that a pattern is tried on, in bytes.
const MAX_MATCHED: usize = 64 * 1024;
/// Steps that a pattern costs at least for each byte of the text, and so many bytes of its compiled
/// form, all of which may be looked at for each, cost one more.
const PATTERN_WORK: u64 = 32;
const PATTERN_PART: u64 = 200;
/// Bytes that are walked over in one step.
const STRIDE: u64 = 32;
/// Bytes of a key that are read in one step, beyond those that are compared.
const KEY_STRIDE: u64 = 16;
/// Digits of a number that every double has.
const MAX_DIGITS: usize = 17;
/// Longest place that is named, in parts.
const MAX_PARTS: usize = 16;

/// Why arguments do not fit, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Within the arguments, for example `.owner` or `.tags[3]`.
    pub(super) path: String,
    pub(super) reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It does not meet this keyword; what it has to be, where that is short.
    Keyword(&'static str, String),
    /// Readers could differ on this number.
    Number,
    /// Readers could differ on where this text ends.
    Nul,
    /// A key is another spelling of one that the rule names.
    Spelling {
        named: String,
    },
    TooMuch,
}

/// Whether `arguments` meet `rule`.
pub(super) fn judge(rule: &Schema, arguments: Value<'_>) -> Result<(), Failure> {
    judge_within(MAX_WORK, rule, arguments)
}

fn judge_within(most_work: u64, rule: &Schema, arguments: Value<'_>) -> Result<(), Failure> {
    let mut judge = Judge {
        path: Vec::new(),
        left: most_work,
    };
    judge.schema(rule, arguments)
}

struct Judge<'a> {
    path: Vec<Part<'a>>,
    /// Steps.
    left: u64,
}

enum Part<'a> {
    Key(Cow<'a, str>),
    Index(usize),
}

impl<'a> Judge<'a> {
    fn schema(&mut self, schema: &Schema, value: Value<'a>) -> Result<(), Failure> {
        for keyword in &schema.0 {
            self.spend(1)?;
            self.keyword(keyword, value)?;
        }
        Ok(())
    }

    fn keyword(&mut self, keyword: &Keyword, value: Value<'a>) -> Result<(), Failure> {
        let fits = match keyword {
            Keyword::Never => false,
            Keyword::Type(types) => types.iter().any(|one| is_of_type(value, *one)),
            Keyword::Const(literal) => self.equals(value, std::slice::from_ref(literal))?,
            Keyword::Enum(literals) => self.equals(value, literals)?,
            Keyword::Minimum(bound) => {
                self.compare(value, *bound, |number, bound| number >= bound)?
            }
            Keyword::Maximum(bound) => {
                self.compare(value, *bound, |number, bound| number <= bound)?
            }
            Keyword::ExclusiveMinimum(bound) => {
                self.compare(value, *bound, |number, bound| number > bound)?
            }
            Keyword::ExclusiveMaximum(bound) => {
                self.compare(value, *bound, |number, bound| number < bound)?
            }
            Keyword::MinLength(least) => self.length(value)?.is_none_or(|length| length >= *least),
            Keyword::MaxLength(most) => self.length(value)?.is_none_or(|length| length <= *most),
            Keyword::Pattern(pattern) => match self.text(value)? {
                None => true,
                Some(text) if text.len() > MAX_MATCHED => return self.fail(Reason::TooMuch),
                Some(text) => {
                    let work = PATTERN_WORK.max(pattern.size() as u64 / PATTERN_PART);
                    self.spend(text.len() as u64 * work)?;
                    pattern.is_match(&text)
                }
            },
            Keyword::MinItems(least) => self.items(value)?.is_none_or(|count| count >= *least),
            Keyword::MaxItems(most) => self.items(value)?.is_none_or(|count| count <= *most),
            Keyword::Items(schema) => {
                for (index, element) in value.as_array().into_iter().flatten().enumerate() {
                    self.spend(size(element))?;
                    self.below(Part::Index(index), schema, element)?;
                }
                true
            }
            Keyword::Properties { named, others } => {
                self.properties(value, named, others.as_deref())?;
                true
            }
            Keyword::Required(names) => self.has(value, names)?,
            Keyword::AllOf(schemas) => {
                for schema in schemas {
                    self.schema(schema, value)?;
                }
                true
            }
            Keyword::AnyOf(schemas) => {
                let mut any = false;
                for schema in schemas {
                    any |= self.fits(schema, value)?;
                }
                any
            }
            Keyword::Not(schema) => !self.fits(schema, value)?,
        };
        if fits {
            return Ok(());
        }
        self.fail(Reason::Keyword(keyword.name(), wanted(keyword)))
    }

    /// Whether a value meets a schema that decides nothing by itself.
    fn fits(&mut self, schema: &Schema, value: Value<'a>) -> Result<bool, Failure> {
        let depth = self.path.len();
        match self.schema(schema, value) {
            Ok(()) => Ok(true),
            Err(Failure {
                reason: Reason::Keyword(..),
                ..
            }) => {
                self.path.truncate(depth);
                Ok(false)
            }
            Err(certain) => Err(certain),
        }
    }

    fn below(&mut self, part: Part<'a>, schema: &Schema, value: Value<'a>) -> Result<(), Failure> {
        self.path.push(part);
        self.schema(schema, value)?;
        self.path.pop();
        Ok(())
    }

    fn properties(
        &mut self,
        value: Value<'a>,
        named: &BTreeMap<String, Schema>,
        others: Option<&Schema>,
    ) -> Result<(), Failure> {
        let Some(object) = value.as_object() else {
            return Ok(());
        };
        self.same_spelling(object, named.keys())?;
        for member in object.members() {
            let key = self.key(&member)?;
            let schema = named.get(key.as_ref()).or(others);
            if let Some(schema) = schema {
                self.below(Part::Key(key), schema, member.value)?;
            }
        }
        Ok(())
    }

    fn has(&mut self, value: Value<'a>, names: &BTreeSet<String>) -> Result<bool, Failure> {
        let Some(object) = value.as_object() else {
            return Ok(true);
        };
        self.same_spelling(object, names.iter())?;
        let mut found = 0;
        for member in object.members() {
            found += usize::from(names.contains(self.key(&member)?.as_ref()));
        }
        // No key occurs twice.
        Ok(found == names.len())
    }

    /// No key is a name in another spelling.
    fn same_spelling<'n>(
        &mut self,
        object: Object<'a>,
        names: impl Iterator<Item = &'n String>,
    ) -> Result<(), Failure> {
        let folded: BTreeMap<String, &String> = names.map(|name| (fold(name), name)).collect();
        for member in object.members() {
            self.spend(member.raw_key.len().min(64) as u64)?;
            let key = self.key(&member)?;
            let until_nul = key.split('\0').next().unwrap_or_default();
            let taken_for = [fold(&key), fold(until_nul)];
            let named = taken_for
                .iter()
                .find_map(|folded_key| folded.get(folded_key));
            if let Some(named) = named.filter(|name| ***name != *key) {
                let named = kept(named);
                self.path.push(Part::Key(key));
                return self.fail(Reason::Spelling { named });
            }
        }
        Ok(())
    }

    fn equals(&mut self, value: Value<'a>, literals: &[Literal]) -> Result<bool, Failure> {
        let is_text = |literal: &Literal| matches!(literal, Literal::Text(_));
        let text = match literals.iter().any(is_text) {
            true => self.text(value)?,
            false => None,
        };
        let number = self.number_if(value, literals)?;
        self.spend(literals.len() as u64)?;
        Ok(literals.iter().any(|literal| match literal {
            Literal::Text(wanted) => text.as_deref() == Some(wanted),
            Literal::Number(wanted) => number == Some(wanted.get()),
            Literal::Boolean(wanted) => {
                value.raw() == if *wanted { &b"true"[..] } else { b"false" }
            }
        }))
    }

    /// The number, where one is compared with.
    fn number_if(&self, value: Value<'a>, literals: &[Literal]) -> Result<Option<f64>, Failure> {
        let wanted = |literal: &Literal| matches!(literal, Literal::Number(_));
        if literals.iter().any(wanted) {
            self.number(value)
        } else {
            Ok(None)
        }
    }

    fn compare(
        &self,
        value: Value<'a>,
        bound: Number,
        fits: impl Fn(f64, f64) -> bool,
    ) -> Result<bool, Failure> {
        let number = self.number(value)?;
        Ok(number.is_none_or(|number| fits(number, bound.get())))
    }

    /// The number that every reader reads.
    fn number(&self, value: Value<'a>) -> Result<Option<f64>, Failure> {
        if !is_number(value) {
            return Ok(None);
        }
        let text = std::str::from_utf8(value.raw()).unwrap_or_default();
        match text.parse::<f64>() {
            Ok(number)
                if number.is_finite()
                    && (number.abs() <= MAX_INTEGER || !is_plain(value))
                    && digits(text) <= MAX_DIGITS =>
            {
                Ok(Some(number))
            }
            _ => self.fail(Reason::Number),
        }
    }

    fn text(&mut self, value: Value<'a>) -> Result<Option<Cow<'a, str>>, Failure> {
        self.spend(size(value))?;
        let text = value.as_text();
        if text.as_ref().is_some_and(|text| text.contains('\0')) {
            return self.fail(Reason::Nul);
        }
        Ok(text)
    }

    fn length(&mut self, value: Value<'a>) -> Result<Option<usize>, Failure> {
        Ok(self.text(value)?.map(|text| text.chars().count()))
    }

    fn items(&mut self, value: Value<'a>) -> Result<Option<usize>, Failure> {
        self.spend(size(value))?;
        Ok(value.as_array().map(Iterator::count))
    }

    /// The key of a member whose value was walked over.
    fn key(&mut self, member: &Member<'a>) -> Result<Cow<'a, str>, Failure> {
        self.spend(size(member.value) + member.raw_key.len() as u64 / KEY_STRIDE)?;
        Ok(member.key())
    }

    fn spend(&mut self, steps: u64) -> Result<(), Failure> {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                // Nothing is cheap enough any more.
                self.left = 0;
                self.fail(Reason::TooMuch)
            }
        }
    }

    fn fail<T>(&self, reason: Reason) -> Result<T, Failure> {
        let mut path = String::new();
        for part in self.path.iter().take(MAX_PARTS) {
            match part {
                Part::Key(key) => path.push_str(&format!(".{}", kept(key))),
                Part::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        if self.path.len() > MAX_PARTS {
            path.push('…');
        }
        Err(Failure { path, reason })
    }
}

/// Steps of a walk over a value.
fn size(value: Value<'_>) -> u64 {
    value.raw().len() as u64 / STRIDE + 1
}

/// Digits of a number that make a difference: not the zeros at either end, not the exponent.
fn digits(number: &str) -> usize {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').len()
}

fn is_number(value: Value<'_>) -> bool {
    matches!(value.raw().first(), Some(b'-' | b'0'..=b'9'))
}

/// Digits alone: some readers read it exactly.
fn is_plain(value: Value<'_>) -> bool {
    let number = value.raw();
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    digits.iter().all(u8::is_ascii_digit)
}

fn is_of_type(value: Value<'_>, wanted: Type) -> bool {
    match (value.raw().first(), wanted) {
        (Some(b'n'), Type::Null)
        | (Some(b't' | b'f'), Type::Boolean)
        | (Some(b'"'), Type::String)
        | (Some(b'['), Type::Array)
        | (Some(b'{'), Type::Object) => true,
        (Some(b'-' | b'0'..=b'9'), Type::Number) => true,
        (Some(b'-' | b'0'..=b'9'), Type::Integer) => is_plain(value) || is_whole(value),
        _ => false,
    }
}

/// `1.0` and `1e3` are integers, too (JSON Schema 2020-12, section 6.1.1).
fn is_whole(value: Value<'_>) -> bool {
    let text = std::str::from_utf8(value.raw()).unwrap_or_default();
    text.parse::<f64>()
        .is_ok_and(|number| number.is_finite() && number.fract() == 0.0)
}

/// What a value has to be, where that is short.
fn wanted(keyword: &Keyword) -> String {
    match keyword {
        Keyword::Type(types) => {
            let names: Vec<&str> = types.iter().map(|one| one.name()).collect();
            names.join(" or ")
        }
        Keyword::Const(literal) => kept(&literal.to_string()),
        Keyword::Enum(literals) => {
            let shown: Vec<String> = literals.iter().take(10).map(ToString::to_string).collect();
            kept(&shown.join(", "))
        }
        Keyword::Minimum(number)
        | Keyword::Maximum(number)
        | Keyword::ExclusiveMinimum(number)
        | Keyword::ExclusiveMaximum(number) => number.get().to_string(),
        Keyword::MinLength(count)
        | Keyword::MaxLength(count)
        | Keyword::MinItems(count)
        | Keyword::MaxItems(count) => count.to_string(),
        Keyword::Pattern(pattern) => kept(pattern.as_str()),
        Keyword::Required(names) => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            kept(&names.join(", "))
        }
        _ => String::new(),
    }
}

/// The beginning of a sentence: what of the arguments doesn't fit.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`arguments{}`", self.path)?;
        match &self.reason {
            Reason::Keyword(keyword, wanted) if wanted.is_empty() => {
                write!(f, " does not meet `{keyword}`")
            }
            Reason::Keyword(keyword, wanted) => {
                write!(f, " does not meet `{keyword}` ({wanted})")
            }
            Reason::Number => f.write_str(" is a number that readers read differently"),
            Reason::Nul => f.write_str(" holds a NUL, at which some readers end it"),
            Reason::Spelling { named } => write!(f, " is another spelling of `{named}`"),
            Reason::TooMuch => f.write_str(" is too much to be judged"),
        }
    }
}

#[cfg(test)]
mod tests;
