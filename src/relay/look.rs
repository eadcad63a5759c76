//! The relay's own look at a server's tools: when the server says that they changed, and
//! when the client calls one that it never listed. Pure; the session sends what is made here.
//!
//! One look at a time, bounded in pages, bytes and number. Its requests have ids of their
//! own, and nothing of its answers reaches the client.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, Instant};

use super::message::Id;
use super::reply::{list_params, modern_meta};
use super::tool_list::Shown;

/// How long calls of a tool that is in question pass while the server is asked for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Most pages of one look.
const MAX_PAGES: usize = 100;
/// Most bytes of one look.
const MAX_RECEIVED: usize = 64 * 1024 * 1024;
/// Most looks of one session: a server that changes its tools whenever it is asked for them
/// would be asked for ever.
const MAX_LOOKS: u32 = 10_000;

/// How this session speaks: where it speaks both ways, as the client's last request did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Era {
    /// After `initialize`.
    Session,
    /// 2026-07-28: every request says all about itself.
    Stateless,
}

/// The looks of one session.
#[derive(Debug)]
pub(super) struct Looks {
    /// Begins every id; nobody can guess it.
    prefix: String,
    ids: u64,
    count: u32,
    /// `None` until the client has shown that requests may be sent.
    era: Option<Era>,
    wanted: bool,
    under_way: Option<Look>,
    /// When the first change was announced that no look has followed to its end.
    in_question_since: Option<Option<Instant>>,
    failed: bool,
    /// What the server is to be sent.
    request: Option<Vec<u8>>,
    /// What is declared in them.
    capabilities: String,
}

#[derive(Debug)]
struct Look {
    id: Id,
    pages: usize,
    received: usize,
    shown: Shown,
}

impl Looks {
    /// `capabilities` are declared in each look of 2026-07-28 (JSON).
    pub(super) fn new(capabilities: String) -> Self {
        // The standard library's hasher keys differ at every call.
        let random = RandomState::new().build_hasher().finish();
        Self {
            prefix: format!("pinfold-{random:016x}-"),
            ids: 0,
            count: 0,
            era: None,
            wanted: false,
            under_way: None,
            in_question_since: None,
            failed: false,
            request: None,
            capabilities,
        }
    }

    pub(super) fn speaks(&mut self, era: Era) {
        self.era = Some(era);
    }

    /// The server said that its tools changed.
    pub(super) fn changed(&mut self, now: Option<Instant>) {
        self.wanted = true;
        self.in_question_since.get_or_insert(now);
    }

    /// The client calls a tool that it has not listed. One look is enough.
    pub(super) fn unlisted_call(&mut self) {
        self.wanted |= self.count == 0;
    }

    /// Whether tools in question may still be called: the server has been asked, or will be,
    /// and has not had its time yet.
    pub(super) fn is_trusting(&self, now: Option<Instant>) -> bool {
        if self.failed {
            return false;
        }
        match (self.in_question_since.flatten(), now) {
            (Some(since), Some(now)) => now.saturating_duration_since(since) < PATIENCE,
            _ => true,
        }
    }

    pub(super) fn is_own(&self, id: &Id) -> bool {
        self.under_way.as_ref().is_some_and(|look| look.id == *id)
    }

    /// Begins a look if one is wanted and can be. `taken` are the client's ids.
    pub(super) fn begin(&mut self, taken: impl Fn(&Id) -> bool) -> Result<(), &'static str> {
        let Some(era) = self.era else {
            return Ok(());
        };
        if !self.wanted || self.under_way.is_some() {
            return Ok(());
        }
        self.wanted = false;
        if self.count == MAX_LOOKS {
            self.failed = true;
            return Err("the server's tools changed too often");
        }
        self.count += 1;
        self.ask(era, None, 0, Shown::default(), &taken);
        Ok(())
    }

    /// What the pages before have shown; the next answer has to be an answer to this.
    pub(super) fn shown(&self) -> Shown {
        let look = self.under_way.as_ref();
        look.map(|look| look.shown.clone()).unwrap_or_default()
    }

    /// A page came, and another follows at `cursor` (canonical JSON).
    pub(super) fn next_page(
        &mut self,
        cursor: &[u8],
        length: usize,
        shown: Shown,
        taken: impl Fn(&Id) -> bool,
    ) -> Result<(), &'static str> {
        let (Some(look), Some(era)) = (self.under_way.take(), self.era) else {
            return Ok(());
        };
        let received = look.received + length;
        if look.pages == MAX_PAGES || received > MAX_RECEIVED {
            self.fail();
            return Err("the server's tool list has no end");
        }
        self.ask(era, Some(cursor), received, shown, &taken);
        if let Some(next) = &mut self.under_way {
            next.pages = look.pages + 1;
        }
        Ok(())
    }

    /// The last page came. Whether everything was shown that had been announced.
    pub(super) fn complete(&mut self, now: Option<Instant>) -> bool {
        self.under_way = None;
        self.failed = false;
        // What changed while the server was answering is in question from now on.
        self.in_question_since = self.wanted.then_some(now);
        !self.wanted
    }

    /// The answer was none.
    pub(super) fn fail(&mut self) {
        self.under_way = None;
        self.failed = true;
    }

    /// What the server is to be sent, once.
    pub(super) fn take_request(&mut self) -> Option<Vec<u8>> {
        self.request.take()
    }

    fn ask(
        &mut self,
        era: Era,
        cursor: Option<&[u8]>,
        received: usize,
        shown: Shown,
        taken: &impl Fn(&Id) -> bool,
    ) {
        let id = loop {
            self.ids += 1;
            let id = Id::Text(format!("{}{}", self.prefix, self.ids));
            if !taken(&id) {
                break id;
            }
        };
        let meta = (era == Era::Stateless).then(|| modern_meta(&self.capabilities));
        let mut line = b"{\"jsonrpc\":\"2.0\",\"id\":".to_vec();
        id.write(&mut line);
        line.extend_from_slice(b",\"method\":\"tools/list\",\"params\":");
        line.extend_from_slice(list_params(meta.as_deref(), cursor).as_bytes());
        line.push(b'}');
        self.request = Some(line);
        self.under_way = Some(Look {
            id,
            pages: 1,
            received,
            shown,
        });
    }
}
