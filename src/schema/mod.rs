//! The part of JSON Schema (draft 2020-12) in which rules on arguments are written.
//!
//! Only data: `config` reads it from the manifest, `relay` judges arguments by it. There is no
//! reference and no recursion, so a schema is a finite tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

/// Largest magnitude of a number: what every reader reads alike.
pub const MAX_INTEGER: f64 = 9_007_199_254_740_991.0;
/// A compiled pattern takes at most so many bytes; matching costs as much for each character.
const MAX_PATTERN_SIZE: usize = 64 << 10;
/// What is smaller is not told apart.
const MIN_PATTERN_SIZE: usize = 4 << 10;

/// What a value must be: all of its keywords.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema(pub Vec<Keyword>);

/// One keyword, with the meaning that JSON Schema gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keyword {
    /// The schema `false`.
    Never,
    Type(BTreeSet<Type>),
    Enum(Vec<Literal>),
    Const(Literal),
    Minimum(Number),
    Maximum(Number),
    ExclusiveMinimum(Number),
    ExclusiveMaximum(Number),
    /// In characters.
    MinLength(usize),
    MaxLength(usize),
    Pattern(Pattern),
    MinItems(usize),
    MaxItems(usize),
    Items(Box<Schema>),
    /// `properties`, and `additionalProperties` for those that it doesn't name.
    Properties {
        named: BTreeMap<String, Schema>,
        others: Option<Box<Schema>>,
    },
    Required(BTreeSet<String>),
    AllOf(Vec<Schema>),
    AnyOf(Vec<Schema>),
    Not(Box<Schema>),
}

/// The types of JSON; every integer is a number, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

/// A value that `enum` or `const` compares with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    Text(String),
    Number(Number),
    Boolean(bool),
}

/// A finite number of at most [`MAX_INTEGER`] in magnitude.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(f64);

/// A regular expression without look-around and back-references, matched in linear time. It may
/// match anywhere; `\d`, `\w` and `\b` mean ASCII, as in JavaScript.
#[derive(Clone, Debug)]
pub struct Pattern {
    compiled: regex_lite::Regex,
    /// A bound of its compiled form, in bytes.
    size: usize,
}

impl Type {
    pub const ALL: [Self; 7] = [
        Self::Null,
        Self::Boolean,
        Self::Integer,
        Self::Number,
        Self::String,
        Self::Array,
        Self::Object,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

impl Number {
    /// `None` when readers could differ on it.
    pub fn new(number: f64) -> Option<Self> {
        (number.abs() <= MAX_INTEGER).then_some(Self(number))
    }

    pub fn get(self) -> f64 {
        self.0
    }
}

// Never NaN.
impl Eq for Number {}

impl Pattern {
    /// # Errors
    /// What is wrong with it, in words for a person.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut size = MIN_PATTERN_SIZE;
        loop {
            let compiled = regex_lite::RegexBuilder::new(text).size_limit(size).build();
            match compiled {
                Ok(compiled) => return Ok(Self { compiled, size }),
                // That it is too large is not told apart from other mistakes.
                Err(error) if size == MAX_PATTERN_SIZE => return Err(error.to_string()),
                Err(_) => size = (2 * size).min(MAX_PATTERN_SIZE),
            }
        }
    }

    pub fn is_match(&self, text: &str) -> bool {
        self.compiled.is_match(text)
    }

    /// Bytes that its compiled form has at most: each of them may be looked at for each character.
    pub fn size(&self) -> usize {
        self.size
    }

    pub fn as_str(&self) -> &str {
        self.compiled.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl Keyword {
    /// As in a schema.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Never => "false",
            Self::Type(_) => "type",
            Self::Enum(_) => "enum",
            Self::Const(_) => "const",
            Self::Minimum(_) => "minimum",
            Self::Maximum(_) => "maximum",
            Self::ExclusiveMinimum(_) => "exclusiveMinimum",
            Self::ExclusiveMaximum(_) => "exclusiveMaximum",
            Self::MinLength(_) => "minLength",
            Self::MaxLength(_) => "maxLength",
            Self::Pattern(_) => "pattern",
            Self::MinItems(_) => "minItems",
            Self::MaxItems(_) => "maxItems",
            Self::Items(_) => "items",
            Self::Properties { .. } => "properties",
            Self::Required(_) => "required",
            Self::AllOf(_) => "allOf",
            Self::AnyOf(_) => "anyOf",
            Self::Not(_) => "not",
        }
    }

    fn document(&self) -> Value {
        let all = |schemas: &[Schema]| schemas.iter().map(Schema::document).collect();
        match self {
            Self::Never => true.into(),
            Self::Type(types) => types.iter().map(|one| one.name()).collect(),
            Self::Enum(values) => values.iter().map(Literal::document).collect(),
            Self::Const(value) => value.document(),
            Self::Minimum(number)
            | Self::Maximum(number)
            | Self::ExclusiveMinimum(number)
            | Self::ExclusiveMaximum(number) => json!(number.get()),
            Self::MinLength(count)
            | Self::MaxLength(count)
            | Self::MinItems(count)
            | Self::MaxItems(count) => json!(count),
            Self::Pattern(pattern) => pattern.as_str().into(),
            Self::Items(schema) | Self::Not(schema) => schema.document(),
            Self::Properties { named, others } => {
                let named: BTreeMap<&str, Value> = named
                    .iter()
                    .map(|(name, schema)| (name.as_str(), schema.document()))
                    .collect();
                json!({ "named": named, "others": others.as_ref().map(|other| other.document()) })
            }
            Self::Required(names) => json!(names),
            Self::AllOf(schemas) | Self::AnyOf(schemas) => all(schemas),
        }
    }
}

impl Literal {
    fn document(&self) -> Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Number(number) => json!(number.get()),
            Self::Boolean(truth) => (*truth).into(),
        }
    }
}

/// As JSON.
impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.0.fmt(f),
            other => other.document().fmt(f),
        }
    }
}

impl Schema {
    /// For digests: equal for equal schemas and for no others.
    pub fn document(&self) -> Value {
        self.0
            .iter()
            .map(|keyword| json!([keyword.name(), keyword.document()]))
            .collect()
    }

    /// Whether everything meets it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
