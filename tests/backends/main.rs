//! One suite per interface, called once per backend.

mod store_conformance;
mod store_sled;
