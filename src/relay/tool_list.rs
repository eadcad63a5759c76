//! The pages of `tools/list`: only what is on the list and as it was agreed, each name once,
//! byte for byte.
//!
//! Of several definitions of one tool the first counts, here as when a server is locked.
//! Whether that is the one that was agreed is decided in `pins`.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::confusion::{ROUTED_IN_TOOLS, refuse_confusing_keys};
use super::json::{Object, Value};
use crate::lockfile::{Digest, ToolName};

/// Most cursors whose listing is remembered.
const MAX_CURSORS: usize = 1024;

/// The tools that a listing has held so far, also those that were withheld.
pub(super) type Shown = Arc<BTreeSet<ToolName>>;

/// For each cursor that a server gave out: what its listing had shown until then. So two
/// listings at once, or a page that is asked for twice, do not hide each other's tools.
#[derive(Debug, Default)]
pub(super) struct Listings {
    by_cursor: HashMap<Digest, Shown>,
    oldest_first: VecDeque<Digest>,
}

/// One page, filtered.
#[derive(Debug)]
pub(super) struct Page {
    /// The result with its `tools` replaced; `None` when nothing had to be hidden.
    pub(super) result: Option<Vec<u8>>,
    pub(super) shown: Shown,
    pub(super) unlisted: usize,
    pub(super) malformed: usize,
    pub(super) duplicates: usize,
    /// On the list, but not as agreed.
    pub(super) withheld: usize,
}

/// The result has no array `tools`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoToolArray;

impl Listings {
    /// What was shown before the page that `params` asks for.
    pub(super) fn before(&self, params: Option<Object<'_>>) -> Shown {
        let cursor = params.and_then(|params| params.find("cursor"));
        let known = cursor.and_then(|cursor| self.by_cursor.get(&Digest::of(cursor.raw())));
        known.cloned().unwrap_or_default()
    }

    /// Notes what was shown until the page that `result` points to.
    pub(super) fn remember(&mut self, result: Object<'_>, shown: Shown) {
        let Some(cursor) = result.find("nextCursor") else {
            return;
        };
        let cursor = Digest::of(cursor.raw());
        if self.by_cursor.insert(cursor, shown).is_none() {
            self.oldest_first.push_back(cursor);
            if self.oldest_first.len() > MAX_CURSORS
                && let Some(oldest) = self.oldest_first.pop_front()
            {
                self.by_cursor.remove(&oldest);
            }
        }
    }
}

