//! The stages of an orderly end.
//!
//! kube-apiserver keeps idle connections to an endpoint after it is gone from the Service
//! (kubernetes/kubernetes#127335), and goes on opening new ones until every node has heard of it. So
//! the end is announced first (readiness fails), then service goes on for a while with every answer
//! asking for its connection to be closed, and only then is the listener closed.

use tokio::sync::watch;

/// How far the end has come. Stages only ever advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Serving.
    Serving,
    /// Serving still; answers say `Connection: close`.
    Draining,
    /// No new connections; those that are open finish the request they are at.
    Closing,
}

/// Where a connection or a listener learns of the stage.
#[derive(Clone, Debug)]
pub(super) struct StageWatch(watch::Receiver<Stage>);

/// A stage to advance, and its watch.
pub(super) fn stages() -> (watch::Sender<Stage>, StageWatch) {
    let (sender, receiver) = watch::channel(Stage::Serving);
    (sender, StageWatch(receiver))
}

impl StageWatch {
    /// Whether answers are to ask for their connection to be closed.
    pub(super) fn is_draining(&self) -> bool {
        *self.0.borrow() >= Stage::Draining
    }

    /// Waits until the listener is to be closed. Also returns when nobody is left to say so.
    pub(super) async fn closing(&mut self) {
        // An error means that the sender is gone, and so is the server.
        let _ = self.0.wait_for(|stage| *stage == Stage::Closing).await;
    }
}
