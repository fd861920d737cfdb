//! The embedded store: a directory that one process owns.

mod apply;
mod commit;
mod disk;
mod engine;
mod files;
mod group;
mod maps;
mod member_form;
mod meta;
mod prune;
mod store;
#[cfg(test)]
mod tests;
mod view;

pub use store::SledStore;
