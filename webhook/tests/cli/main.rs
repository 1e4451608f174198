//! The program as people and pipelines run it: commands, what they print, and what they exit with.

mod admit;
mod check;
mod desk;
mod explain;
mod render;
mod reports;
mod simulate;
mod test;
mod usage;
