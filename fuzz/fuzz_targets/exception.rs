//! libFuzzer's program of the target `exception`.

#![no_main]

sallyport_fuzz::program!(EXCEPTION);