/// Filters the page `result`; `before` is what its listing has held already. `agreed` is asked
/// once for each tool on the list, without its definition when that is not usable.
pub(super) fn filter_page(
    result: Object<'_>,
    allow: &BTreeSet<ToolName>,
    before: &Shown,
    mut agreed: impl FnMut(&ToolName, Option<Object<'_>>) -> bool,
) -> Result<Page, NoToolArray> {
    let tools = result
        .find("tools")
        .and_then(Value::as_array)
        .ok_or(NoToolArray)?;
    let mut page = Page {
        result: None,
        shown: before.clone(),
        unlisted: 0,
        malformed: 0,
        duplicates: 0,
        withheld: 0,
    };
    let mut kept = b"[".to_vec();
    for tool in tools {
        let Some((name, definition)) = read_tool(tool) else {
            page.malformed += 1;
            if let Some(name) = plain_name(tool).and_then(|name| allow.get(name.as_ref()))
                && !page.shown.contains(name)
            {
                agreed(name, None);
            }
            continue;
        };
        let Some(name) = allow.get(name.as_ref()) else {
            page.unlisted += 1;
            continue;
        };
        if page.shown.contains(name) {
            page.duplicates += 1;
            continue;
        }
        Arc::make_mut(&mut page.shown).insert(name.clone());
        if !agreed(name, Some(definition)) {
            page.withheld += 1;
            continue;
        }
        if kept.len() > 1 {
            kept.push(b',');
        }
        kept.extend_from_slice(definition.raw());
    }
    if page.unlisted + page.malformed + page.duplicates + page.withheld > 0 {
        kept.push(b']');
        page.result = Some(result.with("tools", &kept));
    }
    Ok(page)
}

/// Name and definition of one element of `tools`; `None` when it is not an object, has no
/// name, or has keys that some clients would read as its name, description or schema.
pub(super) fn read_tool(tool: Value<'_>) -> Option<(Cow<'_, str>, Object<'_>)> {
    let definition = tool.as_object()?;
    refuse_confusing_keys(definition, &ROUTED_IN_TOOLS).ok()?;
    let name = definition.find("name")?.as_text()?;
    Some((name, definition))
}

/// The name of a definition that is not usable, if it has one.
fn plain_name(tool: Value<'_>) -> Option<Cow<'_, str>> {
    tool.as_object()?.find("name")?.as_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::strict::CanonicalLine;

    fn allow(names: &[&str]) -> BTreeSet<ToolName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn filter(result: &str, before: &Shown) -> (String, Page) {
        let line = CanonicalLine::read(result.as_bytes(), 1 << 20).unwrap();
        let page = filter_page(line.root(), &allow(&["a", "b"]), before, |_, _| true).unwrap();
        let text = page
            .result
            .clone()
            .unwrap_or_else(|| line.as_bytes().to_vec());
        (String::from_utf8(text).unwrap(), page)
    }

    #[test]
    fn only_listed_tools_stay_and_the_rest_is_verbatim() {
        let (text, page) = filter(
            r#"{"x":1.0,"tools":[{"name":"a","d":1e1},{"name":"c"},{"name":"b"}],"nextCursor":""}"#,
            &Shown::default(),
        );
        assert_eq!(
            text,
            r#"{"x":1.0,"tools":[{"name":"a","d":1e1},{"name":"b"}],"nextCursor":""}"#
        );
        assert_eq!((page.unlisted, page.malformed, page.duplicates), (1, 0, 0));
        let (text, page) = filter(r#"{"tools":[{"name":"a"}]}"#, &Shown::default());
        assert_eq!(text, r#"{"tools":[{"name":"a"}]}"#);
        assert!(page.result.is_none());
    }

    #[test]
    fn names_match_byte_for_byte() {
        let (text, page) = filter(
            r#"{"tools":[{"name":"A"},{"name":"a "},{"name":"a\u0000"},{"name":"\u0061"},{"name":"а"}]}"#,
            &Shown::default(),
        );
        assert_eq!(text, r#"{"tools":[{"name":"a"}]}"#);
        assert_eq!(page.unlisted, 4);
    }

    #[test]
    fn malformed_and_confusing_definitions_are_dropped() {
        let (text, page) = filter(
            r#"{"tools":[1,"a",null,[],{},{"name":1},{"title":"a"},{"name":"a","Name":"c"},
                {"name":"a","Description":"x"},{"name":"b","inputSchema":{"Name":1}}]}"#,
            &Shown::default(),
        );
        assert_eq!(text, r#"{"tools":[{"name":"b","inputSchema":{"Name":1}}]}"#);
        assert_eq!(page.malformed, 9);
    }

    #[test]
    fn duplicates_are_dropped_within_and_across_pages() {
        let (text, page) = filter(
            r#"{"tools":[{"name":"a","v":1},{"name":"a","v":2}],"nextCursor":"2"}"#,
            &Shown::default(),
        );
        assert_eq!(text, r#"{"tools":[{"name":"a","v":1}],"nextCursor":"2"}"#);
        let (text, page) = filter(
            r#"{"tools":[{"name":"a","v":3},{"name":"b"}]}"#,
            &page.shown,
        );
        assert_eq!(text, r#"{"tools":[{"name":"b"}]}"#);
        assert_eq!(page.duplicates, 1);
    }

    #[test]
    fn a_listing_is_followed_by_its_cursors_and_bounded() {
        let read = |text: &str| CanonicalLine::read(text.as_bytes(), 4096).unwrap();
        let shown = Shown::new(allow(&["a"]));
        let mut listings = Listings::default();
        listings.remember(read(r#"{"nextCursor":"x"}"#).root(), shown.clone());
        assert_eq!(
            listings.before(Some(read(r#"{"cursor":"x"}"#).root())),
            shown
        );
        assert!(
            listings
                .before(Some(read(r#"{"cursor":"y"}"#).root()))
                .is_empty()
        );
        assert!(listings.before(Some(read("{}").root())).is_empty());
        assert!(listings.before(None).is_empty());
        for number in 0..MAX_CURSORS {
            let page = read(&format!(r#"{{"nextCursor":"{number}"}}"#));
            listings.remember(page.root(), shown.clone());
        }
        assert_eq!(listings.by_cursor.len(), MAX_CURSORS);
        assert!(
            listings
                .before(Some(read(r#"{"cursor":"x"}"#).root()))
                .is_empty()
        );
        assert!(
            !listings
                .before(Some(read(r#"{"cursor":"1023"}"#).root()))
                .is_empty()
        );
    }

    #[test]
    fn a_result_without_an_array_is_an_error() {
        for result in [
            "{}",
            r#"{"tools":{}}"#,
            r#"{"tools":null}"#,
            r#"{"tools":"a"}"#,
        ] {
            let line = CanonicalLine::read(result.as_bytes(), 4096).unwrap();
            assert!(
                filter_page(line.root(), &allow(&["a"]), &Shown::default(), |_, _| true).is_err()
            );
        }
    }
}
