//! What people type, and what they expect to come back.
