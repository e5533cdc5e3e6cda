//! Which texts are allowed.

use std::str::FromStr;

use super::*;

fn allowed<T: FromStr>(texts: &[&str]) -> Vec<bool> {
    texts.iter().map(|text| text.parse::<T>().is_ok()).collect()
}

#[test]
fn numbers_keep_to_their_bounds_and_are_plain_digits() {
    assert_eq!(
        allowed::<Port>(&["1", "65535", "0", "65536", "+1", "-1", "1.0", "", " 1", "99999999999"]),
        [true, true, false, false, false, false, false, false, false, false]
    );
}

#[test]
fn sets_take_any_order_and_are_never_empty() {
    let checks: Checks = "liveness, init".parse().unwrap_or_else(|_| unreachable!());
    assert_eq!(checks, Checks { init: true, readiness: false, liveness: true });
    assert_eq!(checks.to_string(), "init,liveness");
    assert_eq!(allowed::<Checks>(&["", "init,", "Init", "init;liveness"]), [false; 4]);
}

#[test]
fn paths_and_images_cannot_carry_a_shell_or_a_header() {
    assert_eq!(allowed::<HttpPath>(&["/", "/healthz?x=1", "/a%20b"]), [true; 3]);
    assert_eq!(
        allowed::<HttpPath>(&["", "healthz", "/a b", "/a\r\nHost: b", "/ü", "/`id`", "/$(X)"]),
        [false; 7]
    );
    assert_eq!(allowed::<Image>(&["nmi-guard:1", "r.example:5000/a/b@sha256:00ff"]), [true; 2]);
    assert_eq!(allowed::<Image>(&["", "a b", "-a", "a:", "a\"b", "$(x)"]), [false; 6]);
}

#[test]
fn quantities_are_positive_and_have_a_known_suffix() {
    assert_eq!(allowed::<Quantity>(&["1", "100m", "0.5", "32Mi", "1.5Gi"]), [true; 5]);
    assert_eq!(
        allowed::<Quantity>(&["", "m", "0", "0m", "-1", "1e3", "1 Mi", "1MB", ".5", "1.", "1.2.3"]),
        [false; 11]
    );
}

#[test]
fn container_names_are_dns_labels() {
    assert_eq!(
        container_names("a, b-1"),
        Ok(vec![
            "a".parse().unwrap_or_else(|_| unreachable!()),
            "b-1".parse().unwrap_or_else(|_| unreachable!())
        ])
    );
    assert_eq!(container_names(""), Ok(vec![]));
    assert_eq!(container_names("a,"), Err(NotAllowed));
    assert_eq!(container_names("A"), Err(NotAllowed));
    assert_eq!(container_names(&"a".repeat(64)), Err(NotAllowed));
}

#[test]
fn resources_and_identities_hold_nothing_that_has_to_be_escaped() {
    assert_eq!(
        allowed::<Resource>(&[
            "https://vault.azure.net",
            "https://management.azure.com/",
            "api://a-b_c.d~e:1"
        ]),
        [true; 3]
    );
    assert_eq!(
        allowed::<Resource>(&[
            "",
            "vault",
            "https://",
            "://a",
            "https://a b",
            "https://a?b",
            "https://a&b",
            "https://$(id)"
        ]),
        [false; 8]
    );
    let resource_id =
        "/subscriptions/1/resourceGroups/g_(1)/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
    assert_eq!(
        allowed::<Identity>(&["01234567-89ab-CDEF-0123-456789abcdef", resource_id, "/Subscriptions/1"]),
        [true; 3]
    );
    assert_eq!(
        allowed::<Identity>(&[
            "",
            "me",
            "0123456789abCDEF0123456789abcdef",
            "01234567-89ab-cdef-0123-456789abcdeg",
            "/subscriptions/",
            "/subscriptions/a b",
            "/subscriptions/`id`",
            "/subscriptions/$(id)",
            "/subscriptions/a\nb",
        ]),
        [false; 9]
    );
}

#[test]
fn a_version_is_one_that_a_cluster_can_have() {
    assert_eq!(allowed::<ClusterVersion>(&["1.16", "1.29", "1.30+", "2.0", "unknown"]), [true; 5]);
    assert_eq!(
        allowed::<ClusterVersion>(&["1.3", "1", "v1.29", "1.29.1", "1.", ".29", "1.+", "+1.29", ""]),
        [false; 9]
    );
    assert!(KubernetesVersion::new("1", "100") > KubernetesVersion::new("1", "29+"));
}

#[test]
fn auto_is_a_word_beside_the_values() {
    let port = |text: &str| text.parse::<Auto<Port>>();
    assert_eq!(port("auto"), Ok(Auto::Auto));
    assert_eq!(port("80"), Ok(Auto::Set(Port::of::<80>())));
    assert_eq!(port(""), Err(NotAllowed));
    assert_eq!(
        allowed::<Auto<InitTimeout>>(&["auto", "none", "1", "86400", "0", "86401", "5s"]),
        [true, true, true, true, false, false, false]
    );
}
