//! The compiler from [`Filter`] to classic BPF.
//!
//! The kernel runs a filter once for *every* call number when it is installed, to learn which numbers are always allowed: a chain
//! of comparisons costs a millisecond there, a balanced search 0.17 ms. So neighbouring numbers with the same action become one
//! range, and the ranges a search tree.
//!
//! Programs are emitted from their last instruction to the first. BPF jumps forwards only, so the target of each jump is
//! known when the jump is written.

use std::collections::BTreeMap;

use belljar_sys::seccomp::Instruction;

use super::{ARCH_X86_64, Action, Case, Comparison, Filter, Half, Rule, X32_BIT};

/// A filter as the kernel takes it.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// Its instructions; the kernel takes 1 to 4096.
    pub(crate) instructions: Vec<Instruction>,
}

// Operations of `linux/bpf_common.h` that the kernel allows in a filter and that we use.

/// Load the 32-bit word at offset `k` of `struct seccomp_data`.
pub(super) const LOAD: u16 = 0x20;
/// Keep the bits of the loaded word that are set in `k`.
pub(super) const AND: u16 = 0x54;
/// Skip `k` instructions.
pub(super) const JUMP: u16 = 0x05;
/// Compare: equal to `k`.
pub(super) const EQUAL: u16 = 0x15;
/// Compare: at least `k`, unsigned.
pub(super) const AT_LEAST: u16 = 0x35;
/// Compare: any bit of `k` is set.
pub(super) const ANY_BIT: u16 = 0x45;
/// End with the result `k`.
pub(super) const RETURN: u16 = 0x06;

/// Offset of the call number in `struct seccomp_data`.
pub(super) const NUMBER_OFFSET: u32 = 0;
/// Offset of the architecture.
pub(super) const ARCH_OFFSET: u32 = 4;
/// Offset of the first argument; six of 8 bytes follow one another.
pub(super) const ARGUMENTS_OFFSET: u32 = 16;

/// How far a conditional jump reaches.
const REACH: usize = 255;

/// Compiles a filter.
pub(crate) fn compile(filter: &Filter) -> Program {
    let mut emitter = Emitter { reversed: Vec::new(), returns: BTreeMap::new() };
    let segments = segments(filter);
    let search = emitter.search(&segments);
    let foreign = emitter.result(filter.foreign);
    emitter.branch(ANY_BIT, X32_BIT, foreign, search);
    let native = emitter.emit(LOAD, NUMBER_OFFSET);
    let foreign = emitter.result(filter.foreign);
    emitter.branch(EQUAL, ARCH_X86_64, native, foreign);
    emitter.emit(LOAD, ARCH_OFFSET);
    emitter.reversed.reverse();
    Program { instructions: emitter.reversed }
}

/// What happens to the call numbers from `first` up to the next segment's.
struct Segment<'a> {
    first: u32,
    decision: Decision<'a>,
}

enum Decision<'a> {
    Always(Action),
    Cases(&'a Rule),
}

/// Cuts all call numbers into segments, the first beginning at 0, as few as possible.
fn segments(filter: &Filter) -> Vec<Segment<'_>> {
    let mut segments: Vec<Segment<'_>> = Vec::new();
    let mut next = 0;
    for (&number, rule) in &filter.rules {
        if number > next {
            extend(&mut segments, next, Decision::Always(filter.default));
        }
        let decision = if rule.cases.is_empty() { Decision::Always(rule.otherwise) } else { Decision::Cases(rule) };
        extend(&mut segments, number, decision);
        next = number + 1;
    }
    extend(&mut segments, next, Decision::Always(filter.default));
    segments
}

/// Appends a segment, unless the last one already says the same.
fn extend<'a>(segments: &mut Vec<Segment<'a>>, first: u32, decision: Decision<'a>) {
    if let (Some(Segment { decision: Decision::Always(last), .. }), Decision::Always(new)) =
        (segments.last(), &decision)
        && last == new
    {
        return;
    }
    segments.push(Segment { first, decision });
}

/// An instruction's place, counted from the program's end.
type Label = usize;

