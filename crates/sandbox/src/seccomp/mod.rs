//! System-call filters: what a filter says ([`Filter`]), the one that every sandbox gets ([`standard`]), and the compiler to the
//! classic BPF that the kernel runs ([`compile`], `seccomp(2)`).
//!
//! The filter is the last line: namespaces, the mount tree and the lack of capabilities already refuse nearly all that it
//! refuses. It takes away the kernel code in which the bugs are found that break those.

mod ours;
mod program;
mod standard;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;

use belljar_sys::seccomp::Instruction;

pub(crate) use ours::{interpreter, launcher, server};
pub(crate) use program::compile;
pub(crate) use standard::{for_layers, refuse_groups, standard, without_set_id};
pub(crate) use watch::watch;

#[cfg(not(target_arch = "x86_64"))]
compile_error!(
    "belljar's system-call filter knows the call numbers of x86_64 only: port crates/sandbox/src/seccomp to this architecture"
);

/// `AUDIT_ARCH_X86_64` of `linux/audit.h`: what `seccomp_data.arch` holds in a native call.
pub(crate) const ARCH_X86_64: u32 = 0xc000_003e;

/// Set in the number of every x32 call, which otherwise arrives with the native architecture value.
pub(crate) const X32_BIT: u32 = 0x4000_0000;

/// The filter of system calls for a process of ours that interprets a script inside a sandbox, on top of the sandbox's own: reading,
/// memory, time and an end; what it had open before, it may write to.
#[must_use]
pub fn interpreter_filter() -> Vec<Instruction> {
    compile(&interpreter()).instructions
}

/// What happens to a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// It is carried out.
    Allow,
    /// It is not carried out and reports this error number (0 to 4095); 0 reports success.
    Errno(u16),
    /// The init is told, and lets it be carried out.
    Report,
    /// The whole process dies by `SIGSYS`.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "the standard filter answers with errors, which programs handle; filters of ours need not"
        )
    )]
    Kill,
}

impl Action {
    /// The value that a filter returns for it (`SECCOMP_RET_*`).
    pub(crate) const fn encode(self) -> u32 {
        match self {
            Self::Allow => 0x7fff_0000,
            Self::Errno(number) => 0x0005_0000 | number as u32,
            Self::Report => 0x7fc0_0000,
            Self::Kill => 0x8000_0000,
        }
    }
}

/// One 32-bit half of a 64-bit argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    /// Bits 0 to 31. The only half of arguments that the kernel takes as `int`: comparing more would let a program past the
    /// filter by setting a bit that the kernel ignores (CVE-2019-7303 and CVE-2019-10063 did that to `TIOCSTI`).
    Low,
    /// Bits 32 to 63, of pointers.
    High,
}

/// A look at one half of one argument: true when its bits below `mask` equal one of `values`.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    /// Which argument, 0 to 5.
    pub(crate) argument: u8,
    /// Which half of it.
    pub(crate) half: Half,
    /// The bits that count.
    pub(crate) mask: u32,
    /// What they are compared with.
    pub(crate) values: Vec<u32>,
}

/// An action, if all comparisons are true.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// The comparisons; an empty list is true.
    pub(crate) all: Vec<Comparison>,
    /// What then happens.
    pub(crate) action: Action,
}

/// What happens to one system call: the action of the first case that holds, else the last one.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// The cases, in order; several with one action are its alternatives.
    pub(crate) cases: Vec<Case>,
    /// The action when no case holds.
    pub(crate) otherwise: Action,
}

/// What happens to every system call.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    /// For numbers without a rule.
    pub(crate) default: Action,
    /// For calls that are not native x86_64 ones: i386 (`int 0x80`) and x32.
    pub(crate) foreign: Action,
    /// The rules, by call number.
    pub(crate) rules: BTreeMap<u32, Rule>,
}

impl Filter {
    /// A filter without rules.
    pub(crate) const fn new(default: Action, foreign: Action) -> Self {
        Self { default, foreign, rules: BTreeMap::new() }
    }

    /// Gives each of these calls this action, whatever its arguments.
    pub(crate) fn group(&mut self, action: Action, numbers: &[libc::c_long]) {
        for &number in numbers {
            self.rule(number, Vec::new(), action);
        }
    }

    /// Gives this call these cases.
    pub(crate) fn rule(&mut self, number: libc::c_long, cases: Vec<Case>, otherwise: Action) {
        let former = self.replace(number, cases, otherwise);
        debug_assert!(former.is_none(), "two rules for call {number}");
    }

    /// Gives this call, which has a rule, cases that come before those that it has.
    pub(crate) fn before(&mut self, number: libc::c_long, mut cases: Vec<Case>) {
        let rule = u32::try_from(number).ok().and_then(|number| self.rules.get_mut(&number));
        debug_assert!(rule.is_some(), "no rule for call {number}");
        if let Some(rule) = rule {
            cases.append(&mut rule.cases);
            rule.cases = cases;
        }
    }

    /// Gives this call other cases than it had.
    pub(crate) fn replace(&mut self, number: libc::c_long, cases: Vec<Case>, otherwise: Action) -> Option<Rule> {
        let number = u32::try_from(number).expect("call numbers of the kernel's table are small and positive");
        self.rules.insert(number, Rule { cases, otherwise })
    }
}
