//! What of a server's lines the client does not get to read: secrets, and, by setting, what could
//! command a terminal.

use super::codes;
use super::event::{Direction, Event};
use super::neutralise::neutralise;
use super::recover::answered_id;
use super::reply::error_line;
use super::session::Session;
use super::strict::CanonicalLine;

impl Session {
    /// A canonical line for the client, cleaned.
    pub(super) fn cleaned(&self, line: Vec<u8>, events: &mut Vec<Event>) -> Option<Vec<u8>> {
        let mut clean = self.policy.redaction.of_message(&line);
        if self.policy.neutralise
            && let Some(neutral) = neutralise(clean.as_deref().unwrap_or(&line))
        {
            clean = Some(neutral);
        }
        let Some(clean) = clean else {
            return Some(line);
        };
        // Keys may have become equal, and the line may have become too long.
        match CanonicalLine::read(&clean, self.policy.max_line) {
            Ok(clean) => Some(clean.into_bytes()),
            Err(reason) => {
                let message = format!("The server's answer was refused once cleaned: {reason}");
                let direction = Direction::FromServer;
                events.push(Event::RefusedLine { direction, reason });
                let id = answered_id(&line)?;
                Some(error_line(Some(&id), codes::ANSWER_REFUSED, &message))
            }
        }
    }
}
