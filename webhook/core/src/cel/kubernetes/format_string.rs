//! `"%s has %d".format([a, b])` as version 2 of cel-go's strings extension writes it, which is what Kubernetes has:
//! numbers with thousands separators, exponents in superscript, what stands in lists and maps as CEL spells it.

use cel::ExecutionError;
use cel::common::types::{CelBool, CelBytes, CelDouble, CelInt, CelString, CelType, CelUInt, Kind};
use cel::common::value::Val;

use super::super::budget::Budget;
use super::super::functions::steps;
use super::super::types::Type;
use super::duration::Duration;
use super::timestamp::Timestamp;
use super::{error, go_text};

const DEFAULT_PRECISION: usize = 6;
/// Digits after the point that can be asked for. Kubernetes knows no bound but its cost limit.
const MAX_PRECISION: usize = 1000;

/// What stands at a `%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clause {
    String,
    Decimal,
    Fixed(usize),
    Scientific(usize),
    Binary,
    Hex { is_upper: bool },
    Octal,
}

impl Clause {
    /// The clause at the start of the text, and what follows it.
    fn read(text: &str) -> Result<(Self, &str), String> {
        let (precision, rest) = match text.strip_prefix('.') {
            None => (DEFAULT_PRECISION, text),
            Some(rest) => {
                let end = rest
                    .find(|c: char| !c.is_ascii_digit())
                    .ok_or("could not find end of precision specifier")?;
                let (digits, rest) = rest.split_at(end);
                let precision = digits.parse().ok().filter(|precision| *precision <= MAX_PRECISION);
                (precision.ok_or("the precision is no number or too large")?, rest)
            }
        };
        let mut characters = rest.chars();
        let clause = match characters.next() {
            Some('s') => Self::String,
            Some('d') => Self::Decimal,
            Some('f') => Self::Fixed(precision),
            Some('e') => Self::Scientific(precision),
            Some('b') => Self::Binary,
            Some('x') => Self::Hex { is_upper: false },
            Some('X') => Self::Hex { is_upper: true },
            Some('o') => Self::Octal,
            Some(other) => return Err(format!("unrecognized formatting clause \"{other}\"")),
            None => return Err("unexpected end of string".to_owned()),
        };
        Ok((clause, characters.as_str()))
    }

    /// Whether it takes values of the type.
    fn takes(self, given: &Type) -> bool {
        match self {
            _ if *given == Type::Dyn => true,
            Self::String => !matches!(given, Type::Optional(_) | Type::Opaque(_) | Type::Object(_)),
            Self::Decimal | Self::Octal => matches!(given, Type::Int | Type::Uint),
            Self::Fixed(_) | Self::Scientific(_) => matches!(given, Type::Double | Type::String),
            Self::Binary => matches!(given, Type::Int | Type::Uint | Type::Bool),
            Self::Hex { .. } => matches!(given, Type::Int | Type::Uint | Type::String | Type::Bytes),
        }
    }

    fn wants(self) -> &'static str {
        match self {
            Self::String => {
                "strings, bools, bytes, ints, doubles, maps, lists, types, durations and timestamps"
            }
            Self::Decimal | Self::Octal => "integers",
            Self::Fixed(_) | Self::Scientific(_) => "doubles",
            Self::Binary => "integers and bools",
            Self::Hex { .. } => "integers, bytes and strings",
        }
    }
}

/// Calls back for each piece of the template: literal text, or a clause with the number of its argument.
fn walk(
    template: &str,
    mut piece: impl FnMut(Result<&str, (Clause, usize)>) -> Result<(), String>,
) -> Result<usize, String> {
    let (mut rest, mut asked) = (template, 0);
    while let Some((before, after)) = rest.split_once('%') {
        piece(Ok(before))?;
        if let Some(after) = after.strip_prefix('%') {
            piece(Ok("%"))?;
            rest = after;
            continue;
        }
        let (clause, after) = Clause::read(after)?;
        piece(Err((clause, asked)))?;
        asked += 1;
        rest = after;
    }
    piece(Ok(rest))?;
    Ok(asked)
}

/// What is wrong with a template that is written out, given the types of the arguments where they are, too.
pub(in super::super) fn check_literal(template: &str, args: &[Type]) -> Result<(), String> {
    let asked = walk(template, |piece| match piece {
        Ok(_) => Ok(()),
        Err((clause, at)) => match args.get(at) {
            None => Err(format!("index {at} out of range")),
            Some(given) if !clause.takes(given) => {
                Err(format!("the clause takes {}, was given {given}", clause.wants()))
            }
            Some(_) => Ok(()),
        },
    })?;
    if args.len() > asked {
        return Err(format!(
            "too many arguments supplied to string.format (expected {asked}, got {})",
            args.len()
        ));
    }
    Ok(())
}

