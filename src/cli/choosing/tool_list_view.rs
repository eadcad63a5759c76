//! How the list of tools looks. Pure.

use std::collections::BTreeSet;

use super::super::screen::{Key, Line, Model, Size, Step, Style, cut, wrapped};
use super::tool_list::{Tool, ToolList};
use crate::lockfile::ToolName;

/// Columns before a tool's name: the place of the keys, and the mark.
const BEFORE: usize = 6;
/// Columns of the claims; on a narrow screen they stand only below the list.
const CLAIMS: usize = 14;
const NARROW: usize = 40;
/// Of the rows, those about one tool may take so many.
const MAX_ABOUT: usize = 9;

impl Model for ToolList {
    type Answer = Option<BTreeSet<ToolName>>;

    fn frame(&mut self, size: Size) -> Vec<Line> {
        if self.detail.is_some() {
            return self.definition(size);
        }
        let head = self.head(size.columns);
        let mut foot = self.foot(size.columns);
        // A list of two rows at least: then the foot loses what is said last.
        let most = size.rows.saturating_sub(head.len() + 2);
        foot.truncate(most);
        self.height = size.rows.saturating_sub(head.len() + foot.len()).max(1);
        self.top = self
            .top
            .clamp((self.cursor + 1).saturating_sub(self.height), self.cursor);
        let mut lines = head;
        lines.extend(self.rows(size.columns));
        let padding = (size.rows - foot.len()).saturating_sub(lines.len());
        lines.extend((0..padding).map(|_| Line::new(Style::Plain, "")));
        lines.extend(foot);
        lines
    }

    fn press(&mut self, key: Key) -> Step<Self::Answer> {
        ToolList::press(self, key)
    }
}

impl ToolList {
    fn head(&self, columns: usize) -> Vec<Line> {
        let title = format!(
            "{}: which of its {} tools may the client use? {} marked",
            self.server,
            self.tools.len(),
            self.marked()
        );
        let mut lines: Vec<Line> = wrapped(&title, columns, 0)
            .into_iter()
            .map(|row| Line::new(Style::Bold, row))
            .collect();
        let mut search = format!("Search: {}_", self.search);
        if !self.search.is_empty() {
            search.push_str(&format!("  ({} found)", self.found.len()));
        }
        let elsewhere = self.marked_elsewhere();
        if elsewhere > 0 {
            search.push_str(&format!("  {elsewhere} more marked, not shown"));
        }
        let rows = wrapped(&search, columns, 0).into_iter().take(3);
        lines.extend(rows.map(|row| Line::new(Style::Plain, row)));
        lines
    }

    fn rows(&self, columns: usize) -> Vec<Line> {
        let widest = self.tools.iter().map(|tool| tool.name.as_str().len()).max();
        let claims = if columns < NARROW { 0 } else { CLAIMS };
        let room = columns.saturating_sub(BEFORE + 2 + claims);
        // Descriptions get the half of it, where there is enough for both.
        let most = if columns < 60 { room } else { room / 2 };
        let name_width = widest.unwrap_or(0).min(most);
        let found = self.found.iter().enumerate();
        found
            .skip(self.top)
            .take(self.height)
            .map(|(place, at)| {
                let text = row(&self.tools[*at], place == self.cursor, name_width, claims);
                let style = match place == self.cursor {
                    true => Style::Reverse,
                    false => Style::Plain,
                };
                Line::new(style, text)
            })
            .collect()
    }

    /// About the tool where the keys act, and the keys.
    fn foot(&self, columns: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut say = |style, text: &str, most| {
            let rows = wrapped(text, columns, 2).into_iter().take(most);
            lines.extend(rows.map(|row| Line::new(style, row)));
        };
        match self.current() {
            Some(tool) => {
                let about = format!("{}: {}", tool.name, tool.claims.sentence());
                say(Style::Bold, &about, MAX_ABOUT);
            }
            None => say(Style::Bold, "The search finds nothing.", 1),
        }
        if let Some(notice) = &self.notice {
            say(Style::Reverse, notice, 3);
        }
        say(Style::Plain, &self.keys(), 4);
        if self.unusable > 0 {
            let text = format!(
                "{} more have no name or definition that a client may be shown.",
                self.unusable
            );
            say(Style::Plain, &text, 2);
        }
        lines
    }

    fn keys(&self) -> String {
        let proposed = match self.has_proposals() {
            true => "  + those the bundle proposes",
            false => "",
        };
        format!(
            "Enter done  Space mark  ? definition  Esc write nothing  * all  ! none  = those that claim to read only{proposed}"
        )
    }

    fn definition(&mut self, size: Size) -> Vec<Line> {
        let Some((name, pager)) = &mut self.detail else {
            return Vec::new();
        };
        let title = format!("{name}, as its server defines it");
        let rows = wrapped(&title, size.columns, 0).into_iter();
        let mut lines: Vec<Line> = rows.map(|row| Line::new(Style::Bold, row)).collect();
        let height = size.rows.saturating_sub(lines.len() + 1);
        lines.extend(pager.rows(size.columns, height));
        let more = match pager.below() {
            0 => "the end; any other key goes back".to_owned(),
            below => format!("{below} more rows: Space; Esc goes back"),
        };
        lines.resize(size.rows - 1, Line::new(Style::Plain, ""));
        lines.push(Line::new(Style::Reverse, more));
        lines
    }
}

fn row(tool: &Tool, is_current: bool, name_width: usize, claims_width: usize) -> String {
    let here = if is_current { '>' } else { ' ' };
    let mark = if tool.is_marked { 'x' } else { ' ' };
    // Names are ASCII, but for the ellipsis.
    let name = cut(tool.name.as_str(), name_width);
    let mut text = format!("{here} [{mark}] {name:name_width$}");
    if claims_width > 0 {
        text.push_str(&format!(
            "  {:claims_width$}{}",
            tool.claims, tool.description
        ));
    }
    text.trim_end().to_owned()
}
