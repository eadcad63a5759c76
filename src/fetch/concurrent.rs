//! A few futures at a time, in one task. Not a scheduler: the runtime has one thread and the
//! work is waiting for the network.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// How many downloads run at once; npm's own default is 15 sockets per host.
pub const DOWNLOADS_AT_ONCE: usize = 16;

/// Runs `start` for every item, at most `limit` at once, and hands each result to `finished`
/// in order of completion. The first error drops what is under way and is returned.
///
/// The futures may borrow from the caller, which spawned tasks could not. Every wake-up polls
/// all of them; with a limit of 16 that costs less than a task each.
pub async fn for_each_concurrent<Item, Running, Output, Error>(
    items: impl IntoIterator<Item = Item>,
    limit: usize,
    mut start: impl FnMut(Item) -> Running,
    mut finished: impl FnMut(Output) -> Result<(), Error>,
) -> Result<(), Error>
where
    Running: Future<Output = Result<Output, Error>>,
{
    let mut waiting = items.into_iter();
    let mut running: Vec<Pin<Box<Running>>> = Vec::new();
    loop {
        while running.len() < limit.max(1) {
            let Some(item) = waiting.next() else { break };
            running.push(Box::pin(start(item)));
        }
        if running.is_empty() {
            return Ok(());
        }
        let output = poll_fn(|context| {
            for index in 0..running.len() {
                if let Poll::Ready(result) = running[index].as_mut().poll(context) {
                    drop(running.swap_remove(index));
                    return Poll::Ready(result);
                }
            }
            Poll::Pending
        })
        .await?;
        finished(output)?;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn run<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn everything_runs_and_never_more_than_the_limit_at_once() {
        let (active, most) = (Cell::new(0), Cell::new(0));
        let mut seen = Vec::new();
        let result: Result<(), ()> = run(for_each_concurrent(
            0..20,
            3,
            |item| {
                let (active, most) = (&active, &most);
                async move {
                    active.set(active.get() + 1);
                    most.set(most.get().max(active.get()));
                    for _ in 0..item % 4 {
                        tokio::task::yield_now().await;
                    }
                    active.set(active.get() - 1);
                    Ok(item)
                }
            },
            |item| {
                seen.push(item);
                Ok(())
            },
        ));
        assert_eq!(result, Ok(()));
        seen.sort_unstable();
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
        assert_eq!(most.get(), 3);
    }

    #[test]
    fn the_first_error_ends_it() {
        let started = Cell::new(0);
        let result = run(for_each_concurrent(
            0..100,
            2,
            |item| {
                started.set(started.get() + 1);
                async move { if item == 5 { Err(item) } else { Ok(()) } }
            },
            |()| Ok(()),
        ));
        assert_eq!(result, Err(5));
        assert!(started.get() < 10);
    }
}
