//! The operator and command line of Angzarr.
