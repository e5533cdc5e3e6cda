//! The login of the Azure CLI, with a stand-in for it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::injected::{Ended, SHELLS, guard};

const CLIENT: &str = "01234567-89ab-cdef-0123-456789abcdef";
const RESOURCE: &str =
    "/subscriptions/1/resourceGroups/g_(1)/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";

/// An `az` that fails `failures` times, and notes what it is called with, one argument a line.
fn stand_in(folder: &Path, failures: u32) {
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" --- >>{0}/calls\n[ \"$(grep -c -e --- {0}/calls)\" -gt {failures} ] && exit\n\
         echo 'ERROR: no identity' >&2\nexit 1\n",
        folder.display()
    );
    fs::write(folder.join("az"), script).unwrap();
    fs::set_permissions(folder.join("az"), fs::Permissions::from_mode(0o755)).unwrap();
}

fn log_in(shell: &[&str], failures: u32, more: &[(&str, &str)]) -> (Ended, String) {
    let folder = tempfile::tempdir().unwrap();
    stand_in(folder.path(), failures);
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let mut annotations = vec![("strategy", "az-login"), ("init-interval", "1")];
    annotations.extend(more);
    let ended = guard(&annotations).init.run(shell, &[("PATH", &path)]);
    (ended, fs::read_to_string(folder.path().join("calls")).unwrap())
}

#[test]
fn it_logs_in_as_who_is_expected() {
    const ALWAYS: &str = "login\n--identity\n--allow-no-subscriptions\n--output\nnone\n";
    for shell in SHELLS {
        for (identity, flag) in
            [("none", None), (CLIENT, Some("--client-id")), (RESOURCE, Some("--resource-id"))]
        {
            let (ended, calls) = log_in(shell, 0, &[("expect-identity", identity)]);
            assert_eq!((ended.code, ended.output.as_str()), (Some(0), "guarded\n"), "{shell:?}");
            let who = flag.map(|flag| format!("{flag}\n{identity}\n")).unwrap_or_default();
            assert_eq!(calls, format!("{ALWAYS}{who}---\n"), "{shell:?}");
        }
    }
}

#[test]
fn it_tries_again_until_it_works_or_the_limit_has_passed() {
    for shell in SHELLS {
        let (ended, calls) = log_in(shell, 2, &[]);
        let said = "waiting: ERROR: no identity\nguarded\n";
        assert_eq!((ended.code, ended.output.as_str()), (Some(0), said), "{shell:?}");
        assert_eq!(calls.matches("---\n").count(), 3, "{shell:?}");

        let (ended, _) = log_in(shell, 1000, &[("init-timeout", "1")]);
        assert_eq!(ended.code, Some(1), "{shell:?}");
        assert!(ended.output.ends_with("given up after 1 s\n"), "{shell:?}: {ended:?}");
    }
}
