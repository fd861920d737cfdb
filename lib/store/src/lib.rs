//! The store: lists, rosters, held posts, and who changed what.
