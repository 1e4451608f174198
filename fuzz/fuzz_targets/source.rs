//! libFuzzer's program of the target `source`.

#![no_main]

sallyport_fuzz::program!(SOURCE);
