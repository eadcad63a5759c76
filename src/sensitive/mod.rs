//! What of a machine and of its user no server has any business with: data, and nothing is decided
//! here. `explain --why` warns of it, `observe` never proposes it.

mod hosts;
mod places;

pub use hosts::is_metadata;
pub use places::{Base, Harm, PLACES, Place};
