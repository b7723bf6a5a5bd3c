//! The event-sourcing pipeline and its ports, without any driver.
