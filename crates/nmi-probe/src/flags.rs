//! Flags and their values, as typed.

use std::num::NonZeroU16;
use std::time::Duration;

use crate::duration;
use crate::misuse::Misuse;

/// Which flags a command has.
pub struct Known {
    /// The command, for messages.
    pub command: &'static str,
    /// Its flags.
    pub flags: &'static [&'static str],
    /// Those of them that may be given more than once.
    pub repeatable: &'static [&'static str],
}

/// The flags given, each known, in the order given, their values not yet looked at.
pub struct Flags(Vec<(&'static str, String)>);

impl Flags {
    /// Reads `args`: nothing but flags, each with a value, attached by `=` or as the next argument.
    ///
    /// # Errors
    /// [`Misuse`], the first there is.
    pub fn read(known: &Known, args: &[String]) -> Result<Self, Misuse> {
        let command = known.command;
        let mut given: Vec<(&'static str, String)> = Vec::new();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            if !arg.starts_with('-') {
                return Err(Misuse::UnexpectedArgument { command, argument: arg.clone() });
            }
            let (typed, attached) = match arg.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (arg.as_str(), None),
            };
            let unknown = || Misuse::UnknownFlag { command, flag: typed.to_owned(), known: known.flags };
            let name = known.flags.iter().copied().find(|name| *name == typed).ok_or_else(unknown)?;
            if !known.repeatable.contains(&name) && given.iter().any(|(earlier, _)| *earlier == name) {
                return Err(Misuse::Repeated(name));
            }
            let next = || args.next().map(String::as_str).filter(|next| !next.starts_with("--"));
            let value = attached.or_else(next).ok_or(Misuse::MissingValue(name))?;
            given.push((name, value.to_owned()));
        }
        Ok(Self(given))
    }

    /// All flags with their values, in the order given.
    pub fn in_order(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The value of the flag `name`, read by `parse`, or `None` when the flag is not given.
    ///
    /// # Errors
    /// [`Misuse::BadValue`], which tells what is `allowed`, when `parse` makes nothing of it.
    pub fn value<T>(
        &self,
        name: &'static str,
        allowed: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Misuse> {
        let given = self.in_order().find(|(given, _)| *given == name);
        given.map(|(_, value)| read_value(name, value, allowed, parse)).transpose()
    }

    /// The duration given with the flag `name`.
    ///
    /// # Errors
    /// [`Misuse::BadValue`] when it is none.
    pub fn duration(&self, name: &'static str) -> Result<Option<Duration>, Misuse> {
        self.value(name, duration::ALLOWED, duration::parse)
    }

    /// Refuses the first flag of `names` that is given: it has no meaning without `wants`.
    ///
    /// # Errors
    /// [`Misuse::Misplaced`] for that flag.
    pub fn refuse(&self, names: &[&'static str], wants: &'static str) -> Result<(), Misuse> {
        match self.0.iter().find(|(given, _)| names.contains(given)) {
            Some((flag, _)) => Err(Misuse::Misplaced { flag, wants }),
            None => Ok(()),
        }
    }
}

/// Reads one value of the flag `name` by `parse`.
///
/// # Errors
/// [`Misuse::BadValue`], which tells what is `allowed`, when `parse` makes nothing of it.
pub fn read_value<T>(
    name: &'static str,
    value: &str,
    allowed: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, Misuse> {
    parse(value).ok_or_else(|| Misuse::BadValue { name, value: value.to_owned(), allowed })
}

/// A port from 1 to 65535. Digits only: the number parsers of std take a sign as well.
pub fn parse_port(text: &str) -> Option<NonZeroU16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
