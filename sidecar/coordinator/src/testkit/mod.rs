//! What tests need of the pipeline: named fail points, the laws that adapters must keep, and a model of a store.

pub mod bus;
pub mod store;
