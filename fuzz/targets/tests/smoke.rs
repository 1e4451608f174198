//! Every target over its seeds, and over as many inputs made of them as take a few seconds. The dice are the same
//! every time, and so is the verdict: what is new is for libFuzzer to find (`make fuzz`), and becomes a seed.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use sallyport_fuzz_targets::mutators::Dice;
use sallyport_fuzz_targets::{
    CEL, DIFFERENCE, EXCEPTION, HEADERS, IMAGES, JWKS, JWS, LIMIT_TABLE, MUTATION, PATH, RESOURCE, REVIEW,
    RLS, SOURCE, TARGETS, Target, VALIDATION,
};

/// Inputs are no longer than this, so that each is quick.
const LONGEST: usize = 8 * 1024;
/// Inputs made of those made before are kept up to this many.
const KEPT: usize = 512;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../seeds")
}

/// The seeds of a target, by the names of their files.
fn seeds(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = folder().join(target.name);
    let mut seeds: Vec<(String, Vec<u8>)> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("the folder can be read").path())
        .map(|path| (path.display().to_string(), fs::read(&path).expect("a seed can be read")))
        .collect();
    seeds.sort();
    seeds
}

#[track_caller]
fn check(target: &Target, made: usize) {
    let seeds = seeds(target);
    assert!(seeds.len() > 2, "{} has hardly any seeds", target.name);
    for (name, input) in &seeds {
        run(target, input, name);
    }
    let mut dice = Dice::new(made as u64);
    let mut inputs: Vec<Vec<u8>> = seeds.into_iter().map(|(_, input)| input).collect();
    for _ in 0..made {
        let one = dice.below(inputs.len());
        let input = target.mutated(&inputs[one], LONGEST, &mut dice);
        let read = run(target, &input, "an input made of the seeds");
        if read && inputs.len() < KEPT {
            inputs.push(input);
        } else if read && one > KEPT / 2 {
            inputs[one] = input;
        }
    }
}

/// Whether the input got past the reader. Where a property does not hold, the input is left for libFuzzer's program to
/// run again.
#[track_caller]
fn run(target: &Target, input: &[u8], name: &str) -> bool {
    catch_unwind(|| (target.run)(input)).unwrap_or_else(|_| {
        let left = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-fails", target.name));
        fs::write(&left, input).expect("the input can be written");
        panic!("{} fails on {name}; the input is {}", target.name, left.display())
    })
}

macro_rules! smoke {
    ($($name:ident: $target:ident, $made:literal;)*) => {
        $(#[test] fn $name() { check(&$target, $made); })*

        #[test]
        fn every_target_has_a_test_seeds_and_a_program() {
            let tested = [$($target.name),*];
            let mut programs: Vec<String> = fs::read_dir(folder().join("../fuzz_targets"))
                .expect("there are programs")
                .map(|entry| entry.expect("the folder can be read").path())
                .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
                .collect();
            programs.sort();
            let mut targets: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(targets, tested);
            targets.sort_unstable();
            assert_eq!(targets, programs);
        }
    };
}

smoke! {
    review: REVIEW, 20_000;
    source: SOURCE, 8_000;
    resource: RESOURCE, 4_000;
    cel: CEL, 8_000;
    images: IMAGES, 20_000;
    mutation: MUTATION, 8_000;
    difference: DIFFERENCE, 10_000;
    validation: VALIDATION, 2_500;
    exception: EXCEPTION, 8_000;
    path: PATH, 20_000;
    headers: HEADERS, 10_000;
    rls: RLS, 100_000;
    limit_table: LIMIT_TABLE, 8_000;
    jws: JWS, 10_000;
    jwks: JWKS, 3_000;
}
