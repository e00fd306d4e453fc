//! PT Sandbox's words. A word that is not known here is kept, because its versions bring new ones.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! words {
    ($($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal,)+ })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(
                #[doc = concat!("`", $text, "`.")]
                $variant,
            )+
            /// A word that is not known here, or none: empty.
            Unlisted(String),
        }

        impl $name {
            /// All words that are known.
            pub const KNOWN: &'static [&'static str] = &[$($text),+];

            /// The word.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Unlisted(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($text => Self::$variant,)+
                    other => Self::Unlisted(other.to_owned()),
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::from("")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(|word| Self::from(word.as_str()))
            }
        }
    )+};
}

words! {
    /// How much of a scan was done.
    ScanState {
        Unknown = "UNKNOWN",
        Partial = "PARTIAL",
        Full = "FULL",
        Unscanned = "UNSCANNED",
    }

    /// What PT Sandbox says of an object.
    Verdict {
        Clean = "CLEAN",
        Unwanted = "UNWANTED",
        Dangerous = "DANGEROUS",
        Unknown = "UNKNOWN",
    }

    /// What an object of a report is.
    ArtifactType {
        Amsi = "AMSI",
        Archive = "ARCHIVE",
        Compressed = "COMPRESSED",
        DexDump = "DEX_DUMP",
        Email = "EMAIL",
        File = "FILE",
        NetworkDrop = "NETWORK_DROP",
        ProcessDump = "PROCESS_DUMP",
        Url = "URL",
    }

    /// Which sort of engine has looked at an object.
    EngineSubsystem {
        Av = "AV",
        Sandbox = "SANDBOX",
        Static = "STATIC",
    }

    /// What a file of a run in a virtual machine is.
    LogType {
        Network = "NETWORK",
        Screenshot = "SCREENSHOT",
        EventRaw = "EVENT_RAW",
        EventCorrelated = "EVENT_CORRELATED",
        EventNormalized = "EVENT_NORMALIZED",
        Debug = "DEBUG",
        Graph = "GRAPH",
    }

    /// What an address is.
    NetworkObjectType {
        Url = "URL",
        Ip = "IP",
        Domain = "DOMAIN",
    }

    /// Whether somebody may look into the virtual machine, or take part.
    VncMode {
        Disabled = "DISABLED",
        Full = "FULL",
        ReadOnly = "READ_ONLY",
    }

    /// What a key may do.
    Permission {
        ScanWithExtendedSettings = "SCAN_WITH_EXTENDED_SETTINGS",
        ScanWithPredefinedSettings = "SCAN_WITH_PREDEFINED_SETTINGS",
        TasksViewAll = "TASKS_VIEW_ALL",
    }

    /// What sort of malware it is.
    Classification {
        Adware = "ADWARE",
        Backdoor = "BACKDOOR",
        Bootkit = "BOOTKIT",
        Bot = "BOT",
        ClientIrc = "CLIENT_IRC",
        ClientP2p = "CLIENT_P2P",
        ClientSmtp = "CLIENT_SMTP",
        Constructor = "CONSTRUCTOR",
        Dialer = "DIALER",
        Dos = "DOS",
        Downloader = "DOWNLOADER",
        EmailFlooder = "EMAIL_FLOODER",
        EmailWorm = "EMAIL_WORM",
        Exploit = "EXPLOIT",
        Flooder = "FLOODER",
        Fraudtool = "FRAUDTOOL",
        Hacktool = "HACKTOOL",
        Hoax = "HOAX",
        ImFlooder = "IM_FLOODER",
        ImWorm = "IM_WORM",
        IrcWorm = "IRC_WORM",
        Monitor = "MONITOR",
        Nettool = "NETTOOL",
        NetWorm = "NET_WORM",
        P2pWorm = "P2P_WORM",
        Phishing = "PHISHING",
        Pswtool = "PSWTOOL",
        Remoteadmin = "REMOTEADMIN",
        Risktool = "RISKTOOL",
        Rootkit = "ROOTKIT",
        ServerFtp = "SERVER_FTP",
        ServerProxy = "SERVER_PROXY",
        ServerTelnet = "SERVER_TELNET",
        ServerWeb = "SERVER_WEB",
        SmsFlooder = "SMS_FLOODER",
        Spam = "SPAM",
        Spoofer = "SPOOFER",
        Trojan = "TROJAN",
        TrojanArcbomb = "TROJAN_ARCBOMB",
        TrojanAtm = "TROJAN_ATM",
        TrojanBanker = "TROJAN_BANKER",
        TrojanClicker = "TROJAN_CLICKER",
        TrojanDdos = "TROJAN_DDOS",
        TrojanDownloader = "TROJAN_DOWNLOADER",
        TrojanDropper = "TROJAN_DROPPER",
        TrojanFakeav = "TROJAN_FAKEAV",
        TrojanGamethief = "TROJAN_GAMETHIEF",
        TrojanIm = "TROJAN_IM",
        TrojanMailfinder = "TROJAN_MAILFINDER",
        TrojanMiner = "TROJAN_MINER",
        TrojanNotifier = "TROJAN_NOTIFIER",
        TrojanPos = "TROJAN_POS",
        TrojanProxy = "TROJAN_PROXY",
        TrojanPsw = "TROJAN_PSW",
        TrojanRansom = "TROJAN_RANSOM",
        TrojanSms = "TROJAN_SMS",
        TrojanSpy = "TROJAN_SPY",
        TrojanWiper = "TROJAN_WIPER",
        Unknown = "UNKNOWN",
        UnknownThreat = "UNKNOWN_THREAT",
        Virtool = "VIRTOOL",
        Virus = "VIRUS",
        Webtoolbar = "WEBTOOLBAR",
        Worm = "WORM",
    }

    /// What it is made for.
    Platform {
        Android = "ANDROID",
        Ios = "IOS",
        Linux = "LINUX",
        Osx = "OSX",
        Windows = "WINDOWS",
        NoPlatform = "NO_PLATFORM",
    }

    /// Where a task came from.
    SourceType {
        CheckMe = "CHECK_ME",
        Dpi = "DPI",
        FileInbox = "FILE_INBOX",
        FileMonitor = "FILE_MONITOR",
        Icap = "ICAP",
        InteractiveAnalysis = "INTERACTIVE_ANALYSIS",
        MailAgent = "MAIL_AGENT",
        MailAgentMta = "MAIL_AGENT_MTA",
        MailBcc = "MAIL_BCC",
        MailGateway = "MAIL_GATEWAY",
        MailGatewayMta = "MAIL_GATEWAY_MTA",
        Ptnad = "PTNAD",
        PtCs = "PT_CS",
        PtEdr = "PT_EDR",
        PublicApi = "PUBLIC_API",
        Retro = "RETRO",
        ScanApi = "SCAN_API",
        Unknown = "UNKNOWN",
        Web = "WEB",
    }

    /// What an object of the web interface is.
    ObjectType {
        Archive = "ARCHIVE",
        CompressedFile = "COMPRESSED_FILE",
        Email = "EMAIL",
        EmailBody = "EMAIL_BODY",
        File = "FILE",
        Folder = "FOLDER",
        Http = "HTTP",
        SandboxAmsi = "SANDBOX_AMSI",
        SandboxDexDump = "SANDBOX_DEX_DUMP",
        SandboxDrop = "SANDBOX_DROP",
        SandboxMemoryDump = "SANDBOX_MEMORY_DUMP",
        SandboxNetworkDrop = "SANDBOX_NETWORK_DROP",
        SandboxProcessMemoryDump = "SANDBOX_PROCESS_MEMORY_DUMP",
        Url = "URL",
    }

    /// What a node of the tree of a task is.
    NodeType {
        Artifact = "ARTIFACT",
        Sandbox = "SANDBOX",
        SandboxStage = "SANDBOX_STAGE",
    }

    /// What a file of a run is, in the web interface.
    ScanArtifactType {
        SandboxCorrelatedEvent = "SANDBOX_CORRELATED_EVENT",
        SandboxDebugFile = "SANDBOX_DEBUG_FILE",
        EmailHeadersPtesc = "EMAIL_HEADERS_PTESC",
        SandboxGraph = "SANDBOX_GRAPH",
        SandboxNormalizedEvent = "SANDBOX_NORMALIZED_EVENT",
        SandboxNetworkFile = "SANDBOX_NETWORK_FILE",
        SandboxRawEventFile = "SANDBOX_RAW_EVENT_FILE",
        SandboxVideo = "SANDBOX_VIDEO",
    }

    /// How far a task of the queue of virtual machines is.
    QueueState {
        Created = "CREATED",
        Deduplication = "DEDUPLICATION",
        FinishedSuccessfully = "FINISHED_SUCCESSFULLY",
        FinishedWithError = "FINISHED_WITH_ERROR",
        Ready = "READY",
        ReadyWithError = "READY_WITH_ERROR",
        Started = "STARTED",
        Starting = "STARTING",
    }

    /// Which subsystem an event is about.
    SystemGroup {
        AutoUpdate = "AUTO_UPDATE",
        ClusterState = "CLUSTER_STATE",
        DataDb = "DATA_DB",
        Engine = "ENGINE",
        EntryPoint = "ENTRY_POINT",
        Eos = "EOS",
        EspaAgent = "ESPA_AGENT",
        EventsDb = "EVENTS_DB",
        FilesStorage = "FILES_STORAGE",
        Node = "NODE",
        Sandbox = "SANDBOX",
        Services = "SERVICES",
    }

    /// What has happened to a subsystem.
    SystemCode {
        AvEngineInNotGeneralAvailability = "AV_ENGINE_IN_NOT_GENERAL_AVAILABILITY",
        ComponentCapacityExceededMaxSize = "COMPONENT_CAPACITY_EXCEEDED_MAX_SIZE",
        ComponentCapacityExceededThreshold = "COMPONENT_CAPACITY_EXCEEDED_THRESHOLD",
        ComponentError = "COMPONENT_ERROR",
        ComponentPartiallyAvailable = "COMPONENT_PARTIALLY_AVAILABLE",
        EndOfSupport = "END_OF_SUPPORT",
        EndOfSupportSoon = "END_OF_SUPPORT_SOON",
        EspaAgentDisconnected = "ESPA_AGENT_DISCONNECTED",
        EspaAgentEmailOverflow = "ESPA_AGENT_EMAIL_OVERFLOW",
        EspaAgentEmailStale = "ESPA_AGENT_EMAIL_STALE",
        ImageInstallError = "IMAGE_INSTALL_ERROR",
        NewVersionAvailable = "NEW_VERSION_AVAILABLE",
        NewVersionInstallationScheduled = "NEW_VERSION_INSTALLATION_SCHEDULED",
        NodeHaveError = "NODE_HAVE_ERROR",
        NodeIsNotReady = "NODE_IS_NOT_READY",
        SandboxReconfiguring = "SANDBOX_RECONFIGURING",
        StorageCapacityExceededComponentsMaxSizeBytes = "STORAGE_CAPACITY_EXCEEDED_COMPONENTS_MAX_SIZE_BYTES",
        StorageCapacityExceededMinimum = "STORAGE_CAPACITY_EXCEEDED_MINIMUM",
        XenPrerequisites = "XEN_PREREQUISITES",
    }

    /// How bad an event is.
    Level {
        Info = "INFO",
        Warning = "WARNING",
        Error = "ERROR",
    }

    /// What is uploaded to a threat intelligence platform.
    UploadStrategy {
        AllThreats = "ALL_THREATS",
        DoNotUpload = "DO_NOT_UPLOAD",
        ThreatSourceOnly = "THREAT_SOURCE_ONLY",
    }

    /// Whether the version is still supported.
    SupportStatus {
        Ended = "ENDED",
        EndsSoon = "ENDS_SOON",
        Ok = "OK",
    }

    /// Whether a component works.
    ComponentStatus {
        NotReady = "NOT_READY",
        PartiallyReady = "PARTIALLY_READY",
        Ready = "READY",
    }

    /// What a component is for.
    ComponentType {
        BehavioralAnalysis = "BEHAVIORAL_ANALYSIS",
        Core = "CORE",
        Database = "DATABASE",
        FileStorage = "FILE_STORAGE",
        Integrations = "INTEGRATIONS",
        Management = "MANAGEMENT",
        Monitoring = "MONITORING",
        Other = "OTHER",
        ScanEngines = "SCAN_ENGINES",
        Sources = "SOURCES",
        User = "USER",
        VerificationResults = "VERIFICATION_RESULTS",
    }

    /// Whether there is a licence.
    LicenseStatus {
        Expired = "EXPIRED",
        NoLicense = "NO_LICENSE",
        Valid = "VALID",
    }

    /// Why the licence could not be fetched; empty when it was.
    LicenseUpdateError {
        BadLicense = "BAD_LICENSE",
        FusUnavailable = "FUS_UNAVAILABLE",
        LicenseFromAnotherProduct = "LICENSE_FROM_ANOTHER_PRODUCT",
        LicenseNotFound = "LICENSE_NOT_FOUND",
        None = "",
        ProductNotSupported = "PRODUCT_NOT_SUPPORTED",
        Timeout = "TIMEOUT",
        UnknownError = "UNKNOWN_ERROR",
    }
}
