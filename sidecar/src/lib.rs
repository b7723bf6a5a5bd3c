//! The sidecar that runs the event-sourcing pipeline beside the user's logic.
