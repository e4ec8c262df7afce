//! The life of the process: see `roadie --help`.

use std::process::ExitCode;

use roadie::cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything opens a TLS connection: one crypto provider for all of them.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return ExitCode::from(70);
    }
    cli::main()
}
