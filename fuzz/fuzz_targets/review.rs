//! libFuzzer's program of the target `review`.

#![no_main]

sallyport_fuzz::program!(REVIEW);
