//! Timestamps: `timestamp("2026-01-31T12:00:00Z")`, RFC 3339, of the years 1 to 9999.

use std::any::Any;
use std::cmp::Ordering;
use std::fmt;

use cel::common::traits::{Adder, Comparer, Subtractor};
use cel::common::types::{CelInt, CelString, STRING_TYPE, TIMESTAMP_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError, add_overload};
use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use super::super::functions::{Args, Outcome, no_overload, text};
use super::super::library::{Cost, Function};
use super::duration::{Duration, overflow};
use super::error;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("getDate", Some(Cost::Rest), PARTS),
    Function::new("getDayOfMonth", Some(Cost::Rest), PARTS),
    Function::new("getDayOfWeek", Some(Cost::Rest), PARTS),
    Function::new("getDayOfYear", Some(Cost::Rest), PARTS),
    Function::new("getFullYear", Some(Cost::Rest), PARTS),
    Function::new("getHours", Some(Cost::Rest), PARTS),
    Function::new("getMilliseconds", Some(Cost::Rest), PARTS),
    Function::new("getMinutes", Some(Cost::Rest), PARTS),
    Function::new("getMonth", Some(Cost::Rest), PARTS),
    Function::new("getSeconds", Some(Cost::Rest), PARTS),
    Function::new("int", None, &["(timestamp) int"]),
    Function::counting("string", &["(timestamp) string"]),
    Function::new(
        "timestamp",
        Some(Cost::Size(1)),
        &["(timestamp) timestamp", "(int) timestamp", "(string) timestamp"],
    ),
];

const PARTS: &[&str] = &["timestamp.() int", "timestamp.(string) int"];

/// Reads one part of a date and time.
macro_rules! part {
    ($env:ident, $name:literal, $read:expr) => {{
        fn part<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
            let read: fn(DateTime) -> i64 = $read;
            local(&args).map(|local| CowVal::owned(CelInt::from(read(local))))
        }
        $env.add_member_overload($name, concat!("timestamp_", $name), TIMESTAMP_TYPE, vec![], part)?;
        $env.add_member_overload(
            $name,
            concat!("timestamp_", $name, "_with_tz"),
            TIMESTAMP_TYPE,
            vec![STRING_TYPE],
            part,
        )?;
    }};
}

pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_type(TIMESTAMP_TYPE)?;
    add_overload!(env, fn timestamp: (CelString<'_>) -> Result<Timestamp>)?;
    add_overload!(env, fn of_seconds: (CelInt) -> Result<Timestamp>, name = "timestamp")?;
    add_overload!(env, fn same: (Timestamp) -> Timestamp, name = "timestamp")?;
    add_overload!(env, fn seconds: (Timestamp) -> CelInt, name = "int", id = "timestamp_to_int")?;
    part!(env, "getFullYear", |at| at.year().into());
    part!(env, "getMonth", |at| i64::from(at.month()) - 1);
    part!(env, "getDate", |at| at.day().into());
    part!(env, "getDayOfMonth", |at| i64::from(at.day()) - 1);
    part!(env, "getDayOfWeek", |at| at.weekday().to_sunday_zero_offset().into());
    part!(env, "getDayOfYear", |at| i64::from(at.day_of_year()) - 1);
    part!(env, "getHours", |at| at.hour().into());
    part!(env, "getMinutes", |at| at.minute().into());
    part!(env, "getSeconds", |at| at.second().into());
    part!(env, "getMilliseconds", |at| at.millisecond().into());
    Ok(())
}

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
const SECOND: i128 = 1_000_000_000;
/// The years 1 to 9999.
const RANGE: std::ops::RangeInclusive<i128> =
    -62_135_596_800 * SECOND..=253_402_300_799 * SECOND + (SECOND - 1);

/// A moment, and the offset that it is written with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timestamp {
    /// Since 1970.
    nanoseconds: i128,
    offset: Offset,
}

