//! Messages: reading them, editing their headers byte for byte, composing our own.
