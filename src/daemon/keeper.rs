//! Keeps servers warm: starts what is missing, replaces what is outdated, and waits for the next
//! change. What is decided about that is in `warm.rs`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::changes::Changes;
use super::follow::STARTING_TIME;
use super::protocol::Stage;
use super::sessions::Sessions;
use super::warm::{MAX_AGE, Next};

/// One change seldom comes alone.
const SETTLING_TIME: Duration = Duration::from_millis(100);
/// When there is no room for one more.
const FULL: Duration = Duration::from_secs(10);

/// What is waited for; without it no server is kept warm.
pub(super) fn watch(sessions: &Sessions) -> Option<Changes> {
    let files = sessions.warming.files.iter();
    let names: BTreeSet<OsString> = files
        .filter_map(|file| file.file_name().map(OsString::from))
        .chain(sessions.warming.markers.iter().map(OsString::from))
        .collect();
    let changes = Changes::new(names);
    if let Err(error) = &changes {
        tracing::warn!("no server is kept warm, as changes can't be watched for: {error}");
    }
    changes.ok()
}

/// Does so until it is dropped. `reload` replaces them all.
pub(super) async fn keep_warm(sessions: Arc<Sessions>, mut changes: Changes, reload: Arc<Notify>) {
    let mut states = renew(&sessions, &mut changes, false).await;
    loop {
        let at = step(&sessions).await;
        // A server's folder is made with its first session.
        for state in &states {
            changes.watch(state);
        }
        let due = async {
            match at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = sessions.pool_changed.notified() => {}
            () = reload.notified() => states = renew(&sessions, &mut changes, true).await,
            () = changes.seen() => {
                sleep(SETTLING_TIME).await;
                states = renew(&sessions, &mut changes, false).await;
            }
        }
    }
}

/// Reads what is wanted now. What was made from something else is ended. The servers' state folders.
async fn renew(sessions: &Arc<Sessions>, changes: &mut Changes, is_anew: bool) -> Vec<PathBuf> {
    // Before it is read: a change from here on is seen.
    for file in &sessions.warming.files {
        if let Some(folder) = file.parent() {
            changes.watch(folder);
        }
    }
    let warming = Arc::clone(&sessions.warming);
    let wishes = tokio::task::spawn_blocking(move || (warming.wishes)()).await;
    // A panic in deciding is a no.
    let wishes = wishes.unwrap_or_default();
    let outdated = sessions.running().pool.renew(&wishes, is_anew);
    sessions.discard_unspoken("something that it was made from has changed", |one| {
        outdated.contains(&one.server)
    });
    wishes.into_values().map(|wish| wish.state).collect()
}

/// Starts what is missing now; the moment at which to look again.
async fn step(sessions: &Arc<Sessions>) -> Option<Instant> {
    loop {
        let now = Instant::now();
        sessions.discard_unspoken("it is too old", |one| one.began + MAX_AGE <= now);
        let unspoken = sessions.unspoken();
        // One after the other: clients go first.
        let under_way = unspoken
            .iter()
            .filter(|one| one.stage == Stage::Warming)
            .map(|one| one.began + STARTING_TIME)
            .find(|until| *until > now);
        let aged = unspoken.iter().map(|one| one.began + MAX_AGE).min();
        let present = sessions.present();
        let next = sessions.running().pool.next(&present, now);
        let at = match under_way {
            Some(until) => Some(until),
            None => match next {
                Next::Launch(server) => match launch(sessions, &server).await {
                    true => continue,
                    false => Some(now + FULL),
                },
                Next::At(moment) => Some(moment),
                Next::Nothing => None,
            },
        };
        return at.into_iter().chain(aged).min();
    }
}

/// Whether there was room for it.
async fn launch(sessions: &Arc<Sessions>, server: &str) -> bool {
    let Some(room) = sessions.admit() else {
        return false;
    };
    if let Err(error) = sessions.launch(server, None, room).await {
        let now = Instant::now();
        let reason = error.to_string();
        tracing::warn!("`{server}` can't be kept warm: {reason}");
        let mut running = sessions.running();
        running.pool.failed(server, &reason, Duration::ZERO, now);
    }
    true
}
