//! The nouns of a mailing list, and the shape of a stage.
//!
//! Everything here is pure: no files, no sockets, no clock, no async. What a stage may see is [`StoreView`], what it
//! may ask for is [`Disposition`], and between the two stands [`Stage::decide`].

mod address;
mod ban;
mod bounce;
mod budget;
mod change;
mod destination;
mod directory;
mod disposition;
mod held;
mod keys;
mod list;
mod member;
mod no_store;
mod party;
mod request;
mod resolve;
pub mod settings;
mod stage;
mod text_serde;
mod view;

pub use address::{Address, AddressError};
pub use ban::{Ban, BanPattern, BanPatternError, BanScope};
pub use bounce::{BounceEvent, BounceRecord, BounceState, BounceTally, Cause};
pub use budget::{Allowance, Spent, Trust};
pub use change::{AuditRecord, Commit, CommitError, Committed, MessageFile, Refusal, StoreChange};
pub use destination::{CLOCK, Destination, HELD, POSTMASTER, after_hold, destination};
pub use directory::{Directory, DirectoryError, Intake};
pub use disposition::{DeliveryPlan, Disposition, Transaction};
pub use held::{Away, Decision, HeldId, HeldPost, Verdict};
pub use keys::SigningKeys;
pub use list::{List, ListAddress, ListNameError};
pub use listmill_queue_format::Timestamp;
pub use member::{By, Delivery, Member, Moderation, Preferences, Role, Roles};
pub use no_store::NoStore;
pub use party::Party;
pub use request::{Request, RequestKind};
pub use resolve::{Resolved, Word, leads_back, resolve};
pub use settings::{Action, Settings};
pub use stage::{Context, Settle, Stage};
pub use view::{StoreView, Unavailable};
