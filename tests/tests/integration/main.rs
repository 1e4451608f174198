//! Every integration test, in one binary: it links once, and its tests share one control plane.

mod control_plane;
mod defaults;
