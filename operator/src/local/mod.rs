//! `angzarr local`: runs the resources of a folder as processes on this machine, without a cluster.
//!
//! ```text
//! images.rs   local.yaml: what a machine runs where a cluster pulls an image
//! ports.rs    which port each process gets, kept with the data
//! shim.rs     the step between us and a child: it dies when we die
//! process.rs  one child: started, logged, restarted, stopped
//! console.rs  lines of many children on one terminal
//! ```

pub mod console;
pub mod images;
pub mod ports;
pub mod process;
pub mod shim;
