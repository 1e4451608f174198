//! libFuzzer's program of the target `images`.

#![no_main]

sallyport_fuzz::program!(IMAGES);