impl Timestamp {
    fn new(nanoseconds: i128, offset: Offset) -> Option<Self> {
        RANGE.contains(&nanoseconds).then_some(Self { nanoseconds, offset })
    }

    /// Reads a timestamp as Go's time.Parse(time.RFC3339) does.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader(text);
        let year = reader.digits(4)?;
        let month = reader.after('-')?.digits(2)?;
        let day = reader.after('-')?.digits(2)?;
        reader.after('T')?;
        // Go takes one digit for an hour, too.
        let hour = reader.digits(2).or_else(|| reader.digits(1))?;
        let minute = reader.after(':')?.digits(2)?;
        let second = reader.after(':')?.digits(2)?;
        let nanosecond = reader.fraction()?;
        let offset = match reader.0 {
            "Z" => 0,
            rest => {
                let sign = if rest.starts_with('-') { -1 } else { 1 };
                reader.0 = rest.strip_prefix(['+', '-'])?;
                let hours = reader.digits(2).filter(|hours| *hours <= 24)?;
                let minutes = reader.after(':')?.digits(2).filter(|minutes| *minutes < 60)?;
                reader.0.is_empty().then_some(sign * (hours * 60 + minutes) * 60)?
            }
        };
        let small = |number: i32| i8::try_from(number).ok();
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let local = DateTime::new(
            i16::try_from(year).ok()?,
            small(month)?,
            small(day)?,
            small(hour)?,
            small(minute)?,
            small(second)?,
            nanosecond,
        )
        .ok()?;
        let offset_of = Offset::from_seconds(offset).ok()?;
        let utc = local.duration_since(EPOCH).as_nanos() - i128::from(offset) * SECOND;
        Self::new(utc, offset_of)
    }

    pub(super) fn plus(self, nanoseconds: i128) -> Result<Self, ExecutionError> {
        self.nanoseconds
            .checked_add(nanoseconds)
            .and_then(|sum| Self::new(sum, self.offset))
            .ok_or_else(|| overflow("timestamp"))
    }

    /// The date and time with an offset from UTC.
    fn at_offset(self, offset: Offset) -> Option<DateTime> {
        let nanoseconds = self.nanoseconds + i128::from(offset.seconds()) * SECOND;
        EPOCH.checked_add(SignedDuration::try_from_nanos_i128(nanoseconds)?).ok()
    }

    fn in_zone(self, zone: &TimeZone) -> Option<DateTime> {
        let moment = jiff::Timestamp::from_nanosecond(self.nanoseconds).ok();
        match zone.to_fixed_offset() {
            Ok(offset) => self.at_offset(offset),
            Err(_) => moment.map(|moment| zone.to_datetime(moment)),
        }
    }
}

struct Reader<'t>(&'t str);

impl Reader<'_> {
    fn after(&mut self, character: char) -> Option<&mut Self> {
        self.0 = self.0.strip_prefix(character)?;
        Some(self)
    }

    fn digits(&mut self, count: usize) -> Option<i32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?;
        self.0 = rest;
        number
    }

    /// A fraction of a second, in nanoseconds: none, or at least one digit.
    fn fraction(&mut self) -> Option<i32> {
        let Some(rest) = self.0.strip_prefix(['.', ',']) else { return Some(0) };
        let (digits, rest) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        self.0 = rest;
        let kept = digits.get(..digits.len().min(9)).filter(|kept| !kept.is_empty())?;
        format!("{kept:0<9}").parse().ok()
    }
}

/// RFC 3339 with the offset it was written with and as many digits as it needs.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.at_offset(self.offset).ok_or(fmt::Error)?;
        write!(f, "{:04}-{:02}-{:02}", local.year(), local.month(), local.day())?;
        write!(f, "T{:02}:{:02}:{:02}", local.hour(), local.minute(), local.second())?;
        if local.subsec_nanosecond() != 0 {
            write!(f, ".{}", format!("{:09}", local.subsec_nanosecond()).trim_end_matches('0'))?;
        }
        match self.offset.seconds() {
            0 => f.write_str("Z"),
            seconds => {
                let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs() / 60);
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        }
    }
}

