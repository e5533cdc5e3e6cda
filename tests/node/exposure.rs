//! Tokens that Pods got from IMDS itself, where NMI should have answered.

use std::time::Instant;

use nmi_guard_testbed::imds::Asked;

use crate::report::counts;
use crate::watch::Seen;
use crate::world::World;

/// How many tokens of IMDS a Pod got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exposure {
    /// While it was Ready, and so was sent traffic.
    pub ready: usize,
    /// In all.
    pub all: usize,
}

/// The exposure of the Pod `uid` from `since` until now.
pub fn of(world: &World, uid: &str, since: Instant) -> Exposure {
    let history = world.watch.history(uid);
    let Some(address) = history.iter().rev().find_map(|seen| seen.state.address.clone()) else {
        return Exposure::default();
    };
    let tokens = |asked: &Asked| asked.is_for_token() && asked.status == 200 && asked.at >= since;
    let mut exposure = Exposure::default();
    for asked in world.imds.asked().iter().filter(|asked| tokens(asked)) {
        if asked.from.to_string() == address {
            exposure.all += 1;
            exposure.ready += usize::from(was_ready(&history, asked.at));
        }
    }
    exposure
}

/// How many tokens several Pods got that NMI should have given them.
pub fn wrong_tokens(exposures: &[Exposure]) -> String {
    let ready: Vec<usize> = exposures.iter().map(|exposure| exposure.ready).collect();
    let all: Vec<usize> = exposures.iter().map(|exposure| exposure.all).collect();
    match (ready == all, all.iter().all(|count| *count == 0)) {
        (_, true) => "no wrong tokens".to_owned(),
        (true, _) => format!("{} wrong tokens while Ready", counts(&ready)),
        (false, _) => format!("{} wrong tokens while Ready, {} in all", counts(&ready), counts(&all)),
    }
}

fn was_ready(history: &[Seen], at: Instant) -> bool {
    history.iter().rev().find(|seen| seen.at <= at).is_some_and(|seen| seen.state.ready)
}
