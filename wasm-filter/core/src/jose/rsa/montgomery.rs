//! Powers modulo an odd number, by Montgomery's multiplication (Handbook of Applied Cryptography, §14.3.2).

/// A number in limbs, the least first.
type Limbs = Vec<u32>;

/// An odd modulus, and what follows from it.
#[derive(Clone)]
pub(super) struct Modulus {
    limbs: Limbs,
    bits: usize,
    /// The limb that makes `limbs[0] * inverse + 1` a multiple of 2^32.
    inverse: u32,
    /// R², where R is 2^32 to the number of limbs.
    square: Limbs,
}

impl Modulus {
    /// Of a number greater than 1, big-endian; none if it is even.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let limbs = limbs(bytes);
        let (first, last) = (*limbs.first()?, *limbs.last()?);
        let bits = limbs.len() * 32 - last.leading_zeros() as usize;
        if first.is_multiple_of(2) || bits < 2 {
            return None;
        }
        // Newton's iteration doubles the number of right bits, of which an odd number is its own inverse in three.
        let mut inverse = first;
        for _ in 0..4 {
            inverse = inverse.wrapping_mul(2_u32.wrapping_sub(first.wrapping_mul(inverse)));
        }
        let mut modulus = Self { limbs, bits, inverse: inverse.wrapping_neg(), square: Limbs::new() };
        modulus.square = modulus.r_squared();
        Some(modulus)
    }

    /// Its length in bits.
    pub(super) const fn bits(&self) -> usize {
        self.bits
    }

    /// It, big-endian, without zeros in front.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.bytes(&self.limbs)
    }

    /// A number to the power of an odd exponent, as long as the modulus. None if the number is not less than it.
    pub(super) fn power(&self, number: &[u8], exponent: u64) -> Option<Vec<u8>> {
        let mut number = limbs(number);
        if number.len() > self.limbs.len() {
            return None;
        }
        number.resize(self.limbs.len(), 0);
        if !is_less(&number, &self.limbs) {
            return None;
        }
        let base = self.multiply(&number, &self.square);
        let mut power = base.clone();
        for bit in (1..exponent.ilog2()).rev() {
            power = self.multiply(&power, &power);
            if exponent >> bit & 1 == 1 {
                power = self.multiply(&power, &base);
            }
        }
        // The last bit is set. The number itself is not multiplied by R, which takes R out of the result.
        power = self.multiply(&power, &power);
        Some(self.bytes(&self.multiply(&power, &number)))
    }

    /// `one * other / R`. Both must be less than the modulus.
    fn multiply(&self, one: &[u32], other: &[u32]) -> Limbs {
        let length = self.limbs.len();
        let mut product = vec![0; 2 * length + 1];
        for (index, limb) in one.iter().enumerate() {
            add_product(product.get_mut(index..).unwrap_or_default(), *limb, other);
        }
        // Multiples of the modulus are added, until all is a multiple of R.
        for index in 0..length {
            let rest = product.get_mut(index..).unwrap_or_default();
            let factor = rest.first().copied().unwrap_or_default().wrapping_mul(self.inverse);
            add_product(rest, factor, &self.limbs);
        }
        product.drain(..length);
        self.reduce(product)
    }

    /// A number of one limb more than the modulus, and less than twice it, modulo it.
    fn reduce(&self, mut number: Limbs) -> Limbs {
        let top = number.pop().unwrap_or_default();
        if top == 0 && is_less(&number, &self.limbs) {
            return number;
        }
        let mut borrow = false;
        for (limb, other) in number.iter_mut().zip(&self.limbs) {
            let (less, one) = limb.overflowing_sub(*other);
            let (less, two) = less.overflowing_sub(u32::from(borrow));
            (*limb, borrow) = (less, one | two);
        }
        number
    }

    fn r_squared(&self) -> Limbs {
        // 2^(bits - 1) is less than the modulus. Doubled often enough it is R * 2^length, and R * R after squaring
        // five times, since 2^(32 * length) is R.
        let length = self.limbs.len();
        let mut power = vec![0; length];
        let top = self.bits - 1;
        if let Some(limb) = power.get_mut(top / 32) {
            *limb = 1 << (top % 32);
        }
        for _ in top..33 * length {
            let mut carry = 0;
            for limb in &mut power {
                let doubled = *limb << 1 | carry;
                carry = *limb >> 31;
                *limb = doubled;
            }
            power.push(carry);
            power = self.reduce(power);
        }
        for _ in 0..5 {
            power = self.multiply(&power, &power);
        }
        power
    }

    fn bytes(&self, number: &[u32]) -> Vec<u8> {
        let bytes: Vec<u8> = number.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect();
        let zeros = bytes.len() - self.bits.div_ceil(8);
        bytes.get(zeros..).unwrap_or_default().to_vec()
    }
}

