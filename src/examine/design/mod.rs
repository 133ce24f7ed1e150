//! Which design a server is: what silent clients make of its tasks, and where these wait.
//!
//! A `Scene` is its tasks at one moment, a crowd the clients that are held meanwhile, [`identify`] what follows from
//! both, and [`Design`] what is known then.

mod crowd;
mod fill;
mod found;
mod kind;
mod made;
mod manners;
mod mechanism;
mod pool;
mod scene;

pub use found::identify;
pub use kind::{Design, Kind, Sight, Turn};
pub use manners::{Manners, manners};
