//! The kubering binary: flags in, server up, exit code out.
#![forbid(unsafe_code)]

use kubering::config;
use kubering::config::Config;
use kubering::config::Values;
use kubering::server::boot;
use kubering::server::logging;
use kubering::server::pki;
use kubering::server::tune;
use std::io::Write;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code for a command line that cannot be used.
const USAGE_ERROR: u8 = 2;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    let checks_pki = arguments.peek().is_some_and(|first| first == "pki");
    if checks_pki && arguments.nth(1).is_none_or(|second| second != "check") {
        writeln!(std::io::stderr(), "kubering: usage: kubering pki check [flags]").ok();
        return ExitCode::from(USAGE_ERROR);
    }
    let checks_machine = arguments.peek().is_some_and(|first| first == "tune");
    if checks_machine && arguments.nth(1).is_none_or(|second| second != "--check") {
        writeln!(std::io::stderr(), "kubering: usage: kubering tune --check [--shards N]").ok();
        return ExitCode::from(USAGE_ERROR);
    }
    let values = match Values::parse(arguments) {
        Ok(values) => values,
        Err(error) => return fail(&error, USAGE_ERROR),
    };
    if values.bool("help") {
        print(&config::help());
        return ExitCode::SUCCESS;
    }
    if values.bool("version") {
        print(concat!("Kubernetes v1.36.2 (kubering ", env!("CARGO_PKG_VERSION"), ")\n"));
        return ExitCode::SUCCESS;
    }
    let config = match Config::resolve(&values) {
        Ok(config) => config,
        Err(error) => return fail(&error, USAGE_ERROR),
    };
    if checks_pki {
        let (text, good) = pki::check(&config);
        print(&text);
        return if good { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if checks_machine {
        let (text, worst) = tune::check(config.shards);
        print(&text);
        return ExitCode::from(worst.exit_code());
    }
    logging::start(config.verbosity, config.logs_json);
    let not_built: Vec<String> = values.not_built().map(|f| format!("--{}", f.name)).collect();
    if !not_built.is_empty() {
        log::warn!("flags that have no effect yet: {}", not_built.join(", "));
    }
    match boot::run(config, print) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, error.exit_code()),
    }
}

fn fail(error: &dyn std::error::Error, code: u8) -> ExitCode {
    // Nobody can be told when even this fails.
    writeln!(std::io::stderr(), "kubering: {error}").ok();
    ExitCode::from(code)
}

fn print(text: &str) {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}
