//! The method `wget`, with the options that busybox and GNU have in common; busybox may be built without `-T`, so
//! `timeout` sees to the time. It does not show the body of an error, so it looks at healthz alone.

use super::{METADATA, Script, Shell};
use crate::policy::{NmiTarget, TokenRequest};

pub(in crate::mutate::ask) const WGET: Shell = Shell { image: |settings| &settings.wget_image, nmi, token };

fn nmi(target: &NmiTarget, milliseconds: u32) -> Script {
    let parameters = vec![seconds(milliseconds), target.port.to_string(), target.path.to_string()];
    Script { body: include_str!("scripts/wget-nmi.sh"), parameters }
}

fn token(request: &TokenRequest, milliseconds: u32) -> Script {
    let parameters = vec![seconds(milliseconds), METADATA.to_owned(), request.resource.to_string()];
    Script { body: include_str!("scripts/wget-token.sh"), parameters }
}

/// Busybox's `timeout` has whole seconds; 0 would be for ever.
fn seconds(milliseconds: u32) -> String {
    (milliseconds / 1000).max(1).to_string()
}
