//! The buses of Angzarr: adapters of the coordinator's bus port.
