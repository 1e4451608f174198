//! libFuzzer's program of the target `validation`.

#![no_main]

sallyport_fuzz::program!(VALIDATION);
