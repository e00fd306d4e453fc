//! How a scan is done, in PT Sandbox's words. The defaults are those that its own client sends.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::words::VncMode;
use crate::sandbox::Options;

/// A scan that says itself how it is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Scan {
    /// What the web interface calls it; the SHA-256 by default.
    pub name: Option<String>,
    /// 1 to 4, the higher the earlier; 3 by default.
    pub priority: u8,
    /// How.
    pub options: ScanOptions,
}

impl Default for Scan {
    fn default() -> Self {
        Self { name: None, priority: 3, options: ScanOptions::default() }
    }
}

/// A scan by a source: its settings say how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceScan {
    /// What the web interface calls it; the SHA-256 by default.
    pub name: Option<String>,
    /// 1 to 4, the higher the earlier; 3 by default.
    pub priority: u8,
    /// Passwords that are tried on archives.
    pub passwords: Vec<String>,
    /// Which product asks: `PT_EDR` or `PT_CS`.
    pub product: Option<String>,
    /// What that product says of the sample, as names and values. There is no way to write a comma.
    pub metadata: Vec<(String, String)>,
}

impl Default for SourceScan {
    fn default() -> Self {
        Self { name: None, priority: 3, passwords: Vec::new(), product: None, metadata: Vec::new() }
    }
}

/// A run in a virtual machine alone, without unpacking, of the debug API.
#[derive(Debug, Clone, PartialEq)]
pub struct Behaviour {
    /// What the web interface calls it; the SHA-256 by default.
    pub name: Option<String>,
    /// 1 to 4, the higher the earlier; 3 by default.
    pub priority: u8,
    /// How.
    pub options: BehaviourOptions,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { name: None, priority: 3, options: BehaviourOptions::default() }
    }
}

/// How a scan is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScanOptions {
    /// Levels of archives, mails and links that are unpacked; 2 by default, 0 is none.
    pub analysis_depth: u32,
    /// Seconds until there must be an answer, 10 to 3600; 1200 by default.
    pub scan_timeout: u32,
    /// Seconds of the whole, waiting included, 300 to 10800; 3600 by default.
    pub max_execution_time: u32,
    /// Passwords that are tried on archives.
    pub passwords_for_unpack: Vec<String>,
    /// Take what came of an earlier scan of the same; false by default.
    pub cache_enabled: bool,
    /// Look at links inside too; true by default.
    pub url_extract_enabled: bool,
    /// Use rules that are being tried; false by default.
    pub enable_experimental_yara_rules: bool,
    /// What is suspicious by its form alone, such as `pdf_has_javascript`; the server's settings by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark_suspicious_files_options: Option<Map<String, Value>>,
    /// What is dangerous by its form alone; `apk_tampered` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark_dangerous_files_options: Option<Map<String, Value>>,
    /// The run in a virtual machine.
    pub sandbox: MachineOptions,
    /// Anything else, sent as it is.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            analysis_depth: 2,
            scan_timeout: 1200,
            max_execution_time: 3600,
            passwords_for_unpack: Vec::new(),
            cache_enabled: false,
            url_extract_enabled: true,
            enable_experimental_yara_rules: false,
            mark_suspicious_files_options: None,
            mark_dangerous_files_options: Some(Map::from_iter([("apk_tampered".to_owned(), true.into())])),
            sandbox: MachineOptions::default(),
            others: Map::new(),
        }
    }
}

/// A virtual machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Its image; `win7-sp1-x64` by default. [`Pt::images`](super::Pt::images) are there.
    pub image_id: String,
    /// How the sample is started; `{file}` is its path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_command: Option<String>,
    /// Keep the memory of processes that live to the end; true by default.
    pub procdump_new_processes_on_finish: bool,
    /// Seconds that the sample is watched, 10 or more; 120 by default.
    pub analysis_duration: u32,
    /// Restart it and watch again; false by default.
    pub bootkitmon: bool,
    /// Seconds of that, 10 or more; 60 by default.
    pub analysis_duration_bootkitmon: u32,
    /// Record the screen; true by default.
    pub save_video: bool,
    /// Open its TLS connections; true by default.
    pub mitm_enabled: bool,
    /// For who looks for faults.
    pub debug_options: DebugOptions,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            image_id: "win7-sp1-x64".to_owned(),
            custom_command: None,
            procdump_new_processes_on_finish: true,
            analysis_duration: 120,
            bootkitmon: false,
            analysis_duration_bootkitmon: 60,
            save_video: true,
            mitm_enabled: true,
            debug_options: DebugOptions { save_debug_files: Some(false), ..DebugOptions::default() },
        }
    }
}

/// The run of a scan in a virtual machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineOptions {
    /// The machine.
    #[serde(flatten)]
    pub machine: Machine,
    /// Whether there is a run at all; true by default.
    pub enabled: bool,
    /// Which sorts of files are run, such as `executable-files/`; the server's choice by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_types: Option<Vec<String>>,
    /// Run only files with these properties: lists below `pdf` and `office`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_by_properties: Option<Map<String, Value>>,
    /// Anything else, sent as it is.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

