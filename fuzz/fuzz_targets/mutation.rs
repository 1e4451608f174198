//! libFuzzer's program of the target `mutation`.

#![no_main]

sallyport_fuzz::program!(MUTATION);