/// The limbs of a number, big-endian, without zeros on top.
fn limbs(bytes: &[u8]) -> Limbs {
    let limb = |bytes: &[u8]| bytes.iter().fold(0, |limb, byte| limb << 8 | u32::from(*byte));
    let mut limbs: Limbs = bytes.rchunks(4).map(limb).collect();
    while limbs.last() == Some(&0) {
        limbs.pop();
    }
    limbs
}

/// Whether a number is less than another of as many limbs.
fn is_less(one: &[u32], other: &[u32]) -> bool {
    one.iter().rev().lt(other.iter().rev())
}

/// Adds `factor * number` to a sum that is long enough for it.
fn add_product(sum: &mut [u32], factor: u32, number: &[u32]) {
    let mut carry = 0;
    let mut sum = sum.iter_mut();
    for (limb, digit) in number.iter().zip(sum.by_ref()) {
        // At most (2^32 - 1)² + 2 * (2^32 - 1), which is 2^64 - 1.
        carry += u64::from(*digit) + u64::from(factor) * u64::from(*limb);
        *digit = carry as u32;
        carry >>= 32;
    }
    for digit in sum {
        if carry == 0 {
            return;
        }
        carry += u64::from(*digit);
        *digit = carry as u32;
        carry >>= 32;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Modulus, limbs};

    /// Numbers whose limbs are often all ones or all zeros, where carries run.
    fn number() -> impl Strategy<Value = u64> {
        let limb =
            prop_oneof![Just(0), Just(1), Just(u32::MAX), Just(u32::MAX - 1), Just(1 << 31), any::<u32>()];
        (limb.clone(), limb).prop_map(|(high, low)| u64::from(high) << 32 | u64::from(low))
    }

    fn power(base: u64, exponent: u64, modulus: u64) -> u64 {
        let (base, modulus) = (u128::from(base), u128::from(modulus));
        let power = (0..64).rev().fold(1_u128, |power, bit| {
            let power = power * power % modulus;
            if exponent >> bit & 1 == 1 { power * base % modulus } else { power }
        });
        u64::try_from(power).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn powers_are_what_long_division_makes_them(base in number(), exponent in number(), modulus in number()) {
            let (exponent, modulus) = (exponent | 3, modulus | 3);
            let found = Modulus::new(&modulus.to_be_bytes()).and_then(|modulus| {
                modulus.power(&base.to_be_bytes(), exponent)
            });
            let want = (base < modulus).then(|| limbs(&power(base, exponent, modulus).to_be_bytes()));
            prop_assert_eq!(found.map(|bytes| limbs(&bytes)), want);
        }

        #[test]
        fn a_modulus_comes_back(bytes in prop::collection::vec(any::<u8>(), 1..40)) {
            let mut bytes = bytes;
            bytes[0] |= 0x80;
            *bytes.last_mut().unwrap() |= 1;
            let modulus = Modulus::new(&bytes).unwrap();
            prop_assert_eq!(modulus.bits(), bytes.len() * 8);
            prop_assert_eq!(modulus.to_bytes(), bytes);
        }
    }

    #[test]
    fn even_numbers_and_one_are_no_moduli() {
        for bytes in [&[][..], &[0], &[1], &[2], &[0, 0, 0, 0, 1], &[1, 0, 0, 0, 0], &[0xff, 0xfe]] {
            assert!(Modulus::new(bytes).is_none(), "{bytes:?}");
        }
    }
}
