//! Certificates against a real API server: the built-in issuer with two replicas, short lifetimes and
//! what people and API servers do to them; and files, whose trust is checked but never written.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::{Duration, SystemTime};

use k8s_openapi::ByteString;
use kube::ResourceExt;
use kube::api::DeleteParams;
use nmi_guard::cluster::directory::{Directory, DirectoryConfig, InstalledCheck, write_set};
use nmi_guard::cluster::{CERTIFICATE, WEBHOOK_CONFIGURATION};
use nmi_guard::observe::{ConditionState, Conditions};
use nmi_guard::pki::{CertificateStore, Lifetimes, Material, ServingNames, development_set};
use nmi_guard_testkit::apiserver::ApiServer;
use tokio::sync::watch;

use support::{Installed, NAMESPACE, Replica, says, state, two, until, until_well};

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_one_certificate_and_write_nothing_without_need() {
    let server = ApiServer::start().await.unwrap();
    let installed = Installed::create(server.client()).await;
    let replicas = two(&server.client(), Lifetimes::default());
    until_well(&replicas).await;
    let secret = installed.secrets.get("nmi-guard-certs").await.unwrap();
    assert_eq!(secret.labels().get("kept").map(String::as_str), Some("yes"));
    let served = || replicas.iter().map(|replica| replica.store.current().unwrap()).collect::<Vec<_>>();
    until("both serve the Secret's", async || served()[0] == served()[1]).await;
    installed.assert_trusted(&replicas).await;

    let versions = installed.versions().await;
    let more = two(&server.client(), Lifetimes::default());
    until_well(&more).await;
    assert_eq!(installed.versions().await, versions, "new replicas find everything in order");
    assert_eq!(more[0].store.current().unwrap(), served()[0]);

    installed.wipe_bundles().await;
    until("the caBundle is mended", async || {
        installed.bundles().await.iter().all(|bundle| !bundle.is_empty())
    })
    .await;
    until_well(&replicas).await;

    let before = served()[0].clone();
    installed.secrets.delete("nmi-guard-certs", &DeleteParams::default()).await.unwrap();
    until("the Secret is made again", async || {
        installed.secrets.get_opt("nmi-guard-certs").await.unwrap().is_some()
    })
    .await;
    until("the new CA is added", async || {
        let bundles = installed.bundles().await;
        bundles.iter().all(|bundle| String::from_utf8_lossy(bundle).matches("BEGIN").count() == 2)
    })
    .await;
    assert_eq!(served()[0], before, "the known certificate is served until the new CA has settled");
    installed.assert_trusted(&replicas).await;
    for replica in replicas.into_iter().chain(more) {
        replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_never_serves_what_the_installed_bundle_does_not_trust() {
    let server = ApiServer::start().await.unwrap();
    let installed = Installed::create(server.client()).await;
    let lifetimes = Lifetimes::new(Duration::from_secs(24), Duration::from_secs(12)).unwrap();
    let mut replicas = two(&server.client(), lifetimes);
    until_well(&replicas).await;
    let first = installed.bundles().await;
    until("every first CA is gone", async || {
        installed.assert_trusted(&replicas).await;
        let bundles = installed.bundles().await;
        first.iter().zip(&bundles).all(|(first, bundle)| {
            !String::from_utf8_lossy(bundle).contains(String::from_utf8_lossy(first).trim())
        })
    })
    .await;
    for _ in 0..2 {
        let replica = replicas.remove(0);
        replica.stop().await;
        replicas.push(Replica::start(server.client(), lifetimes));
        until_well(&replicas).await;
        installed.assert_trusted(&replicas).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_away_degrades_and_comes_back() {
    let mut server = ApiServer::start().await.unwrap();
    let _installed = Installed::create(server.client()).await;
    let replicas = two(&server.client(), Lifetimes::default());
    until_well(&replicas).await;
    server.stop_apiserver();
    until("both conditions are degraded", async || {
        replicas.iter().all(|replica| {
            [CERTIFICATE, WEBHOOK_CONFIGURATION]
                .iter()
                .all(|name| matches!(replica.state(name), ConditionState::Degraded(_)))
        })
    })
    .await;
    assert!(replicas.iter().all(|replica| replica.conditions.ready()), "it serves what it has");
    let late = Replica::start(server.client(), Lifetimes::default());
    until("the reason is named", async || {
        matches!(late.state(CERTIFICATE), ConditionState::Failing(text) if text.contains("can't be reached"))
    })
    .await;
    server.start_apiserver().await.unwrap();
    until_well(&replicas).await;
    until_well(&[late]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forbidden_or_missing_is_named() {
    let server = ApiServer::start().await.unwrap();
    let installed = Installed::create(server.client()).await;
    let accounts = ["create", "serviceaccount", "powerless", "-n", NAMESPACE];
    server.kubectl_text(accounts).unwrap();
    let token = server.kubectl_text(["create", "token", "powerless", "-n", NAMESPACE]).unwrap();
    let kubeconfig = server.kubeconfig_for_token("powerless", token.trim()).unwrap();
    let client = nmi_guard::cluster::client(Some(&kubeconfig)).await.unwrap();
    let powerless = Replica::start(client.clone(), Lifetimes::default());
    until("get is missing", async || {
        powerless.says(CERTIFICATE, "not allowed to get Secret nmi-guard/nmi-guard-certs")
            && powerless.says(WEBHOOK_CONFIGURATION, "not allowed to get MutatingWebhookConfiguration")
    })
    .await;
    assert!(!powerless.conditions.ready());

    // The rights that the manifests grant, and no Secret: it may not be created.
    let role = ["--resource=secrets", "--resource-name=nmi-guard-certs", "--verb=get,update"];
    let bind = ["--serviceaccount=nmi-guard:powerless"];
    let grant = |args: &[&str]| server.kubectl_text(args).map(drop).unwrap();
    grant(&[&["create", "role", "guard", "-n", NAMESPACE], &role[..]].concat());
    grant(&[&["create", "rolebinding", "guard", "--role=guard", "-n", NAMESPACE], &bind[..]].concat());
    installed.secrets.delete("nmi-guard-certs", &DeleteParams::default()).await.unwrap();
    until("create is missing", async || {
        powerless.says(CERTIFICATE, "kubectl create secret generic nmi-guard-certs")
    })
    .await;

    grant(&["create", "secret", "generic", "nmi-guard-certs", "-n", NAMESPACE]);
    until("it serves", async || powerless.state(CERTIFICATE) == ConditionState::Ok).await;
    assert!(matches!(powerless.state(WEBHOOK_CONFIGURATION), ConditionState::Degraded(_)));

    let resource = "--resource=mutatingwebhookconfigurations.admissionregistration.k8s.io";
    let rule = [resource, "--resource-name=nmi-guard", "--verb=get,patch"];
    grant(&[&["create", "clusterrole", "guard"], &rule[..]].concat());
    grant(&[&["create", "clusterrolebinding", "guard", "--clusterrole=guard"], &bind[..]].concat());
    until_well(&[powerless]).await;
    let other = Replica::start(client, Lifetimes::default());
    installed.configurations.delete("nmi-guard", &DeleteParams::default()).await.unwrap();
    until("the configuration is missing", async || {
        other.says(WEBHOOK_CONFIGURATION, "MutatingWebhookConfiguration nmi-guard does not exist")
    })
    .await;
    until("and reviews could still be answered", async || other.conditions.ready()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_checked_against_the_installed_configuration_and_nothing_is_written() {
    let server = ApiServer::start().await.unwrap();
    let installed = Installed::create(server.client()).await;
    let names = ServingNames::for_service("nmi-guard", NAMESPACE, &[]).unwrap();
    let set = || development_set(&names, &Lifetimes::default(), SystemTime::now()).unwrap();
    let bundle = |material: &Material| {
        let (_, bundle) = material.entries()[2];
        serde_json::to_value(ByteString(bundle.to_vec())).unwrap()
    };
    let (first, second) = (set(), set());
    let dir = server.folder().join("tls");
    write_set(&dir, &first, false).unwrap();
    let pause = Duration::from_millis(50);
    let check = InstalledCheck { client: server.client(), name: "nmi-guard".into(), period: pause };
    let config =
        DirectoryConfig { dir: dir.clone(), poll: pause, names: names.clone(), webhook: Some(check) };
    let (store, conditions) = (CertificateStore::default(), Conditions::default());
    let directory = Directory::open(config, store, conditions.clone()).unwrap();
    let (_shutdown, stopped) = watch::channel(false);
    tokio::spawn(directory.run(stopped));
    let says = |words: &'static str| {
        let conditions = conditions.clone();
        async move || says(&conditions, WEBHOOK_CONFIGURATION, words)
    };
    let well = async || state(&conditions, WEBHOOK_CONFIGURATION) == ConditionState::Ok;

    until("an empty caBundle is unknown", says("has no caBundle")).await;
    assert!(conditions.ready());
    installed.set_bundles(bundle(&first)).await;
    until("it is trusted", well).await;
    let versions = installed.versions().await;
    write_set(&dir, &second, true).unwrap();
    until("it is not trusted", says("does not trust the certificate")).await;
    assert!(!conditions.ready());
    assert_eq!(installed.versions().await, versions, "files are only read, and so is the configuration");
    installed.set_bundles(bundle(&second)).await;
    until("it is trusted again", well).await;
    assert!(conditions.ready());
}
