//! libFuzzer's program of the target `limit_table`.

#![no_main]

sallyport_fuzz::program!(LIMIT_TABLE);
