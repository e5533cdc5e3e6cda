//! The method `curl`.

use super::{METADATA, Script, Shell};
use crate::policy::{NmiTarget, TokenRequest};

pub(in crate::mutate::ask) const CURL: Shell = Shell { image: |settings| &settings.curl_image, nmi, token };

fn nmi(target: &NmiTarget, milliseconds: u32) -> Script {
    let verify = target.verify;
    // An NMI before v1.8.13 is known by its answer to a second request.
    let requests = u32::from(verify.healthz) + 2 * u32::from(verify.interception);
    let parameters = vec![
        seconds(milliseconds / requests.max(1)),
        target.port.to_string(),
        target.path.to_string(),
        METADATA.to_owned(),
        verify.to_string(),
    ];
    Script { body: include_str!("scripts/curl-nmi.sh"), parameters }
}

fn token(request: &TokenRequest, milliseconds: u32) -> Script {
    let parameters = vec![seconds(milliseconds), METADATA.to_owned(), request.resource.to_string()];
    Script { body: include_str!("scripts/curl-token.sh"), parameters }
}

fn seconds(milliseconds: u32) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}
