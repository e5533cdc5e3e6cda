//! The borrowed, partial view of a Pod that the core reads.
//!
//! Only the fields that a decision or a patch depends on are read; strings are borrowed from the
//! request's bytes. Everything else is skipped over unread and therefore cannot be lost: the patch
//! is applied to the raw JSON by the API server.

mod borrowed;
mod env;
mod view;

pub use borrowed::{Entries, Keys, List, Text};
pub use env::{Env, Source};
pub use view::{
    Container, ContainerPort, Metadata, Os, OwnerReference, Pod, Resources, Spec, Volume, VolumeMount,
};
