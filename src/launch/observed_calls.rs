//! Calls of tools, told to whoever watches the server besides being recorded.

use crate::audit::Recorder;
use crate::observe::Observer;
use crate::relay::{CallLog, CallOutcome, CallRecord};

/// The audit log, and the observer beside it.
#[derive(Debug)]
pub(super) struct ObservedCalls {
    recorder: Recorder,
    observer: Observer,
}

impl ObservedCalls {
    pub(super) fn new(recorder: Recorder, observer: Observer) -> Self {
        Self { recorder, observer }
    }
}

impl CallLog for ObservedCalls {
    fn begin(&mut self, call: &CallRecord<'_>) -> u64 {
        let number = self.recorder.begin(call);
        self.observer.call_begins(number, call.tool);
        number
    }

    fn confirm(&mut self, call: u64) -> Result<(), String> {
        let confirmed = self.recorder.confirm(call);
        if confirmed.is_err() {
            self.observer.call_ends(call);
        }
        confirmed
    }

    fn refused(&mut self, call: &CallRecord<'_>) {
        self.observer.call_refused(call.tool);
        self.recorder.refused(call);
    }

    fn end(&mut self, call: u64, outcome: CallOutcome, bytes: usize) {
        self.observer.call_ends(call);
        CallLog::end(&mut self.recorder, call, outcome, bytes);
    }

    fn settle(&mut self) {
        self.recorder.settle();
    }

    fn wants_arguments(&self) -> bool {
        self.recorder.wants_arguments()
    }
}
