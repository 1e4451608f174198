//! libFuzzer's program of the target `rls`.

#![no_main]

sallyport_fuzz::program!(RLS);
