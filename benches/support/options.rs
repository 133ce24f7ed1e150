//! What every benchmark can be told.

use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};

use crate::support::Language;

/// The options that all of them have.
#[derive(Args)]
pub(crate) struct Common {
    /// Only these designs
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) designs: Vec<String>,
    /// Which programs
    #[arg(long, value_enum)]
    pub(crate) language: Option<Choice>,
    /// In the small: few designs, few rounds; the figures mean nothing then
    #[arg(long)]
    pub(crate) quick: bool,
    /// Write the figures to a file too
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// What `cargo bench` says and `cargo test` does not
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Choice {
    Rust,
    C,
    Both,
}

impl Choice {
    pub(crate) fn languages(self) -> &'static [Language] {
        match self {
            Self::Rust => &[Language::Rust],
            Self::C => &[Language::C],
            Self::Both => &[Language::Rust, Language::C],
        }
    }
}

/// The command line under `cargo bench`; what a test runs under `cargo test`, whose arguments are
/// the tests' own.
pub(crate) fn parse<T: Parser>(name: &str) -> T {
    if std::env::args().any(|argument| argument == "--bench") {
        let arguments = std::env::args_os().skip(1);
        T::parse_from(std::iter::once(name.into()).chain(arguments))
    } else {
        T::parse_from([name, "--quick"])
    }
}