impl Default for MachineOptions {
    fn default() -> Self {
        Self {
            machine: Machine::default(),
            enabled: true,
            file_types: None,
            filter_by_properties: None,
            others: Map::new(),
        }
    }
}

/// A run in a virtual machine without a scan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BehaviourOptions {
    /// The machine.
    #[serde(flatten)]
    pub machine: Machine,
    /// Nothing moves the mouse or types; false by default.
    pub disable_clicker: bool,
    /// Prepare the machine and do not start the sample; false by default.
    pub skip_sample_run: bool,
    /// Whether somebody may look in, or take part; `DISABLED` by default.
    pub vnc_mode: VncMode,
    /// Uploads that are put beside the sample, under different names.
    pub extra_files: Vec<ExtraFile>,
    /// Anything else, sent as it is.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// A file beside the sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraFile {
    /// What its upload was called: [`Upload::file_uri`](super::Upload::file_uri).
    pub uri: String,
    /// Its name in the machine.
    pub name: String,
}

/// Declares options that may all be absent.
macro_rules! optional {
    ($(#[$meta:meta])* $name:ident { $($(#[$member_meta:meta])* $member:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $($(#[$member_meta])* #[serde(skip_serializing_if = "Option::is_none")] pub $member: Option<$type>,)*
            /// Anything else, sent as it is.
            #[serde(flatten)]
            pub others: Map<String, Value>,
        }
    };
}

optional! {
    /// For who looks for faults. A file is what its upload was called, or an http address.
    DebugOptions {
        /// Keep what tells of faults with the task.
        save_debug_files: bool,
        /// Fetch crash dumps out of the machine.
        extract_crashdumps: bool,
        /// Leave the machine when all is done.
        keep_sandbox: bool,
        /// Leave the watching out.
        skip_work: bool,
        /// Sleep as long, instead of watching.
        sleep_work: bool,
        /// A file: an archive of compiled rules to use.
        rules_url: String,
        /// No rules at all: all files and all memory are reported.
        disable_correlation: bool,
        /// Watch no system calls.
        disable_syscall_hooks: bool,
        /// Watch no calls of libraries.
        disable_dll_hooks: bool,
        /// A file: names of system calls to watch, one in a line.
        custom_syscall_hooks: String,
        /// A file: functions of libraries to watch, one in a line (`Function,log,param:type,…`).
        custom_dll_hooks: String,
        /// A file of a form that changes.
        custom_unimon_hooks: String,
        /// A file: expressions for programs whose memory is not kept, one in a line, in Go's dialect.
        custom_procdump_exclude: String,
        /// A file: expressions for paths of files that are not kept.
        custom_fileextractor_exclude: String,
        /// Do not try again after a fault.
        disable_retries: bool,
        /// Look for faults of the product itself.
        enable_sanitizers: bool,
        /// Addresses that the machine may talk to.
        allowed_outbound_connections: Vec<String>,
        /// An expression for the event after which there is nothing more to see.
        payload_completion_event: String,
        /// No memory of the sample at the end.
        disable_procdump_on_finish: bool,
        /// Less memory of each process.
        procdump_lightweight_mode: bool,
        /// Leave the machine's clock alone.
        skip_update_time: bool,
        /// Tell nobody who takes part of what happens.
        disable_manual_scan_events: bool,
        /// Seconds until the machine must have started; 90 by default.
        bootkitmon_boot_timeout: u32,
        /// Check that each plug-in has noticed something.
        validate_plugins: bool,
        /// A file: a script that is run before the sample.
        extra_vm_init_url: String,
        /// Name the file after what it is.
        file_type_as_ext: bool,
    }
}

/// Options whose values are texts, also where they look like numbers.
const TEXTS: [&str; 11] = [
    "image_id",
    "custom_command",
    "vnc_mode",
    "rules_url",
    "custom_syscall_hooks",
    "custom_dll_hooks",
    "custom_unimon_hooks",
    "custom_procdump_exclude",
    "custom_fileextractor_exclude",
    "payload_completion_event",
    "extra_vm_init_url",
];
/// Options whose values are lists; a text that is none is a list of itself.
const LISTS: [&str; 3] = ["passwords_for_unpack", "file_types", "allowed_outbound_connections"];