/// The template with its clauses replaced. What is written is spent.
pub(super) fn format(template: &str, values: &[&dyn Val], budget: &Budget) -> Result<String, ExecutionError> {
    let mut made = Text { text: String::new(), budget };
    walk(template, |piece| match piece {
        Ok(literal) => made.push(literal),
        Err((clause, at)) => {
            let value = values.get(at).ok_or_else(|| format!("index {at} out of range"))?;
            made.write(clause, *value)
        }
    })
    .map_err(|message| error("format", message))?;
    Ok(made.text)
}

struct Text<'b> {
    text: String,
    budget: &'b Budget,
}

impl Text<'_> {
    fn push(&mut self, text: &str) -> Result<(), String> {
        self.budget.spend(steps(text.len() / 16) + 1).map_err(|error| error.to_string())?;
        self.text.push_str(text);
        Ok(())
    }

    fn write(&mut self, clause: Clause, value: &dyn Val) -> Result<(), String> {
        let int = value.downcast_ref::<CelInt>().map(|int| *int.inner());
        let uint = value.downcast_ref::<CelUInt>().map(|uint| *uint.inner());
        let sign = if int.is_some_and(|int| int < 0) { "-" } else { "" };
        let magnitude = int.map(i64::unsigned_abs).or(uint);
        let written = match clause {
            Clause::String => return self.write_plain(value),
            Clause::Decimal => magnitude.map(|digits| format!("{sign}{digits}")),
            Clause::Octal => magnitude.map(|digits| format!("{sign}{digits:o}")),
            Clause::Binary => match value.downcast_ref::<CelBool>() {
                Some(bool) => Some(u8::from(*bool.inner()).to_string()),
                None => magnitude.map(|digits| format!("{sign}{digits:b}")),
            },
            Clause::Fixed(precision) => double(value).map(|double| fixed(double, precision)),
            // Kubernetes takes the precision for the width.
            Clause::Scientific(width) => {
                double(value).map(|double| format!("{:>width$}", scientific(double)))
            }
            Clause::Hex { is_upper } => {
                let bytes = match value.downcast_ref::<CelBytes<'_>>() {
                    Some(bytes) => Some(bytes.inner()),
                    None => value.downcast_ref::<CelString<'_>>().map(|string| string.inner().as_bytes()),
                };
                let written = match bytes {
                    Some(bytes) => {
                        self.budget.spend(steps(bytes.len() / 4)).map_err(|error| error.to_string())?;
                        Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
                    }
                    None => magnitude.map(|digits| format!("{sign}{digits:x}")),
                };
                written.map(|written: String| if is_upper { written.to_uppercase() } else { written })
            }
        };
        match written {
            Some(written) => self.push(&written),
            None => {
                Err(format!("the clause takes {}, was given {}", clause.wants(), value.get_type().name()))
            }
        }
    }

    /// A value as `string(value)` has it; what stands within a list or a map as CEL spells it.
    fn write_plain(&mut self, value: &dyn Val) -> Result<(), String> {
        let written = match value.get_type().kind() {
            Kind::List | Kind::Map => return self.write_nested(value),
            Kind::NullType => "null".to_owned(),
            Kind::Double => value
                .downcast_ref::<CelDouble>()
                .map(|double| go_text::shortest(*double.inner()))
                .unwrap_or_default(),
            Kind::String => {
                let string = value.downcast_ref::<CelString<'_>>().map(CelString::inner).unwrap_or_default();
                return self.push(string);
            }
            Kind::Bytes => {
                let bytes = value.downcast_ref::<CelBytes<'_>>().map(CelBytes::inner).unwrap_or_default();
                String::from_utf8(bytes.to_vec()).map_err(|_| "invalid UTF-8 in bytes".to_owned())?
            }
            _ => scalar(value).ok_or_else(|| {
                format!("the clause takes {}, was given {}", Clause::String.wants(), value.get_type().name())
            })?,
        };
        self.push(&written)
    }

    fn write_nested(&mut self, value: &dyn Val) -> Result<(), String> {
        let unknown = || format!("no formatting function for {}", value.get_type().name());
        let written = match value.get_type().kind() {
            Kind::List => {
                self.push("[")?;
                let mut items = value.as_iterable().ok_or_else(unknown)?.iter();
                let mut is_first = true;
                while let Some(item) = items.next() {
                    self.push(if std::mem::take(&mut is_first) { "" } else { ", " })?;
                    self.write_nested(item)?;
                }
                "]".to_owned()
            }
            Kind::Map => return self.write_map(value),
            Kind::Double => {
                let double = value.downcast_ref::<CelDouble>().map_or(f64::NAN, |double| *double.inner());
                match not_finite(double) {
                    Some("∞") => "\"+Inf\"".to_owned(),
                    Some("-∞") => "\"-Inf\"".to_owned(),
                    Some(_) => "\"NaN\"".to_owned(),
                    None => format!("{double:.DEFAULT_PRECISION$}"),
                }
            }
            Kind::String => {
                let string = value.downcast_ref::<CelString<'_>>().map(CelString::inner).unwrap_or_default();
                self.budget.spend(steps(string.len() / 8)).map_err(|error| error.to_string())?;
                go_text::quoted(string)
            }
            Kind::Bytes => {
                let bytes = value.downcast_ref::<CelBytes<'_>>().map(CelBytes::inner).unwrap_or_default();
                let string = std::str::from_utf8(bytes).map_err(|_| "invalid UTF-8 in bytes".to_owned())?;
                format!("b{}", go_text::quoted(string))
            }
            Kind::NullType => "null".to_owned(),
            Kind::Duration => format!("duration(\"{}\")", scalar(value).ok_or_else(unknown)?),
            Kind::Timestamp => format!("timestamp(\"{}\")", scalar(value).ok_or_else(unknown)?),
            _ => scalar(value).ok_or_else(unknown)?,
        };
        self.push(&written)
    }

    /// In the order of the keys as they are written.
    fn write_map(&mut self, map: &dyn Val) -> Result<(), String> {
        let unknown = || format!("no formatting function for {}", map.get_type().name());
        let (mut keys, values) =
            (map.as_iterable().ok_or_else(unknown)?.iter(), map.as_indexer().ok_or_else(unknown)?);
        let mut entries = Vec::new();
        while let Some(key) = keys.next() {
            let mut text = Text { text: String::new(), budget: self.budget };
            text.write_nested(key)?;
            let key_text = std::mem::take(&mut text.text);
            text.write_nested(values.get(key).map_err(|error| error.to_string())?.as_ref())?;
            entries.push((key_text, text.text));
        }
        entries.sort();
        self.push("{")?;
        for (at, (key, value)) in entries.iter().enumerate() {
            self.push(if at == 0 { "" } else { ", " })?;
            self.push(key)?;
            self.push(":")?;
            self.push(value)?;
        }
        self.push("}")
    }
}

