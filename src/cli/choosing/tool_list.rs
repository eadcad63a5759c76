//! Choosing tools on a screen: what is shown, marked and searched for. Pure.
//!
//! Every key that acts is a character that no tool's name has, so that all others search.

use std::collections::BTreeSet;

use super::super::difference::laid_out;
use super::super::screen::{Key, Line, Pager, Step, Style};
use super::claims::Claims;
use crate::lockfile::{ServerName, ToolName};
use crate::relay::Introspection;

/// Longest part of a description that is searched and shown, in characters.
const MAX_DESCRIPTION: usize = 1000;
/// Longest search, in characters.
const MAX_SEARCH: usize = 128;

pub(super) struct ToolList {
    pub server: ServerName,
    /// By name: a server's own order could put anything in front of anybody.
    pub tools: Vec<Tool>,
    /// Whose names no client may use.
    pub unusable: usize,
    pub search: String,
    /// The tools that the search finds: places in `tools`, those whose name has it first.
    pub found: Vec<usize>,
    /// Place in `found`.
    pub cursor: usize,
    /// Place in `found` of the first row.
    pub top: usize,
    /// Rows of the last frame.
    pub height: usize,
    /// What the last key led to, where that is not to be seen otherwise.
    pub notice: Option<String>,
    /// The definition that is looked at.
    pub detail: Option<(String, Pager)>,
    /// Asked whether no tool is meant.
    asked_for_none: bool,
}

pub(super) struct Tool {
    pub name: ToolName,
    /// The first line.
    pub description: String,
    pub claims: Claims,
    pub is_marked: bool,
    pub is_proposed: bool,
    /// Name and description, in lower case.
    searched: String,
    definition: Vec<u8>,
}

impl Tool {
    /// `definition` is canonical.
    pub(super) fn new(name: ToolName, text: &str, definition: Vec<u8>) -> Self {
        let text: String = text.chars().take(MAX_DESCRIPTION).collect();
        let searched = format!("{name}\n{text}").to_lowercase();
        Self {
            description: text.trim_start().lines().next().unwrap_or("").to_owned(),
            claims: Claims::of(&definition),
            is_marked: false,
            is_proposed: false,
            searched,
            definition,
            name,
        }
    }
}

impl ToolList {
    /// Nothing is marked.
    pub(super) fn new(
        server: &ServerName,
        introspection: &Introspection,
        proposed: &BTreeSet<ToolName>,
    ) -> Self {
        let usable = introspection.tools.iter().filter_map(|tool| {
            let name: ToolName = tool.name.parse().ok()?;
            let text = tool.description.as_deref().unwrap_or("");
            let is_proposed = proposed.contains(&name);
            Some(Tool {
                is_proposed,
                ..Tool::new(name, text, tool.canonical.clone())
            })
        });
        let mut list = Self::of(server, usable.collect());
        let unusable = introspection.tools.len() - list.tools.len();
        list.unusable = unusable + introspection.unusable;
        list
    }

    pub(super) fn of(server: &ServerName, mut tools: Vec<Tool>) -> Self {
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            server: server.clone(),
            unusable: 0,
            found: (0..tools.len()).collect(),
            tools,
            search: String::new(),
            cursor: 0,
            top: 0,
            height: 1,
            notice: None,
            detail: None,
            asked_for_none: false,
        }
    }

    pub(super) fn current(&self) -> Option<&Tool> {
        self.found.get(self.cursor).map(|at| &self.tools[*at])
    }

    pub(super) fn marked(&self) -> usize {
        self.tools.iter().filter(|tool| tool.is_marked).count()
    }

    /// Marked, and not found by the search.
    pub(super) fn marked_elsewhere(&self) -> usize {
        let here = self.found.iter().filter(|at| self.tools[**at].is_marked);
        self.marked() - here.count()
    }

    pub(super) fn has_proposals(&self) -> bool {
        self.tools.iter().any(|tool| tool.is_proposed)
    }

    pub(super) fn press(&mut self, key: Key) -> Step<Option<BTreeSet<ToolName>>> {
        self.notice = None;
        if let Some((_, pager)) = &mut self.detail {
            if !pager.press(key) {
                self.detail = None;
            }
            return Step::Stay;
        }
        let asked_for_none = std::mem::take(&mut self.asked_for_none);
        match key {
            Key::Escape => return Step::Done(None),
            Key::Enter if self.marked() == 0 && !asked_for_none => {
                self.asked_for_none = true;
                self.notice = Some(
                    "No tool is marked (Space marks). Enter once more: the client gets none."
                        .to_owned(),
                );
            }
            Key::Enter => return Step::Done(Some(self.chosen())),
            Key::Up => self.cursor = self.cursor.saturating_sub(1),
            Key::Down => self.cursor += 1,
            Key::PageUp => self.cursor = self.cursor.saturating_sub(self.height),
            Key::PageDown => self.cursor += self.height,
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = usize::MAX,
            Key::Backspace => {
                self.search.pop();
                self.find();
            }
            Key::Control('u') => {
                self.search.clear();
                self.find();
            }
            Key::Character(character) => self.type_in(character),
            Key::Control(_) | Key::Left | Key::Right | Key::Other => {}
        }
        self.cursor = self.cursor.min(self.found.len().saturating_sub(1));
        Step::Stay
    }

    fn type_in(&mut self, character: char) {
        match character {
            ' ' => {
                if let Some(at) = self.found.get(self.cursor) {
                    self.tools[*at].is_marked ^= true;
                    self.cursor += 1;
                }
            }
            '*' => self.mark("all of these", |_| true),
            '=' => self.mark(
                "those that claim only to read; nothing checks that",
                |tool| tool.claims.only_reads(),
            ),
            '+' if self.has_proposals() => {
                self.mark("those that the bundle proposes", |tool| tool.is_proposed);
            }
            '!' => {
                for tool in &mut self.tools {
                    tool.is_marked = false;
                }
                self.notice = Some("Nothing is marked any more.".to_owned());
            }
            '?' => {
                self.detail = self.current().map(|tool| {
                    let lines = laid_out(&tool.definition).into_iter();
                    let lines = lines.map(|line| Line::new(Style::Plain, line));
                    (tool.name.to_string(), Pager::new(lines.collect()))
                });
            }
            other if self.search.chars().count() < MAX_SEARCH => {
                self.search.push(other);
                self.find();
            }
            _ => {}
        }
    }

    /// Marks those that the search finds and `is_meant` says, too.
    fn mark(&mut self, which: &str, is_meant: impl Fn(&Tool) -> bool) {
        let before = self.marked();
        for at in &self.found {
            let tool = &mut self.tools[*at];
            tool.is_marked |= is_meant(tool);
        }
        let added = self.marked() - before;
        self.notice = Some(format!("Marked {added} more: {which}."));
    }

    fn find(&mut self) {
        let search = self.search.to_lowercase();
        let tools = self.tools.iter().enumerate();
        self.found = tools
            .filter(|(_, tool)| tool.searched.contains(&search))
            .map(|(at, _)| at)
            .collect();
        // Space marks the first: what is typed is meant as a name before it is meant as a word.
        self.found.sort_by_key(|at| {
            !self.tools[*at]
                .name
                .as_str()
                .to_lowercase()
                .contains(&search)
        });
        self.cursor = 0;
        self.top = 0;
    }

    fn chosen(&self) -> BTreeSet<ToolName> {
        let marked = self.tools.iter().filter(|tool| tool.is_marked);
        marked.map(|tool| tool.name.clone()).collect()
    }
}

#[cfg(test)]
#[path = "tool_list_tests.rs"]
mod tests;