impl Scan {
    /// From what all vendors have, and from the vendor's own options: `priority`, and members of `options` with a dot between their names, such as
    /// `analysis_depth` and `sandbox.debug_options.skip_update_time`. Values are JSON, or texts.
    pub(super) fn of(name: &str, asked: &Options) -> Result<Self, String> {
        let mut scan = Self { name: base_name(name), ..Self::default() };
        let mut options = serde_json::to_value(&scan.options).map_err(|error| error.to_string())?;
        for (path, text) in &asked.vendor {
            if path == "priority" {
                scan.priority = priority(text)?;
            } else {
                set(&mut options, path, text)?;
            }
        }
        scan.options = serde_json::from_value(options).map_err(|error| format!("options: {error}"))?;
        if let Some(time) = asked.analysis_time {
            scan.options.sandbox.machine.analysis_duration =
                u32::try_from(time.as_secs()).map_err(|_| "the analysis is too long".to_owned())?;
        }
        if let Some(image) = &asked.environment {
            scan.options.sandbox.machine.image_id.clone_from(image);
        }
        let password = asked.archive_password.as_ref().map(|password| password.reveal().to_owned());
        scan.options.passwords_for_unpack.extend(password);
        scan.check()?;
        Ok(scan)
    }

    /// Whether all is in the ranges that PT Sandbox has.
    pub(super) fn check(&self) -> Result<(), String> {
        let options = &self.options;
        check_priority(self.priority)?;
        within("scan_timeout", options.scan_timeout, 10, 3600)?;
        within("max_execution_time", options.max_execution_time, 300, 10800)?;
        options.sandbox.machine.check()
    }
}

impl Behaviour {
    /// Whether all is in the ranges that PT Sandbox has.
    pub(super) fn check(&self) -> Result<(), String> {
        check_priority(self.priority)?;
        let names: std::collections::BTreeSet<&str> =
            self.options.extra_files.iter().map(|file| file.name.as_str()).collect();
        if names.len() < self.options.extra_files.len() {
            return Err("two files beside the sample have the same name".to_owned());
        }
        self.options.machine.check()
    }
}

impl Machine {
    fn check(&self) -> Result<(), String> {
        within("analysis_duration", self.analysis_duration, 10, u32::MAX)?;
        within("analysis_duration_bootkitmon", self.analysis_duration_bootkitmon, 10, u32::MAX)
    }
}

impl SourceScan {
    /// From what all vendors have. What the source decides cannot be asked for.
    pub(super) fn of(name: &str, asked: &Options) -> Result<Self, String> {
        if asked.environment.is_some() || asked.analysis_time.is_some() {
            return Err("the source of the key says in which image a file runs, and how long".to_owned());
        }
        let mut scan = Self { name: base_name(name), ..Self::default() };
        for (option, text) in &asked.vendor {
            match option.as_str() {
                "priority" => scan.priority = priority(text)?,
                "passwords_for_unpack" => {
                    let list = list(text);
                    scan.passwords = serde_json::from_value(list).map_err(|error| format!("{option}: {error}"))?;
                }
                "source_product" => scan.product = Some(text.clone()),
                _ => match option.strip_prefix("metadata.") {
                    Some(member) => scan.metadata.push((member.to_owned(), text.clone())),
                    None => return Err(format!("the source of the key decides about `{option}`")),
                },
            }
        }
        let password = asked.archive_password.as_ref().map(|password| password.reveal().to_owned());
        scan.passwords.extend(password);
        scan.check()?;
        Ok(scan)
    }

    /// Whether all can be said.
    pub(super) fn check(&self) -> Result<(), String> {
        check_priority(self.priority)?;
        let all = self.metadata.iter().flat_map(|(name, value)| [name, value]).chain(&self.product);
        for text in all {
            if text.contains(',') || !text.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
                return Err("what is said of the sample goes into a header: ASCII, and no comma".to_owned());
            }
        }
        Ok(())
    }
}

/// Without directories: what else is on this machine is nobody's business.
pub(super) fn base_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).find(|part| !part.is_empty())?;
    Some(last.to_owned())
}

fn priority(text: &str) -> Result<u8, String> {
    text.trim().parse().map_err(|_| format!("priority: '{text}' is no number of 1 to 4"))
}

fn check_priority(priority: u8) -> Result<(), String> {
    within("priority", u32::from(priority), 1, 4)
}

fn within(name: &str, value: u32, from: u32, to: u32) -> Result<(), String> {
    if (from..=to).contains(&value) {
        return Ok(());
    }
    let to = if to == u32::MAX { String::new() } else { format!(", at most {to}") };
    Err(format!("{name}: {value} is out of range: at least {from}{to}"))
}

/// Sets a member by its path.
fn set(options: &mut Value, path: &str, text: &str) -> Result<(), String> {
    let mut place = options;
    for name in path.split('.') {
        let members =
            place.as_object_mut().ok_or_else(|| format!("{path}: '{name}' is inside of what has no members"))?;
        place = members.entry(name).or_insert_with(|| Value::Object(Map::new()));
    }
    let last = path.rsplit('.').next().unwrap_or(path);
    *place = if TEXTS.contains(&last) {
        text.into()
    } else if LISTS.contains(&last) {
        list(text)
    } else {
        serde_json::from_str(text).unwrap_or_else(|_| text.into())
    };
    Ok(())
}

fn list(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::Array(items)) => Value::Array(items),
        _ => Value::Array(vec![text.into()]),
    }
}
