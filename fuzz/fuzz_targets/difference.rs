//! libFuzzer's program of the target `difference`.

#![no_main]

sallyport_fuzz::program!(DIFFERENCE);
