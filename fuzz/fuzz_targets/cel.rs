//! libFuzzer's program of the target `cel`.

#![no_main]

sallyport_fuzz::program!(CEL);
