//! libFuzzer's program of the target `resource`.

#![no_main]

sallyport_fuzz::program!(RESOURCE);