impl Val for Timestamp {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        &TIMESTAMP_TYPE
    }

    fn as_adder<'b, 'v>(&'b self) -> Option<&'b (dyn Adder + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_comparer(&self) -> Option<&dyn Comparer> {
        Some(self)
    }

    fn as_subtractor<'b, 'v>(&'b self) -> Option<&'b (dyn Subtractor + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>().is_some_and(|other| self.nanoseconds == other.nanoseconds)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(*self)
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Timestamp {}

impl Adder for Timestamp {
    fn add<'b, 'v>(&'b self, rhs: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let duration = rhs.downcast_ref::<Duration>().ok_or_else(|| no_overload("_+_", &[self, rhs]))?;
        self.plus(i128::from(duration.0)).map(CowVal::owned)
    }
}

impl Subtractor for Timestamp {
    fn sub<'b, 'v>(&'b self, rhs: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        if let Some(duration) = rhs.downcast_ref::<Duration>() {
            return self.plus(-i128::from(duration.0)).map(CowVal::owned);
        }
        let other = rhs.downcast_ref::<Self>().ok_or_else(|| no_overload("_-_", &[self, rhs]))?;
        i64::try_from(self.nanoseconds - other.nanoseconds)
            .map(|between| CowVal::owned(Duration(between)))
            .map_err(|_| overflow("_-_"))
    }
}

impl Comparer for Timestamp {
    fn compare(&self, rhs: &dyn Val) -> Result<Ordering, ExecutionError> {
        let other = rhs.downcast_ref::<Self>().ok_or_else(|| no_overload("_<_", &[self, rhs]))?;
        Ok(self.nanoseconds.cmp(&other.nanoseconds))
    }
}

/// The date and time in UTC, or in the time zone that is the second argument: a name, or an offset such as `+02:00`.
fn local(args: &Args<'_, '_>) -> Result<DateTime, ExecutionError> {
    let at = args
        .first()
        .and_then(|at| at.downcast_ref::<Timestamp>())
        .ok_or_else(|| error("timestamp", "not a timestamp"))?;
    let zone = match args.get(1).map(text) {
        None => TimeZone::UTC,
        Some(name) => name.and_then(zone).ok_or_else(|| error("timestamp", "unknown time zone"))?,
    };
    at.in_zone(&zone).ok_or_else(|| overflow("timestamp"))
}

/// As cel-go: what has a colon is an offset, anything else the name of a zone. The zones are those that the program
/// carries, not those of the machine.
fn zone(name: &str) -> Option<TimeZone> {
    if let Some((hours, minutes)) = name.split_once(':') {
        let (hours, minutes) = (hours.parse::<i32>().ok()?, minutes.parse::<i32>().ok()?);
        let total =
            hours.checked_mul(60)?.checked_add(if name.starts_with('-') { -minutes } else { minutes })?;
        return Offset::from_seconds(total.checked_mul(60)?).ok().map(TimeZone::fixed);
    }
    match name {
        "" | "UTC" => Some(TimeZone::UTC),
        name => TimeZoneDatabase::bundled().get(name).ok(),
    }
}

fn timestamp(text: &CelString<'_>) -> Result<Timestamp, ExecutionError> {
    Timestamp::parse(text.inner()).ok_or_else(|| error("timestamp", "not a timestamp of RFC 3339"))
}

pub(super) fn of_seconds(seconds: &CelInt) -> Result<Timestamp, ExecutionError> {
    Timestamp::new(i128::from(*seconds.inner()) * SECOND, Offset::UTC).ok_or_else(|| overflow("timestamp"))
}

fn same(timestamp: &Timestamp) -> Timestamp {
    *timestamp
}

fn seconds(timestamp: &Timestamp) -> CelInt {
    CelInt::from(i64::try_from(timestamp.nanoseconds.div_euclid(SECOND)).unwrap_or(i64::MAX))
}
