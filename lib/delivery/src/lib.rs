//! SMTP out: connections, outcomes, and the ledger of recipients done.
