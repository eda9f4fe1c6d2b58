//! Crash cards in words: what the worker was at, line by line, the same in every form of the
//! report.
//!
//! Nothing is looked up here; what nobody noted is left out.

use ab_protocol::black_box::{Fault, LaneRecord, Phase, Record};

use crate::analyse::CrashCard;
use crate::outcome::Outcome;

/// Lanes that a card shows when it is not known which one failed.
const LANES: usize = 4;

/// Title of a card: `foreign-mix, mincore-off, launch 0: SIGSEGV`.
pub(super) fn title(card: &CrashCard) -> String {
    let predicted = if card.expected { " (predicted)" } else { "" };
    format!(
        "{}, {}, launch {}: {}{predicted}",
        card.workload, card.variant, card.launch, card.outcome
    )
}

/// What is known, as (word, text).
pub(super) fn lines(card: &CrashCard) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(detail) = &card.detail {
        lines.push(("said", detail.clone()));
    }
    match &card.record {
        Some(told) => lines.extend(record(told)),
        None => lines.push(("known", "the worker keeps no black box".to_owned())),
    }
    lines.push(("replay", card.replay.clone()));
    lines
}

/// What a black box tells, as (word, text).
#[must_use]
pub fn record(record: &Record) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(fault) = &record.fault {
        lines.push(("fault", fault_in_words(fault)));
        lines.push(("at", place(fault)));
    }
    lines.push((
        "during",
        match (record.slice, record.phase) {
            (0, phase) => format!("{phase}, before the first slice"),
            (slice, Phase::Idle) => format!("waiting for a request after slice {slice}"),
            (slice, phase) => format!("slice {slice} since PREPARE, {phase}"),
        },
    ));
    let failed = record.fault.as_ref().and_then(|fault| fault.lane);
    let shown = record.lanes.iter().filter(|lane| failed.is_none_or(|failed| lane.lane == failed));
    for lane in shown.take(LANES) {
        lines.push(("last block", last_block(lane)));
    }
    lines
}

/// `SIGSEGV, nothing is mapped at 0x7f00dead`.
fn fault_in_words(fault: &Fault) -> String {
    let signal = Outcome::Signal(fault.signal);
    let thread = fault.lane.map_or(String::new(), |lane| format!(" in thread {lane}"));
    let Fault { code, address, .. } = fault;
    // The codes are those of sigaction(2).
    let why = match (fault.signal, code) {
        (_, ..=0) => "sent by a process, perhaps by itself".to_owned(),
        (11, 1) => format!("nothing is mapped at {address}"),
        (11, 2) => format!("{address} may not be touched so"),
        (11, 128) => "an address that no process can have".to_owned(),
        (7, 2) => format!("{address} lies beyond the end of what is mapped there"),
        _ => format!("code {code}, address {address}"),
    };
    format!("{signal}{thread}: {why}")
}

fn place(fault: &Fault) -> String {
    let module = match (&fault.module, fault.offset) {
        (Some(module), Some(offset)) => format!("{module}+{offset}"),
        _ => format!("instruction {}", fault.instruction),
    };
    match &fault.function {
        Some(function) => format!("{function}, {module}"),
        None => module,
    }
}

fn last_block(lane: &LaneRecord) -> String {
    let LaneRecord { lane, operation, size, pointer } = lane;
    if *operation == 0 {
        return format!("thread {lane}: none in this part yet");
    }
    format!("thread {lane}, number {operation} of this part: {size} bytes at {pointer}")
}
