//! libFuzzer's program of the target `path`.

#![no_main]

sallyport_fuzz::program!(PATH);
