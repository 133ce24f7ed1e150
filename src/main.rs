//! The program.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    socklab::cli::main()
}
