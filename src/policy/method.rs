//! What a method can't ask, and what has to be there for it.

use super::annotations::PREFIX;
use super::questions::Question;
use super::refusal::Refusal;
use super::values::{Method, Verify};

impl Method {
    /// Why this method can't ask `question`, if so.
    pub(super) fn refusal(self, question: &Question) -> Option<Refusal> {
        match (self, question) {
            (Self::Wget, Question::Nmi(target)) if !target.verify.healthz => Some(Refusal {
                message: format!(
                    "{PREFIX}verify: method wget can't ask for interception alone; add healthz, or use curl or native"
                ),
                mend: |settings| settings.verify = Verify { healthz: true, interception: true },
            }),
            (Self::Wget | Self::Curl, Question::Token(request)) if request.expect.is_some() => {
                Some(Refusal {
                    message: format!(
                        "{PREFIX}expect-identity: method {self} can't tell whose token it is; native can"
                    ),
                    mend: |settings| settings.expect_identity = None,
                })
            }
            _ => None,
        }
    }

    /// Whether this method leaves out a part of `question` without which it is still worth asking.
    pub(super) fn leaves_out_interception(self, question: &Question) -> bool {
        match question {
            Question::Nmi(target) => self == Self::Wget && target.verify.interception,
            Question::Token(_) => false,
        }
    }

    /// The programs that a probe of this method needs in the app's image.
    pub(super) fn programs(self) -> Option<&'static str> {
        match self {
            Self::Native => None,
            Self::Wget => Some("sh, timeout and wget"),
            Self::Curl => Some("sh and curl"),
        }
    }
}
