//! The binary `sightline`: everything it does is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    sightline_service::main()
}
