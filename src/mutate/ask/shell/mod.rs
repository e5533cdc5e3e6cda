//! A shell asks, with one program: the documented snippets, mended. POSIX sh, so that they run under dash and
//! busybox as well. What is asked for never stands in a script: it is handed over as positional parameters.

mod curl;
mod wget;

use k8s_openapi::api::core::v1::{ExecAction, Probe};

use super::{Asker, Needs, Work, limit, milliseconds_for};
use crate::policy::{Image, NmiTarget, ProbeKind, Question, Seconds, Settings, TokenRequest, Within};

pub(super) use curl::CURL;
pub(super) use wget::WGET;

/// Where the instance metadata service answers, and NMI in its place.
const METADATA: &str = "169.254.169.254";

/// The longest one attempt of the init container may take, in milliseconds.
const ATTEMPT: u32 = 3000;

/// Asks again and again.
const WAIT: &str = include_str!("scripts/wait.sh");

/// Logs in with the Azure CLI, with the parameters as flags.
pub(super) const LOGIN: &str = include_str!("scripts/az-login.sh");

/// The body of a function that asks, and its parameters. It succeeds if the answer is right, and else says
/// why it is not.
pub(super) struct Script {
    pub body: &'static str,
    pub parameters: Vec<String>,
}

/// A method of a shell and one program.
pub(super) struct Shell {
    image: fn(&Settings) -> &Image,
    /// Asks NMI within so many milliseconds.
    nmi: fn(&NmiTarget, u32) -> Script,
    /// Asks for a token within so many milliseconds.
    token: fn(&TokenRequest, u32) -> Script,
}

impl Shell {
    fn script(&self, question: &Question, milliseconds: u32) -> Script {
        match question {
            Question::Nmi(target) => (self.nmi)(target, milliseconds),
            Question::Token(request) => (self.token)(request, milliseconds),
        }
    }

    fn work(&self, settings: &Settings, command: Vec<String>) -> Work {
        let image = (self.image)(settings).clone();
        Work { image, command, env: Vec::new(), needs: Needs::SMALL, writes: false }
    }
}

impl Asker for Shell {
    fn runs_binary(&self) -> bool {
        false
    }

    fn wait(&self, settings: &Settings, question: &Question, _: bool) -> Work {
        let script = self.script(question, ATTEMPT);
        self.work(settings, wait(script, settings, limit(settings, None)))
    }

    fn idle(&self, settings: &Settings) -> Work {
        self.work(settings, vec!["true".to_owned()])
    }

    fn probe(&self, question: &Question, _: ProbeKind, timeout: Seconds) -> Probe {
        let Script { body, parameters } = self.script(question, milliseconds_for(timeout));
        let command = run(&format!("check() {{\n{body}}}\ncheck \"$@\"\n"), parameters);
        Probe { exec: Some(ExecAction { command: Some(command) }), ..Probe::default() }
    }
}

/// The command that runs `script` again and again until it succeeds, or until `limit` seconds have passed.
pub(super) fn wait(script: Script, settings: &Settings, limit: Option<Within<1, 86400>>) -> Vec<String> {
    let limit = limit.map_or("none".to_owned(), |seconds| seconds.to_string());
    let patience = [settings.init_interval.to_string(), limit];
    let parameters = patience.into_iter().chain(script.parameters);
    run(&format!("check() {{\n{}}}\n{WAIT}", script.body), parameters)
}

/// The command that runs `script` with `parameters`. The kubelet expands `$(NAME)` and `$$` in a command: no
/// script has a `$(` before what could be the name of a variable alone, and no parameter has a dollar.
fn run(script: &str, parameters: impl IntoIterator<Item = String>) -> Vec<String> {
    let words = ["sh", "-c", script, "nmi-guard"].map(str::to_owned);
    words.into_iter().chain(parameters).collect()
}
