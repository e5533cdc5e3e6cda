//! `nmi-guard certs`: a development set of certificates.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use nmi_guard::cluster::directory::write_set;
use nmi_guard::pki::{Lifetimes, ServingNames, development_set};

use super::Outcome;

#[derive(Args)]
pub(super) struct CertsArgs {
    /// Folder to write ca.crt, ca.key, tls.crt and tls.key to; it is made if it isn't there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Further DNS name or IP address of the webhook (repeatable)
    #[arg(long, value_name = "NAME")]
    dns_name: Vec<String>,
    /// Namespace of the Service
    #[arg(long, value_name = "NAME", default_value = "nmi-guard")]
    namespace: String,
    /// Service in front of the webhook
    #[arg(long, value_name = "NAME", default_value = "nmi-guard")]
    service: String,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &CertsArgs) -> Outcome {
    let names = ServingNames::for_service(&args.service, &args.namespace, &args.dns_name)?;
    let set = development_set(&names, &Lifetimes::default(), SystemTime::now())?;
    write_set(&args.out, &set, args.force)?;
    println!("wrote ca.crt, ca.key, tls.crt and tls.key to {}", args.out.display());
    Ok(ExitCode::SUCCESS)
}
