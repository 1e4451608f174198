//! What the API server and the controllers do to objects around admission, done here without them.
//!
//! A webhook is shown objects that the API server has already completed, and pods that a controller has
//! already made from a template. A file has been through neither. The command line and the simulation bring
//! it to where a webhook would see it with [`apply_defaults`], and show the outcome in the terms of the file
//! with [`without_defaults`]. A workload is judged as the pod of its controller, [`pod_of`]. The requests
//! that the API server would make are [`Request::creation`](crate::Request::creation) and
//! [`creation_by_controller`](crate::Request::creation_by_controller). For a pod under admission the webhook needs
//! none of this.

mod defaults;
mod pod_of;
mod request;
mod without_defaults;

pub use defaults::apply_defaults;
pub use pod_of::{Owner, PodOf, pod_of};
pub use without_defaults::without_defaults;
