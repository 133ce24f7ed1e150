//! The front door: what the program says when it is called, rightly or wrongly; the Makefile; and
//! the pages that tell people what they will see, each of which is tried.

#[path = "../support/mod.rs"]
mod support;

mod console;
mod guide;
mod help;
mod makefile;
mod output;
mod sandbox;
mod tools;
