//! libFuzzer's program of the target `jwks`.

#![no_main]

sallyport_fuzz::program!(JWKS);
