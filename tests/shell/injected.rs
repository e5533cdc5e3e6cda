//! Commands as they are injected, and the shells that run them.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nmi_guard::admission::review;
use nmi_guard::mutate::Injector;
use nmi_guard_testkit::review::{Review, labelled_pod};
use serde_json::{Value, json};

/// POSIX shells. busybox runs its own wget, the others run GNU's.
pub const SHELLS: [&[&str]; 2] = [&["dash"], &["busybox", "sh"]];

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// One injected command.
#[derive(Clone, Debug)]
pub struct Injected(Vec<String>);

/// What is injected into a Pod with these annotations: the commands of its init container and of its readiness
/// probe.
pub struct Guard {
    pub init: Injected,
    pub readiness: Option<Injected>,
}

pub fn guard(annotations: &[(&str, &str)]) -> Guard {
    let mut pod = labelled_pod("app");
    for (key, value) in annotations {
        pod["metadata"]["annotations"][format!("nmi-guard.io/{key}")] = json!(value);
    }
    let answer = review(&Review::of(pod.clone()).bytes(), &Injector::default()).unwrap().response;
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let patch = answer["response"]["patch"].as_str().unwrap_or_else(|| panic!("{answer}"));
    let patch: json_patch::Patch = serde_json::from_slice(&STANDARD.decode(patch).unwrap()).unwrap();
    json_patch::patch(&mut pod, &patch).unwrap();
    let command = |holder: &Value| {
        let words = holder["command"].as_array()?;
        Some(Injected(words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()))
    };
    Guard {
        init: command(&pod["spec"]["initContainers"][0]).unwrap(),
        readiness: command(&pod["spec"]["containers"][0]["readinessProbe"]["exec"]),
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    /// Both outputs.
    pub output: String,
}

impl Injected {
    /// With `new` for each parameter that is `old`; there is one at least.
    pub fn with(mut self, old: &str, new: &str) -> Self {
        let mut parameters = self.0.iter_mut().skip(3).filter(|word| *word == old).peekable();
        assert!(parameters.peek().is_some(), "no parameter {old:?}");
        parameters.for_each(|word| *word = new.to_owned());
        self
    }

    /// With this address of the metadata service.
    pub fn with_metadata(self, address: impl ToString) -> Self {
        self.with("169.254.169.254", &address.to_string())
    }

    /// Starts it in `shell`.
    pub fn start(&self, shell: &[&str], environment: &[(&str, &str)]) -> Child {
        let mut words = self.0.iter();
        assert_eq!(words.next().unwrap(), "sh");
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).args(words);
        command.env_remove("HOST_IP").envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap_or_else(|error| panic!("{shell:?}, which these tests need: {error}"))
    }

    /// Runs it in `shell` to its end.
    pub fn run(&self, shell: &[&str], environment: &[(&str, &str)]) -> Ended {
        ended(self.start(shell, environment))
    }
}

/// Waits for the end.
pub fn ended(mut child: Child) -> Ended {
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("it does not end: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), output: text(&output.stdout) + &text(&output.stderr) }
}
