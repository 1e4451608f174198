//! libFuzzer's program of the target `headers`.

#![no_main]

sallyport_fuzz::program!(HEADERS);
