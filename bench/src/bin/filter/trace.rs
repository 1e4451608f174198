//! What Envoy logs of host calls at level trace: `[vm->host] env.proxy_get_property(1060376, 14, 1047096, 1047100)`, and
//! around them the events, `[host->vm] proxy_on_request_headers(5, 10, 1)` to `[host<-vm] proxy_on_request_headers return: 0`.

use std::collections::HashMap;

use anyhow::{Context as _, Result};

use crate::host_call::HostCall;

const ALLOCATION: &str = "proxy_on_memory_allocate";

/// The calls of each request that has ended, in the order in which they ended. Lines of debugging are left out.
pub(crate) fn requests(log: &str) -> Result<Vec<Vec<HostCall>>> {
    let mut ended = Vec::new();
    let mut threads: HashMap<&str, Thread<'_>> = HashMap::new();
    for line in log.lines() {
        let Some((start, message)) = line.split_once("[trace][wasm] ") else { continue };
        // `[2026-11-27 13:49:00.756][13364]`: the second is the thread.
        let thread = threads.entry(start.rsplit('[').next().unwrap_or_default()).or_default();
        // `[source/extensions/common/wasm/wasm_vm.cc:39] [vm->host] …`
        let message = message.split_once("] ").map_or(message, |(_, message)| message);
        if let Some(event) = message.strip_prefix("[host->vm] ") {
            thread.enter(event).with_context(|| line.to_owned())?;
        } else if let Some(event) = message.strip_prefix("[host<-vm] ") {
            let is_delete = event.starts_with("proxy_on_delete ");
            let (_, context) = thread.events.pop().with_context(|| line.to_owned())?;
            if is_delete && let Some(calls) = thread.streams.remove(&context) {
                ended.push(calls);
            }
        } else if let Some(call) = message.strip_prefix("[vm->host] ") {
            thread.call(call).with_context(|| line.to_owned())?;
        }
    }
    for calls in &mut ended {
        calls.retain(|call| !call.writes_for_debugging());
    }
    Ok(ended)
}

/// A virtual machine: each thread has its own.
#[derive(Default)]
struct Thread<'l> {
    /// The events under way, each within the one before, with the context that it is about.
    events: Vec<(&'l str, u64)>,
    /// The calls of each request that has not ended.
    streams: HashMap<u64, Vec<HostCall>>,
}

impl<'l> Thread<'l> {
    fn enter(&mut self, event: &'l str) -> Result<()> {
        let (name, arguments) = read(event)?;
        let first = arguments.first().copied().unwrap_or_default();
        if name == ALLOCATION {
            // Of what the call under way returns.
            let context = self.events.last().map_or(0, |(_, context)| *context);
            if let Some(call) = self.streams.get_mut(&context).and_then(|calls| calls.last_mut()) {
                call.returned = Some(first);
            }
            self.events.push((name, context));
            return Ok(());
        }
        // A context without a parent is the filter itself.
        if name == "proxy_on_context_create" && arguments.get(1).is_some_and(|parent| *parent != 0) {
            self.streams.insert(first, Vec::new());
        }
        self.events.push((name, first));
        Ok(())
    }

    fn call(&mut self, call: &str) -> Result<()> {
        let (function, arguments) = read(call)?;
        let function = function.rsplit('.').next().unwrap_or(function).to_owned();
        let Some((event, context)) = self.events.last() else { return Ok(()) };
        if let Some(calls) = self.streams.get_mut(context) {
            calls.push(HostCall { event: (*event).to_owned(), function, arguments, returned: None });
        }
        Ok(())
    }
}

/// `name(1, 2)`
fn read(text: &str) -> Result<(&str, Vec<u64>)> {
    let (name, arguments) = text.split_once('(').context("no arguments")?;
    let arguments = arguments.strip_suffix(')').context("no end of the arguments")?;
    let numbers = arguments.split(", ").filter(|number| !number.is_empty()).map(str::parse);
    Ok((name, numbers.collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_those_of_the_request_and_event_that_they_were_made_in() -> Result<()> {
        let lines = [
            (7, "[host->vm] proxy_on_context_create(1, 0)"),
            (7, "[host<-vm] proxy_on_context_create return: void"),
            (7, "[host->vm] proxy_on_configure(1, 30)"),
            (7, "[vm->host] env.proxy_get_buffer_bytes(7, 0, 30, 8, 12)"),
            (7, "[vm<-host] env.proxy_get_buffer_bytes return: 0"),
            (7, "[host<-vm] proxy_on_configure return: 1"),
            (7, "[host->vm] proxy_on_context_create(2, 1)"),
            (7, "[host<-vm] proxy_on_context_create return: void"),
            (7, "[host->vm] proxy_on_request_headers(2, 10, 1)"),
            (7, "[vm->host] env.proxy_get_header_map_pairs(0, 1048520, 1048524)"),
            (7, "[host->vm] proxy_on_memory_allocate(860)"),
            // Another thread's, meanwhile.
            (8, "[host->vm] proxy_on_tick(1)"),
            (8, "[vm->host] env.proxy_set_tick_period_milliseconds(1000)"),
            (8, "[host<-vm] proxy_on_tick return: void"),
            (7, "[host<-vm] proxy_on_memory_allocate return: 1117504"),
            (7, "[vm<-host] env.proxy_get_header_map_pairs return: 0"),
            (7, "[vm->host] wasi_snapshot_preview1.clock_time_get(1, 1, 1046248)"),
            (7, "[vm<-host] wasi_snapshot_preview1.clock_time_get return: 0"),
            (7, "[vm->host] env.proxy_log(1, 1125888, 83)"),
            (7, "[vm<-host] env.proxy_log return: 0"),
            (7, "[host<-vm] proxy_on_request_headers return: 0"),
            (7, "[host->vm] proxy_on_response_headers(2, 3, 0)"),
            (7, "[vm->host] env.proxy_add_header_map_value(2, 1122880, 15, 1122912, 4)"),
            (7, "[vm<-host] env.proxy_add_header_map_value return: 0"),
            (7, "[host<-vm] proxy_on_response_headers return: 0"),
            (7, "[host->vm] proxy_on_delete(2)"),
            (7, "[host<-vm] proxy_on_delete return: void"),
            // One that has not ended.
            (7, "[host->vm] proxy_on_context_create(3, 1)"),
            (7, "[host<-vm] proxy_on_context_create return: void"),
        ];
        let log: String = lines
            .iter()
            .map(|(thread, message)| {
                format!("[2026-11-27 13:49:00.756][{thread}][trace][wasm] [source/wasm_vm.cc:39] {message}\n")
            })
            .collect();
        let [calls] = &requests(&log)?[..] else { panic!("not one request") };
        let lines: Vec<String> = calls.iter().map(HostCall::line).collect();
        let wanted = [
            "proxy_on_request_headers proxy_get_header_map_pairs 0 1048520 1048524 860",
            "proxy_on_request_headers clock_time_get 1 1 1046248",
            "proxy_on_response_headers proxy_add_header_map_value 2 1122880 15 1122912 4",
        ];
        assert_eq!(lines, wanted);
        Ok(())
    }
}
