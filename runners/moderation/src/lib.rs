//! The moderation stage.
