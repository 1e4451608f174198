//! What libFuzzer's programs have in common.

use libfuzzer_sys::fuzzer_mutate;
use sallyport_fuzz_targets::Target;
use sallyport_fuzz_targets::mutators::Dice;

pub use libfuzzer_sys;
pub use sallyport_fuzz_targets as targets;

/// The program of a target.
#[macro_export]
macro_rules! program {
    ($target:ident) => {
        $crate::libfuzzer_sys::fuzz_target!(|input: &[u8]| {
            ($crate::targets::$target.run)(input);
        });
        $crate::libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, longest: usize, seed: u32| {
            $crate::mutated(&$crate::targets::$target, data, size, longest, seed)
        });
    };
}

/// Makes another input of the first `size` bytes, in place: mostly by what knows its form, else by libFuzzer.
pub fn mutated(target: &Target, data: &mut [u8], size: usize, longest: usize, seed: u32) -> usize {
    let mut dice = Dice::new(seed.into());
    if dice.below(8) > 0 {
        let other = target.mutated(&data[..size], longest, &mut dice);
        if !other.is_empty() {
            data[..other.len()].copy_from_slice(&other);
            return other.len();
        }
    }
    fuzzer_mutate(data, size, longest)
}
