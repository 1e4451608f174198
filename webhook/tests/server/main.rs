//! The server over real sockets: TLS on 127.0.0.1, a gate that says what a test wants.

mod answers;
mod certificates;
mod drain;
mod endurance;
mod gate;
mod malformed;
mod operations;
mod protocol;
mod running;
