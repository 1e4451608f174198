//! libFuzzer's program of the target `jws`.

#![no_main]

sallyport_fuzz::program!(JWS);
