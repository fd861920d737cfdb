//! SMTP and LMTP in: one reply per recipient, and none before the entry is durable.
