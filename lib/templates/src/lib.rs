//! The words that people receive.
