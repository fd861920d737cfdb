//! The embedded store: a directory that one process owns.

mod apply;
mod bounces;
mod budget;
mod commit;
mod disk;
mod engine;
mod files;
mod group;
mod keys;
mod known;
mod maps;
mod member_form;
mod meta;
mod posts;
mod prune;
mod requests;
mod store;
#[cfg(test)]
mod tests;
mod tidy;
mod transfer;
mod upgrade;
mod view;

pub use store::SledStore;
