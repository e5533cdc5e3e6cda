//! Whose a token is to be, and whose it is.

/// The longest resource id taken, well above what Azure's limits on names allow.
const LONGEST: usize = 1024;

/// An identity in Azure, by one of the ids that tokens carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A client id or an object id: a GUID, which does not tell which of them it is.
    Guid(String),
    /// A resource id: `/subscriptions/...`.
    Resource(String),
}

impl Identity {
    /// The identity of `text`, by its form.
    pub fn parse(text: &str) -> Option<Self> {
        if is_guid(text) {
            return Some(Self::Guid(text.to_owned()));
        }
        const START: &str = "/subscriptions/";
        let starts = text.get(..START.len()).is_some_and(|start| start.eq_ignore_ascii_case(START));
        let fit = starts && text.len() > START.len() && text.len() <= LONGEST;
        (fit && !text.contains(char::is_control)).then(|| Self::Resource(text.to_owned()))
    }

    /// The id as it was given.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Guid(id) | Self::Resource(id) => id,
        }
    }

    /// Whether a token with these claims is this identity's. Azure's ids are compared without regard to
    /// case.
    pub fn owns(&self, claims: &Claims) -> bool {
        let is = |claim: &Option<String>| {
            claim.as_deref().is_some_and(|claim| claim.eq_ignore_ascii_case(self.as_str()))
        };
        match self {
            Self::Guid(_) => is(&claims.appid) || is(&claims.oid),
            Self::Resource(_) => is(&claims.xms_mirid),
        }
    }
}

/// 8-4-4-4-12 hexadecimal digits.
fn is_guid(text: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split('-').all(digits) && text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
}

/// What a token says about whose it is; a claim that is missing or no string is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// The client id.
    pub appid: Option<String>,
    /// The object id of the service principal.
    pub oid: Option<String>,
    /// The resource id of the managed identity.
    pub xms_mirid: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "0a1b2c3d-0000-1111-2222-0123456789ab";
    const RESOURCE: &str =
        "/subscriptions/1/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a";

    fn owns(identity: &str, claims: &Claims) -> bool {
        Identity::parse(identity).is_some_and(|identity| identity.owns(claims))
    }

    #[test]
    fn the_form_tells_the_kind() {
        assert_eq!(Identity::parse(GUID), Some(Identity::Guid(GUID.to_owned())));
        assert_eq!(Identity::parse(RESOURCE), Some(Identity::Resource(RESOURCE.to_owned())));
        for text in
            ["", "a", &GUID[1..], "/subscriptions/", "/subscriptions/\n", "/resource/1", "subscriptions/1"]
        {
            assert_eq!(Identity::parse(text), None, "{text:?}");
        }
        for text in [GUID.replace('a', "g"), GUID.replace('-', ""), format!("{GUID}-"), format!("{{{GUID}}}")]
        {
            assert_eq!(Identity::parse(&text), None, "{text:?}");
        }
        assert_eq!(Identity::parse(&format!("/subscriptions/{}", "x".repeat(LONGEST))), None);
    }

    #[test]
    fn ids_are_compared_by_kind_without_regard_to_case() {
        let by_appid = Claims { appid: Some(GUID.to_uppercase()), ..Claims::default() };
        let by_oid = Claims { oid: Some(GUID.to_owned()), ..Claims::default() };
        let by_resource = Claims { xms_mirid: Some(RESOURCE.to_uppercase()), ..Claims::default() };
        assert!(owns(GUID, &by_appid) && owns(GUID, &by_oid) && owns(RESOURCE, &by_resource));
        assert!(!owns(GUID, &by_resource) && !owns(RESOURCE, &by_appid) && !owns(GUID, &Claims::default()));
        let elsewhere = Claims { xms_mirid: Some(GUID.to_owned()), ..Claims::default() };
        assert!(!owns(GUID, &elsewhere));
    }
}