struct Emitter {
    /// The program so far, last instruction first.
    reversed: Vec<Instruction>,
    /// The nearest return of each action.
    returns: BTreeMap<Action, Label>,
}

impl Emitter {
    fn push(&mut self, instruction: Instruction) -> Label {
        self.reversed.push(instruction);
        self.reversed.len() - 1
    }

    fn emit(&mut self, code: u16, k: u32) -> Label {
        self.push(Instruction { code, jt: 0, jf: 0, k })
    }

    /// A return of this action.
    fn result(&mut self, action: Action) -> Label {
        if let Some(&label) = self.returns.get(&action) {
            return label;
        }
        let label = self.emit(RETURN, action.encode());
        self.returns.insert(action, label);
        label
    }

    /// Instructions between the next one to be emitted and this label.
    fn distance(&self, label: Label) -> usize {
        self.reversed.len() - 1 - label
    }

    /// A place that does the same as `target` and that a conditional jump reaches, even `slack` instructions further on.
    fn near(&mut self, target: Label, slack: usize) -> Label {
        if self.distance(target) + slack <= REACH {
            return target;
        }
        let instruction = self.reversed[target];
        if instruction.code == RETURN {
            // As long as a jump to it, and quicker.
            let copy = self.push(instruction);
            for label in self.returns.values_mut().filter(|label| **label == target) {
                *label = copy;
            }
            return copy;
        }
        let distance = u32::try_from(self.distance(target)).expect("a program has at most 4096 instructions");
        self.emit(JUMP, distance)
    }

    /// A comparison of the loaded word that goes to `yes` or to `no`.
    fn branch(&mut self, code: u16, k: u32, yes: Label, no: Label) -> Label {
        let yes = self.near(yes, 1); // `no` may need an instruction in between
        let no = self.near(no, 0);
        let offset = |distance| u8::try_from(distance).expect("`near` keeps targets within reach");
        let (jt, jf) = (offset(self.distance(yes)), offset(self.distance(no)));
        self.push(Instruction { code, jt, jf, k })
    }

    /// The search of the loaded call number in these segments.
    fn search(&mut self, segments: &[Segment<'_>]) -> Label {
        match segments {
            [] => unreachable!("segments cover all numbers"),
            [Segment { decision: Decision::Always(action), .. }] => self.result(*action),
            [Segment { decision: Decision::Cases(rule), .. }] => self.rule(rule),
            _ => {
                let (below, above) = segments.split_at(segments.len() / 2);
                let pivot = above[0].first;
                let above = self.search(above);
                let below = self.search(below);
                self.branch(AT_LEAST, pivot, above, below)
            }
        }
    }

    fn rule(&mut self, rule: &Rule) -> Label {
        let mut next = self.result(rule.otherwise);
        for case in rule.cases.iter().rev() {
            next = self.case(case, next);
        }
        next
    }

    /// The comparisons of one case, which go on to `otherwise` when one is false.
    fn case(&mut self, case: &Case, otherwise: Label) -> Label {
        let mut then = self.result(case.action);
        for comparison in case.all.iter().rev() {
            then = self.comparison(comparison, then, otherwise);
        }
        then
    }

    fn comparison(&mut self, comparison: &Comparison, then: Label, otherwise: Label) -> Label {
        if comparison.values.is_empty() {
            return otherwise;
        }
        let mut next = otherwise;
        for &value in comparison.values.iter().rev() {
            next = self.branch(EQUAL, value, then, next);
        }
        // What is emitted from here on runs straight into the first comparison, the instruction emitted last.
        if comparison.mask != u32::MAX {
            self.emit(AND, comparison.mask);
        }
        self.emit(LOAD, word_offset(comparison))
    }
}

/// Where a comparison's word is in `struct seccomp_data`, on a little-endian machine.
pub(super) fn word_offset(comparison: &Comparison) -> u32 {
    let half = match comparison.half {
        Half::Low => 0,
        Half::High => 4,
    };
    ARGUMENTS_OFFSET + 8 * u32::from(comparison.argument) + half
}
