//! Reviews of Pods as the API server asks for them, with json-patch as the oracle that applies the patch.

use base64::Engine as _;
use nmi_guard::admission::review;
use nmi_guard::mutate::Injector;
use nmi_guard::policy::Policy;
use nmi_guard_testkit::review::Review;
use serde_json::Value;

/// What a review came to.
#[derive(Debug)]
pub struct Reviewed {
    /// `inject`, `skip` or `deny`.
    pub decision: &'static str,
    /// Why.
    pub reason: &'static str,
    /// The message of a denial.
    pub denial: Option<String>,
    /// The warnings in the answer.
    pub warnings: Vec<String>,
    /// The patch; empty where there is none.
    pub patch: Vec<Value>,
    /// The Pod afterwards.
    pub pod: Value,
}

/// The `AdmissionReview` for the creation of `pod` in the namespace `team`.
pub fn request(pod: &Value) -> Value {
    Review::of(pod.clone()).with("namespace", "team").0
}

/// Reviews the creation of `pod` and applies the patch.
pub fn of_pod(pod: &Value, policy: &Policy) -> Reviewed {
    by(&Injector::new(policy.clone()), pod)
}

/// The same, by an injector that may have made guards before.
pub fn by(injector: &Injector, pod: &Value) -> Reviewed {
    let reviewed = review(request(pod).to_string().as_bytes(), injector).unwrap();
    let answer: Value = serde_json::from_slice(&reviewed.response).unwrap();
    let response = &answer["response"];
    assert_eq!(response["uid"], "test-uid");
    assert_eq!(response["allowed"], reviewed.record.decision != "deny");
    assert_eq!(response["patch"].is_string(), reviewed.record.decision == "inject");

    let patch: Vec<Value> = response["patch"].as_str().map_or_else(Vec::new, |text| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    });
    let mut after = pod.clone();
    let operations: json_patch::Patch = serde_json::from_value(Value::Array(patch.clone())).unwrap();
    json_patch::patch(&mut after, &operations).expect("the patch applies");
    let texts = response["warnings"].as_array().cloned().unwrap_or_default();
    Reviewed {
        decision: reviewed.record.decision,
        reason: reviewed.record.reason,
        denial: response["status"]["message"].as_str().map(str::to_owned),
        warnings: texts.iter().map(|text| text.as_str().unwrap().to_owned()).collect(),
        patch,
        pod: after,
    }
}
