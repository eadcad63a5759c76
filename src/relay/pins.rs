//! Pinned definitions: what was agreed about a server's tools and instructions, and what it
//! has shown of its tools in this session. Pure.
//!
//! Of each tool on the list only how it stands is kept, so this is bounded by the list; and some text
//! of those that differ, for people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::canonical_form::canonical_form;
use super::event::Event;
use super::json::Object;
use crate::lockfile::{Digest, ToolName};

/// Bytes of definitions that are kept for people, of all tools together.
const MAX_KEPT: usize = 256 * 1024;

/// A tool that a server shows otherwise than agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differing {
    pub tool: ToolName,
    /// What was agreed, if anything was.
    pub pinned: Option<Digest>,
    /// What the server shows, in RFC 8785 canonical form; `None` where there is none, or too much.
    pub definition: Option<Arc<str>>,
}

/// What a server agreed to say of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    /// The digest of each tool's whole definition in RFC 8785 canonical form.
    pub tools: BTreeMap<ToolName, Digest>,
    /// The digest of the text; `None` when there was none.
    pub instructions: Option<Digest>,
    /// The command that shows a person what changed, for messages.
    pub review: String,
}

/// How a tool is not as it was agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drift {
    /// The server shows another definition.
    Changed,
    /// It is on the list, but no definition of it was agreed.
    NotPinned,
    /// What the server shows has no canonical form, or keys that can be read in two ways.
    NotCanonical,
    /// The server said that its tools changed, and has not shown them since.
    NotShown,
}

/// How a tool stood when the server last showed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    AsPinned,
    Differs(Drift),
    /// As pinned, but before the server said that its tools changed.
    Stale,
}

/// The tools of one session against their pins.
#[derive(Debug)]
pub(super) struct Definitions {
    /// `None`: no definition is compared.
    pins: Option<Pins>,
    standings: BTreeMap<ToolName, Standing>,
    /// What was last shown of those that differ, at most [`MAX_KEPT`].
    shown: BTreeMap<ToolName, Arc<str>>,
    /// Tools that were spoken of: once is enough.
    said: BTreeSet<ToolName>,
}

impl Definitions {
    pub(super) fn new(pins: Option<Pins>) -> Self {
        Self {
            pins,
            standings: BTreeMap::new(),
            shown: BTreeMap::new(),
            said: BTreeSet::new(),
        }
    }

    pub(super) fn are_pinned(&self) -> bool {
        self.pins.is_some()
    }

    /// The command that shows a person what changed.
    pub(super) fn review(&self) -> &str {
        self.pins.as_ref().map_or("", |pins| &pins.review)
    }

    /// The server shows a tool that is on the list; `definition` is `None` when it is not
    /// usable. Whether the client may see it.
    pub(super) fn see(
        &mut self,
        name: &ToolName,
        definition: Option<Object<'_>>,
        events: &mut Vec<Event>,
    ) -> bool {
        let Some(pins) = &self.pins else {
            return definition.is_some();
        };
        let canonical =
            definition.and_then(|definition| canonical_form(definition.as_value()).ok());
        let standing = match (pins.tools.get(name), &canonical) {
            (None, _) => Standing::Differs(Drift::NotPinned),
            (Some(_), None) => Standing::Differs(Drift::NotCanonical),
            (Some(pin), Some(canonical)) if Digest::of(canonical) == *pin => Standing::AsPinned,
            (Some(_), Some(_)) => Standing::Differs(Drift::Changed),
        };
        self.shown.remove(name);
        let kept: usize = self.shown.values().map(|text| text.len()).sum();
        if standing != Standing::AsPinned
            && let Some(canonical) = canonical
            && kept + canonical.len() <= MAX_KEPT
            && let Ok(text) = String::from_utf8(canonical)
        {
            self.shown.insert(name.clone(), text.into());
        }
        self.standings.insert(name.clone(), standing);
        if let Standing::Differs(drift) = standing
            && self.said.insert(name.clone())
        {
            events.push(Event::DefinitionDiffers {
                tool: name.clone(),
                drift,
                review: pins.review.clone(),
            });
        }
        standing == Standing::AsPinned
    }

    /// The server said that its tools changed: what it showed before counts no longer. Tools
    /// that it has not shown yet are in question as well.
    pub(super) fn all_in_question(&mut self, allow: &BTreeSet<ToolName>) {
        for name in allow {
            let standing = self
                .standings
                .entry(name.clone())
                .or_insert(Standing::Stale);
            if *standing == Standing::AsPinned {
                *standing = Standing::Stale;
            }
        }
    }

    /// The server has shown all of its tools: those in question are gone, and a call of one
    /// of them is for the server to refuse.
    pub(super) fn all_shown(&mut self) {
        self.standings
            .retain(|_, standing| *standing != Standing::Stale);
    }

    pub(super) fn has_seen(&self, name: &str) -> bool {
        self.standings.contains_key(name)
    }

    /// Why a call of a tool on the list must not reach the server. `trusting`: whether a tool
    /// that is in question may be called.
    pub(super) fn refuse_call(&self, name: &str, trusting: bool) -> Option<Drift> {
        let pins = self.pins.as_ref()?;
        if !pins.tools.contains_key(name) {
            return Some(Drift::NotPinned);
        }
        match self.standings.get(name)? {
            Standing::Differs(drift) => Some(*drift),
            Standing::Stale => (!trusting).then_some(Drift::NotShown),
            Standing::AsPinned => None,
        }
    }

    /// The tools that the server last showed otherwise than agreed.
    pub(super) fn differing(&self) -> Vec<Differing> {
        let differs = |standing: &Standing| matches!(standing, Standing::Differs(_));
        let pins = self.pins.as_ref();
        self.standings
            .iter()
            .filter(|(_, standing)| differs(standing))
            .map(|(name, _)| Differing {
                tool: name.clone(),
                pinned: pins.and_then(|pins| pins.tools.get(name).copied()),
                definition: self.shown.get(name).cloned(),
            })
            .collect()
    }

    /// Whether the client may see these instructions; `None` is a value that is not a text.
    pub(super) fn instructions_agreed(&self, text: Option<&str>) -> bool {
        match &self.pins {
            None => true,
            Some(pins) => {
                text.is_some_and(|text| pins.instructions == Some(Digest::of(text.as_bytes())))
            }
        }
    }
}

/// The end of a sentence about a tool.
impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "its definition is not the one that was locked",
            Self::NotPinned => "the lock holds no definition of it",
            Self::NotCanonical => "its definition can't be read in exactly one way",
            Self::NotShown => {
                "the server said that its tools changed, and has not shown them since"
            }
        })
    }
}
