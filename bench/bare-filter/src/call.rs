//! A host call, with what it is made with.

use crate::host;

const AUTHORIZATION: &[u8] = b"authorization";

/// A host call. Map numbers are the ABI's.
pub(crate) enum Call {
    /// WASI's clock of that number.
    Clock(u32),
    /// The time of day.
    Time,
    /// Which lines the log has.
    LogLevel,
    /// All of a header map.
    Pairs(u32),
    /// One value more.
    Add(u32, Vec<u8>, Vec<u8>),
    /// One value in the place of all.
    Replace(u32, Vec<u8>, Vec<u8>),
    /// No value.
    Remove(u32, Vec<u8>),
    /// The client's address: of what a property is, a proxy's log doesn't tell.
    Property,
    /// What access logs show.
    SetProperty(Vec<u8>, Vec<u8>),
    /// A value that workers share; of no bytes, if there is none.
    Read(Vec<u8>, usize),
    /// Writes it.
    Write(Vec<u8>, Vec<u8>),
    /// Counts.
    Count(i64),
}

impl Call {
    /// The call of that function with arguments of these sizes. Names are told apart by the position.
    pub(crate) fn read(function: &str, numbers: &[usize], position: usize) -> Option<Self> {
        let number = |at: usize| numbers.get(at).copied();
        let map = || u32::try_from(number(0)?).ok();
        let name = |at| Some(name(number(at)?, position));
        let value = |at| Some(vec![b'v'; number(at)?]);
        // A key is one for all calls with keys of its size: what is read is what was written.
        let key = || Some(vec![b'k'; number(1)?]);
        Some(match function {
            "clock_time_get" => Self::Clock(map()?),
            "proxy_get_current_time_nanoseconds" => Self::Time,
            "proxy_get_log_level" => Self::LogLevel,
            "proxy_get_header_map_pairs" => Self::Pairs(map()?),
            "proxy_add_header_map_value" => Self::Add(map()?, name(2)?, value(4)?),
            "proxy_replace_header_map_value" => Self::Replace(map()?, name(2)?, value(4)?),
            // One that requests have, if it is as long.
            "proxy_remove_header_map_value" if number(2) == Some(AUTHORIZATION.len()) => {
                Self::Remove(map()?, AUTHORIZATION.to_vec())
            }
            "proxy_remove_header_map_value" => Self::Remove(map()?, name(2)?),
            "proxy_get_property" => Self::Property,
            "proxy_set_property" => Self::SetProperty(name(1)?, value(3)?),
            "proxy_get_shared_data" => Self::Read(key()?, number(5).unwrap_or(0)),
            "proxy_set_shared_data" => Self::Write(key()?, value(3)?),
            "proxy_increment_metric" => Self::Count(number(1)?.try_into().ok()?),
            _ => return None,
        })
    }

    /// What has to be there before the call can be made; whether it is.
    pub(crate) fn prepare(&self) -> bool {
        match self {
            Self::Read(key, size) if *size > 0 => host::write(key, &vec![b'v'; *size]),
            _ => true,
        }
    }

    /// Makes it; whether that went as it should.
    pub(crate) fn make(&self, counter: u32) -> bool {
        match self {
            Self::Clock(clock) => host::clock(*clock),
            Self::Time => host::time(),
            Self::LogLevel => host::log_level(),
            Self::Pairs(map) => host::pairs(*map),
            Self::Add(map, name, value) => host::add(*map, name, value),
            Self::Replace(map, name, value) => host::replace(*map, name, value),
            Self::Remove(map, name) => host::remove(*map, name),
            Self::Property => host::property(b"source\0address"),
            Self::SetProperty(name, value) => host::set_property(name, value),
            Self::Read(key, size) => host::read(key).map_or(*size == 0, |read| read == *size),
            Self::Write(key, value) => host::write(key, value),
            Self::Count(offset) => host::increment_metric(counter, *offset),
        }
    }
}

/// A name of so many bytes that no other position has, as far as they reach: `bare-07xxxxxx`.
fn name(size: usize, position: usize) -> Vec<u8> {
    let start = format!("bare-{position:02}");
    start.bytes().chain(std::iter::repeat(b'x')).take(size).collect()
}
