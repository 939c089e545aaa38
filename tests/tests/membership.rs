//! Who is a member: the evaluation of a group's log (`docs/protocol.md` section 8), explored exhaustively in the small, and
//! the laws of everything that is joined.

#![expect(clippy::unwrap_used, reason = "all of this is tests, the helpers too")]

#[path = "membership/exhaustive.rs"]
mod exhaustive;
#[path = "membership/laws.rs"]
mod laws;
#[path = "membership/rules.rs"]
mod rules;
#[path = "membership/world.rs"]
mod world;