pub(super) fn scalar(value: &dyn Val) -> Option<String> {
    if let Some(bool) = value.downcast_ref::<CelBool>() {
        return Some(bool.inner().to_string());
    }
    if let Some(int) = value.downcast_ref::<CelInt>() {
        return Some(int.inner().to_string());
    }
    if let Some(uint) = value.downcast_ref::<CelUInt>() {
        return Some(uint.inner().to_string());
    }
    if let Some(duration) = value.downcast_ref::<Duration>() {
        return Some(duration.to_string());
    }
    if let Some(timestamp) = value.downcast_ref::<Timestamp>() {
        return Some(timestamp.to_string());
    }
    value.downcast_ref::<CelType>().map(|of| of.name().to_owned())
}

/// A double, or one of the names of those that have no digits.
fn double(value: &dyn Val) -> Option<f64> {
    if let Some(double) = value.downcast_ref::<CelDouble>() {
        return Some(*double.inner());
    }
    match value.downcast_ref::<CelString<'_>>()?.inner() {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn not_finite(double: f64) -> Option<&'static str> {
    match double {
        _ if double.is_nan() => Some("NaN"),
        f64::INFINITY => Some("∞"),
        f64::NEG_INFINITY => Some("-∞"),
        _ => None,
    }
}

/// With thousands separators.
fn fixed(double: f64, precision: usize) -> String {
    if let Some(name) = not_finite(double) {
        return name.to_owned();
    }
    let written = format!("{double:.precision$}");
    let (sign, unsigned) = written.strip_prefix('-').map_or(("", written.as_str()), |rest| ("-", rest));
    let (whole, fraction) =
        unsigned.split_once('.').map_or((unsigned, None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match fraction {
        Some(fraction) => format!("{sign}{grouped}.{fraction}"),
        None => format!("{sign}{grouped}"),
    }
}

/// `1.234568×10⁰⁴`.
fn scientific(double: f64) -> String {
    if let Some(name) = not_finite(double) {
        return name.to_owned();
    }
    let written = format!("{double:.DEFAULT_PRECISION$e}");
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(("", exponent), |digits| ("⁻", digits));
    let superscript: String = format!("{digits:0>2}")
        .chars()
        .filter_map(|digit| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(usize::try_from(digit.to_digit(10)?).ok()?))
        .collect();
    format!("{mantissa}×10{sign}{superscript}")
}
