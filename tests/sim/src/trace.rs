//! What happened, in order, as a digest: two runs of a seed have the same one, or something in them does
//! not follow from the seed.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use xxhash_rust::xxh3::Xxh3;

/// Bytes of a message that are digested.
const MESSAGE_BYTES: usize = 256;

/// What happened so far. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Trace {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    digest: Xxh3,
    events: u64,
    is_shown: bool,
    are_messages_shown: bool,
}

impl Trace {
    /// Prints what is noted, besides the messages on the network.
    pub(crate) fn show(&self) {
        self.state().is_shown = true;
    }

    /// Prints the messages on the network as well.
    pub(crate) fn show_messages(&self) {
        self.state().are_messages_shown = true;
    }

    /// Something happened.
    pub(crate) fn note(&self, at: Duration, what: &str) {
        let mut state = self.state();
        state.digest.update(&at.as_nanos().to_le_bytes());
        state.digest.update(what.as_bytes());
        state.events += 1;
        if state.is_shown {
            println!("{:>10.3} {what}", at.as_secs_f64());
        }
    }

    /// The digest, and of how many events.
    pub(crate) fn digest(&self) -> (u64, u64) {
        let state = self.state();
        (state.digest.digest(), state.events)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Digests every message that turmoil sends, delivers, holds or drops.
pub(crate) struct Messages(pub(crate) Trace);

impl<S: Subscriber> Layer<S> for Messages {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if event.metadata().target() != "turmoil" {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let mut state = self.0.state();
        state.digest.update(text.0.as_bytes());
        state.events += 1;
        if state.are_messages_shown {
            println!("{}", text.0);
        }
    }
}

/// The fields of an event, the long ones cut off.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push_str(field.name());
        let end = self.0.len() + MESSAGE_BYTES;
        let mut cut = Cut {
            text: &mut self.0,
            end,
        };
        // That it is cut off is no error.
        let _ = write!(cut, "{value:?}");
    }
}

struct Cut<'a> {
    text: &'a mut String,
    end: usize,
}

impl Write for Cut<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if self.text.len() > self.end {
            return Err(fmt::Error);
        }
        self.text.push_str(piece);
        Ok(())
    }
}
