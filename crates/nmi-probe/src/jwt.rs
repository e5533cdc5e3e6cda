//! The claims of a JSON Web Token (RFC 7519). The signature is not checked: the token is the service's to
//! judge for which it is meant, and here only tells whose it says it is.

use crate::identity::Claims;
use crate::{base64, json};

/// The claims of `token`, or `None` if it is no JWT.
pub fn claims(token: &str) -> Option<Claims> {
    let mut parts = token.split('.');
    let (Some(_header), Some(payload), Some(_signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let payload = base64::decode_url(payload.as_bytes())?;
    let [appid, oid, xms_mirid] = json::strings(&payload, ["appid", "oid", "xms_mirid"])?;
    Some(Claims { appid, oid, xms_mirid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_read() {
        // {"appid":"a","oid":"b","xms_mirid":"c","exp":1}
        let token = "e30.eyJhcHBpZCI6ImEiLCJvaWQiOiJiIiwieG1zX21pcmlkIjoiYyIsImV4cCI6MX0.c2ln";
        let [appid, oid, xms_mirid] = ["a", "b", "c"].map(|claim| Some(claim.to_owned()));
        assert_eq!(claims(token), Some(Claims { appid, oid, xms_mirid }));
    }

    #[test]
    fn claims_that_are_missing_are_none() {
        assert_eq!(claims("e30.e30.e30"), Some(Claims::default()));
    }

    #[test]
    fn what_is_no_jwt_is_refused() {
        for token in ["", "opaque", "e30.e30", "e30.e30.e30.e30", "e30.e30=.e30", "e30..e30", "e30.W10.e30"] {
            assert_eq!(claims(token), None, "{token:?}");
        }
    }
}
