//! The flags of `nmi-guard serve`, made from the table of the configuration's keys.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use nmi_guard::config::{self, Entry, Given, Key, Origin};

const CONFIG: &str = "config";
const SET: Other = Other { flag: "set", env: "NMI_GUARD_SET" };
const IMAGE: Other = Other { flag: "image", env: "NMI_GUARD_IMAGE" };
/// Where Kubernetes' downward API usually puts the namespace; ours comes before it.
const POD_NAMESPACE: &str = "POD_NAMESPACE";

struct Other {
    flag: &'static str,
    env: &'static str,
}

/// The command line and the environment, as given.
pub(in crate::cli) struct ServeArgs {
    /// The configuration file.
    pub(super) config: Option<PathBuf>,
    /// Everything else: what the environment says first, so that flags win.
    pub(super) given: Given,
}

impl Args for ServeArgs {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new(CONFIG)
            .long(CONFIG)
            .env("NMI_GUARD_CONFIG")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("Configuration file (YAML); a change takes effect within seconds");
        let set = Arg::new(SET.flag)
            .long(SET.flag)
            .env(SET.env)
            .value_name("KEY=VALUE")
            .value_delimiter(';')
            .action(ArgAction::Append)
            .help("Default of an annotation, such as checks=init,readiness (see nmi-guard explain); ';' between several");
        let image = Arg::new(IMAGE.flag)
            .long(IMAGE.flag)
            .env(IMAGE.env)
            .value_name("IMAGE")
            .overrides_with(IMAGE.flag)
            .help("Image of the injected container, the same as --set image=IMAGE");
        command.arg(config).arg(set).arg(image).args(config::KEYS.iter().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(key: &Key) -> Arg {
    let default = if key.default.is_empty() { String::new() } else { format!(" [default: {}]", key.default) };
    let help = format!("{}: {}{default}", key.help, key.expects);
    let flag = Arg::new(key.flag).long(key.flag).env(key.env).value_name(key.value_name).help(help);
    // Of a flag given twice the last counts, so that arguments can be appended to those of a manifest.
    if key.is_list { flag.action(ArgAction::Append) } else { flag.overrides_with(key.flag) }
}

impl FromArgMatches for ServeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut entries = pod_namespace();
        for key in config::KEYS {
            entries.extend(entry(matches, key));
        }
        entries.extend(defaults(matches)?);
        // What the environment says first; the sort keeps the order of all else.
        entries.sort_by_key(|entry| matches!(entry.origin, Origin::Flag(_)));
        Ok(Self { config: matches.get_one(CONFIG).cloned(), given: Given(entries) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn pod_namespace() -> Vec<Entry> {
    let origin = Origin::Environment(POD_NAMESPACE);
    let value = std::env::var(POD_NAMESPACE).unwrap_or_default();
    let entry = Entry { origin, key: "certificates.namespace".to_owned(), value };
    if entry.value.is_empty() { Vec::new() } else { vec![entry] }
}

fn entry(matches: &ArgMatches, key: &Key) -> Option<Entry> {
    let values: Vec<&str> = matches.get_many::<String>(key.flag)?.map(String::as_str).collect();
    let origin = origin(matches, key.flag, key.env);
    let value = values.join(",");
    // An empty environment variable is one that is not set, as in a manifest with an optional value.
    let is_unset = value.is_empty() && matches!(origin, Origin::Environment(_));
    (!is_unset).then(|| Entry { origin, key: key.path.to_owned(), value })
}

fn defaults(matches: &ArgMatches) -> Result<Vec<Entry>, clap::Error> {
    let key = |name: &str| format!("{}.{name}", config::DEFAULTS);
    let mut entries = Vec::new();
    for pair in texts(matches, SET.flag) {
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            let message = format!("--{}: {pair:?} is not allowed; allowed: KEY=VALUE\n", SET.flag);
            clap::Error::raw(clap::error::ErrorKind::ValueValidation, message)
        })?;
        let origin = origin(matches, SET.flag, SET.env);
        entries.push(Entry { origin, key: key(name.trim()), value: value.to_owned() });
    }
    for image in texts(matches, IMAGE.flag) {
        let origin = origin(matches, IMAGE.flag, IMAGE.env);
        entries.push(Entry { origin, key: key("image"), value: image.to_owned() });
    }
    Ok(entries)
}

/// The values of `flag` that are not empty.
fn texts<'a>(matches: &'a ArgMatches, flag: &str) -> impl Iterator<Item = &'a str> {
    let values = matches.get_many::<String>(flag).into_iter().flatten();
    values.map(String::as_str).filter(|text| !text.is_empty())
}

fn origin(matches: &ArgMatches, flag: &'static str, env: &'static str) -> Origin {
    match matches.value_source(flag) {
        Some(ValueSource::EnvVariable) => Origin::Environment(env),
        _ => Origin::Flag(flag),
    }
}
