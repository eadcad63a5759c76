//! `pinfold log export`: the audit log for a collector. A reader of the log like any other: no session
//! waits for it, and what it could not send yet it sends the next time.

use std::path::Path;
use std::time::Duration;

use super::args::LogExport;
use super::exit::{Exit, UsageError};
use super::output;
use super::signals::StopSignals;
use crate::audit::{Anchor, AtMost, AuditError, Follow, last_anchor};
use crate::config::Environment;
use crate::fetch::ProxySettings;
use crate::otlp::{
    Batch, PositionFile, SendError, Sender, Settings, Target, Translator, Word, logs_request,
    traces_request,
};

/// Between two looks at a log that is followed.
const PAUSE: Duration = Duration::from_secs(1);
/// Without --follow.
const PATIENCE: Duration = Duration::from_secs(30);
/// One request: collectors take 20 MiB unless they are told otherwise.
const BATCH: AtMost = AtMost {
    records: 500,
    bytes: 1 << 20,
};

/// What was sent, and what of it the collector did not want.
#[derive(Default)]
struct Totals {
    spans: usize,
    logs: usize,
    rejected: u64,
}

struct Export<'a> {
    folder: &'a Path,
    settings: Settings,
    sender: Sender,
    position: PositionFile,
    translator: Translator,
    log: Follow,
    totals: Totals,
    /// The last record that needs not be sent any more.
    through: Option<Anchor>,
}

pub(super) async fn export(
    state: &Path,
    folder: &Path,
    arguments: &LogExport,
) -> anyhow::Result<Exit> {
    let environment = Environment::current();
    let variable = |name: &str| Some(environment.get(name)?.to_str()?.to_owned());
    let settings = Settings::read(&variable, arguments.endpoint.as_deref())?;
    if settings.is_disabled {
        output::note("Nothing was exported: OTEL_SDK_DISABLED is set.");
        return Ok(Exit::Success);
    }
    for target in [&settings.traces, &settings.logs].into_iter().flatten() {
        if target.is_in_the_open() {
            output::warning(&format!(
                "{} is plain http: whoever is on the way can read what is exported",
                target.shown()
            ));
        }
    }
    let patience = match &arguments.patience {
        None => (!arguments.follow).then_some(PATIENCE),
        Some(text) => Some(humantime::parse_duration(text).map_err(|_| {
            UsageError(format!(
                "`{}` is no time span such as 30s",
                output::foreign(text, 60)
            ))
        })?),
    };
    let mut stop = StopSignals::listen()?;
    let position = PositionFile::open(state)?;
    let translator = Translator::new(position.read()?, arguments.arguments)
        .map_err(|problem| UsageError(format!("the position of the last export: {problem}")))?;
    let sender = Sender::new(&settings, proxies(&variable), patience)?;
    let mut export = Export {
        folder,
        settings,
        sender,
        position,
        through: translator.last(),
        log: Follow::behind(folder, translator.last().map_or(0, |last| last.seq)),
        translator,
        totals: Totals::default(),
    };
    let ended = tokio::select! {
        ended = export.run(arguments.follow) => ended,
        // What was not taken is sent the next time.
        _ = stop.first() => Ok(()),
    };
    export.sum_up();
    ended.map(|()| Exit::Success)
}

impl Export<'_> {
    async fn run(&mut self, follow: bool) -> anyhow::Result<()> {
        self.look_back()?;
        loop {
            let before = self.translator.last();
            let mut batch = Batch::default();
            let translator = &mut self.translator;
            self.log
                .poll_some(BATCH, |shown| translator.record(&shown, &mut batch))?;
            if self.translator.last() == before {
                if !follow {
                    return Ok(());
                }
                tokio::time::sleep(PAUSE).await;
                // Whoever begins another log in its place begins with number 1.
                let head = last_anchor(self.folder)?.map_or(0, |head| head.seq);
                if before.is_some_and(|before| head + 1 < before.seq) {
                    self.look_back()?;
                }
                continue;
            }
            self.send(&batch).await?;
            self.position.write(&self.translator.position())?;
            self.through = self.translator.last();
        }
    }

    /// The last record that was exported must still be there.
    fn look_back(&mut self) -> Result<(), AuditError> {
        let Some(Anchor { seq, hash }) = self.translator.last() else {
            return Ok(());
        };
        let one = AtMost {
            records: 1,
            ..BATCH
        };
        let mut found = None;
        Follow::behind(self.folder, seq.saturating_sub(1))
            .poll_some(one, |shown| found = Some(shown.anchor))?;
        let what = match found {
            // Removed with its file: what is gone is told with the next record.
            Some(found) if found.seq > seq => return Ok(()),
            Some(found) if found.hash == hash => return Ok(()),
            Some(_) => format!(
                "record {seq} is not the one that was exported: it was changed, or this is another log"
            ),
            None => {
                self.translator.begin_again();
                self.log = Follow::behind(self.folder, 0);
                format!(
                    "the log ends before record {seq}, which was exported already: its end was cut off, or it is another log; it is exported from its beginning"
                )
            }
        };
        output::warning(&format!("{what}; `pinfold log verify` says more"));
        self.translator.found(what);
        Ok(())
    }

    async fn send(&mut self, batch: &Batch) -> Result<(), SendError> {
        let Self {
            settings,
            sender,
            totals,
            ..
        } = self;
        if let (Some(target), false) = (&settings.traces, batch.spans.is_empty()) {
            let request = traces_request(&settings.resource, &batch.spans);
            send(sender, target, &request, batch.spans.len(), totals).await?;
            totals.spans += batch.spans.len();
        }
        if let (Some(target), false) = (&settings.logs, batch.logs.is_empty()) {
            let request = logs_request(&settings.resource, &batch.logs);
            send(sender, target, &request, batch.logs.len(), totals).await?;
            totals.logs += batch.logs.len();
        }
        Ok(())
    }

    fn sum_up(&self) {
        let Totals {
            spans,
            logs,
            rejected,
        } = self.totals;
        let last = match self.through {
            Some(last) => format!("; the last record is {last}"),
            None => String::new(),
        };
        output::note(&format!(
            "{spans} spans and {logs} log records were exported{last}"
        ));
        if rejected > 0 {
            output::warning(&format!("the collector did not take {rejected} of them"));
        }
    }
}

async fn send(
    sender: &mut Sender,
    target: &Target,
    request: &serde_json::Value,
    items: usize,
    totals: &mut Totals,
) -> Result<(), SendError> {
    let shown = target.shown();
    let say = |word| match word {
        Word::Waiting { why } => output::warning(&format!(
            "{why}; the export waits, and nothing is lost meanwhile"
        )),
        Word::Again => output::note(&format!("{shown} takes records again")),
        Word::Rejected {
            number,
            status,
            message,
        } => {
            let number = number.unwrap_or(items as u64);
            totals.rejected += number;
            output::warning(&format!(
                "{shown} did not take {number} of {items} (status {status}: {message}); they are not sent again, and stay in the log"
            ));
        }
    };
    sender.send(target, request, say).await
}

/// As other programs find them.
fn proxies(variable: &dyn Fn(&str) -> Option<String>) -> ProxySettings {
    let either = |lower: &str| {
        let upper = lower.to_ascii_uppercase();
        let names = [lower, upper.as_str()];
        let mut values = names.into_iter().filter_map(variable);
        values.find(|value| !value.is_empty())
    };
    ProxySettings {
        http: either("http_proxy"),
        https: either("https_proxy"),
        no_proxy: either("no_proxy"),
    }
}
