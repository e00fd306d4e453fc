//! All vendors' products: what each wants to know, where its clouds are, and how its client is made. One row for each.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result, Step};
use crate::http::Settings;
use crate::sandbox::{Sandbox, Vendor};
use crate::secret::Secret;
use crate::vendors::Pt;
use crate::vendors::{Cape, CapeSettings, Cuckoo3, Cuckoo3Settings};
use crate::vendors::{Cuckoo, CuckooSettings, Falcon, FalconSettings, FalconSharing, HYBRID_ANALYSIS};
use crate::vendors::{FALCONX_US1, FalconX, FalconXSettings};
use crate::vendors::{FireEye, FireEyeSettings, FireEyeVersion};
use crate::vendors::{JOE_CLOUD, Joe, JoeSettings};
use crate::vendors::{
    METADEFENDER_CLOUD, METADEFENDER_PROFILE, METADEFENDER_SANDBOX, MetaDefender, MetaDefenderCloud,
    MetaDefenderCloudSettings, MetaDefenderSettings,
};
use crate::vendors::{TRIAGE_CLOUD, Triage, TriageSettings};
use crate::vendors::{VMRAY_CLOUD, VmRay, VmRaySettings};
use crate::vendors::{WILDFIRE_CLOUD, WildFire, WildFireSettings};

/// A product that a configured sandbox may be.
#[derive(Debug)]
pub struct Product {
    /// As `vendor` has it.
    pub name: &'static str,
    /// As its vendor has it.
    pub title: &'static str,
    /// Where it is, when the configuration does not say.
    pub address: Option<&'static str>,
    /// Hosts of the vendor's or the public's, with all below them.
    pub clouds: &'static [&'static str],
    /// What it wants to know besides what all do.
    pub keys: &'static [Key],
    /// How its client is made; nothing when it is no analysis sandbox.
    pub(super) open: Option<Open>,
}

/// Makes the client of a product.
pub(super) type Open = fn(Given) -> Result<Arc<dyn Sandbox>>;

/// A setting of one product.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// As the configuration has it.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Nothing goes without it.
    pub required: bool,
    /// What it means.
    pub about: &'static str,
}

/// What the value of a setting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something that nobody may see.
    Secret,
    /// Text.
    Text,
    /// True or false.
    Flag,
    /// A whole number, 0 or above.
    Number,
    /// One of these texts.
    OneOf(&'static [&'static str]),
}

const fn key(name: &'static str, kind: Kind, required: bool, about: &'static str) -> Key {
    Key { name, kind, required, about }
}

/// What a configuration says of one sandbox, with secrets that have been fetched.
#[derive(Debug, Clone)]
pub struct Given {
    /// How it is reached.
    pub http: Settings,
    pub(super) secrets: BTreeMap<&'static str, Secret>,
    pub(super) texts: BTreeMap<&'static str, String>,
    pub(super) flags: BTreeMap<&'static str, bool>,
    pub(super) numbers: BTreeMap<&'static str, u64>,
}

impl Given {
    /// A secret, if there is one.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.secrets.get(name).cloned()
    }

    /// A secret that must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn required(&self, name: &'static str, vendor: Vendor) -> Result<Secret> {
        self.secret(name).ok_or_else(|| Error {
            sandbox: self.http.name.clone(),
            vendor,
            step: Step::Other("reading the settings"),
            kind: ErrorKind::Invalid(format!("`{name}` is missing")),
        })
    }

    /// A text, if there is one.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.texts.get(name).cloned()
    }

    /// Whether something is switched on, if that is said.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.flags.get(name).copied()
    }

    /// A number, if there is one.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.numbers.get(name).copied()
    }
}

/// All products, in the order of [`Vendor::ALL`].
pub static PRODUCTS: &[Product] = &[
    Product {
        name: "cuckoo",
        title: "Cuckoo 1 and 2",
        address: None,
        clouds: &["cuckoo.cert.ee"],
        keys: &[
            key("key", Kind::Secret, false, "What its `api_token` says, if it has one."),
            key(
                "username",
                Kind::Text,
                false,
                "Who asks, where a server in front of it wants to know; instead of a key.",
            ),
            key("password", Kind::Secret, false, "The password of `username`."),
        ],
        open: Some(|given| {
            let token = given.secret("key");
            Ok(Arc::new(match given.text("username") {
                Some(username) => {
                    let password = given.required("password", Vendor::Cuckoo)?;
                    Cuckoo::with_login(given.http, &username, &password)?
                }
                None => Cuckoo::new(CuckooSettings { http: given.http, token })?,
            }))
        }),
    },
    Product {
        name: "cuckoo3",
        title: "Cuckoo 3",
        address: None,
        clouds: &["cuckoo-hatch.cert.ee"],
        keys: &[key("key", Kind::Secret, true, "A key of its API.")],
        open: Some(|given| {
            let key = given.required("key", Vendor::Cuckoo3)?;
            Ok(Arc::new(Cuckoo3::new(Cuckoo3Settings { http: given.http, key })?))
        }),
    },
    Product {
        name: "cape",
        title: "CAPE",
        address: None,
        clouds: &["capesandbox.com"],
        keys: &[key("key", Kind::Secret, false, "A key of its API, where it asks for one.")],
        open: Some(|given| {
            let token = given.secret("key");
            Ok(Arc::new(Cape::new(CapeSettings { http: given.http, token })?))
        }),
    },
    Product {
        name: "falcon",
        title: "Falcon Sandbox, Hybrid Analysis",
        address: Some(HYBRID_ANALYSIS),
        clouds: &["hybrid-analysis.com", "reverse.it"],
        keys: &[
            key("key", Kind::Secret, true, "The API key."),
            key("environment", Kind::Text, false, "The number of the environment where none is named. 160 by default."),
            key("share_third_parties", Kind::Flag, false, "Anti-virus vendors may get samples. False by default."),
            key("share_community", Kind::Flag, false, "Other users may download samples. False by default."),
        ],
        open: Some(|given| {
            let key = given.required("key", Vendor::Falcon)?;
            let (environment, sharing) = (
                given.text("environment"),
                FalconSharing {
                    third_parties: given.flag("share_third_parties").unwrap_or(false),
                    community: given.flag("share_community").unwrap_or(false),
                },
            );
            let defaults = FalconSettings::new(given.http, key);
            let environment = environment.unwrap_or(defaults.environment);
            Ok(Arc::new(Falcon::new(FalconSettings { environment, sharing, ..defaults })?))
        }),
    },
    Product {
        name: "falconx",
        title: "Falcon X, CrowdStrike's sandbox in its cloud",
        address: Some(FALCONX_US1),
        clouds: &["crowdstrike.com"],
        keys: &[
            key("client_id", Kind::Text, true, "The id of the API client."),
            key("key", Kind::Secret, true, "The secret of the API client."),
            key(
                "environment",
                Kind::Number,
                false,
                "The number of the environment where none is named. 160 by default.",
            ),
            key("confidential", Kind::Flag, false, "Samples are kept from all others. True by default."),
        ],
        open: Some(|given| {
            let secret = given.required("key", Vendor::FalconX)?;
            let id = given.text("client_id").unwrap_or_default();
            let (environment, confidential) = (given.number("environment"), given.flag("confidential"));
            let mut settings = FalconXSettings::new(given.http, id, secret);
            settings.environment = environment.unwrap_or(settings.environment);
            settings.confidential = confidential.unwrap_or(settings.confidential);
            Ok(Arc::new(FalconX::new(settings)?))
        }),
    },
    Product {
        name: "fireeye",
        title: "FireEye AX, Trellix Malware Analysis",
        address: None,
        clouds: &[],
        keys: &[
            key("user", Kind::Text, true, "The user, who needs the role api_analyst."),
            key("password", Kind::Secret, true, "Its password."),
            key("version", Kind::OneOf(&["v2.0.0", "v1.2.0", "v1.1.0"]), false, "Of the API; found out by default."),
            key("profile", Kind::Text, false, "The profile where none is named. win7x64-sp1 by default."),
        ],
        open: Some(|given| {
            let password = given.required("password", Vendor::FireEye)?;
            let user = given.text("user").unwrap_or_default();
            let (version, profile) = (given.text("version"), given.text("profile"));
            let mut settings = FireEyeSettings::new(given.http, user, password);
            settings.version = version.as_deref().and_then(FireEyeVersion::parse);
            settings.profile = profile.unwrap_or(settings.profile);
            Ok(Arc::new(FireEye::new(settings)?))
        }),
    },
    Product {
        name: "joe",
        title: "Joe Sandbox",
        address: Some(JOE_CLOUD),
        clouds: &["joesecurity.org"],
        keys: &[
            key("key", Kind::Secret, true, "Its API key."),
            key(
                "accept_tac",
                Kind::Flag,
                true,
                "Whether you accept the vendor's terms and conditions: nothing is submitted without.",
            ),
            key("chunk_bytes", Kind::Number, false, "Larger samples go in pieces of so many bytes; 0 for never."),
        ],
        open: Some(|given| {
            let key = given.required("key", Vendor::Joe)?;
            let mut settings = JoeSettings::new(given.http.clone(), key);
            settings.accept_tac = given.flag("accept_tac").unwrap_or(false);
            if let Some(bytes) = given.number("chunk_bytes") {
                settings.chunk_bytes = Some(bytes).filter(|bytes| *bytes > 0);
            }
            Ok(Arc::new(Joe::new(settings)?))
        }),
    },
    Product {
        name: "vmray",
        title: "VMRay",
        address: Some(VMRAY_CLOUD),
        clouds: &["vmray.com"],
        keys: &[key("key", Kind::Secret, true, "Its API key.")],
        open: Some(|given| {
            let key = given.required("key", Vendor::VmRay)?;
            Ok(Arc::new(VmRay::new(VmRaySettings { http: given.http, key })?))
        }),
    },
    Product {
        name: "wildfire",
        title: "WildFire of Palo Alto Networks",
        address: Some(WILDFIRE_CLOUD),
        clouds: &["wildfire.paloaltonetworks.com"],
        keys: &[
            key("key", Kind::Secret, true, "The key."),
            key("agent", Kind::OneOf(&["pcc", "prismaaccessapi"]), false, "Whose key it is, if not WildFire's own."),
        ],
        open: Some(|given| {
            let key = given.required("key", Vendor::WildFire)?;
            let agent = given.text("agent");
            Ok(Arc::new(WildFire::new(WildFireSettings { http: given.http, key, agent })?))
        }),
    },
    Product {
        name: "triage",
        title: "Hatching Triage, Recorded Future Sandbox",
        address: Some(TRIAGE_CLOUD),
        clouds: &["tria.ge"],
        keys: &[key("key", Kind::Secret, true, "The API key.")],
        open: Some(|given| {
            let key = given.required("key", Vendor::Triage)?;
            Ok(Arc::new(Triage::new(TriageSettings { http: given.http, key })?))
        }),
    },
    Product {
        name: "metadefender",
        title: "OPSWAT MetaDefender Sandbox, filescan.io",
        address: Some(METADEFENDER_SANDBOX),
        clouds: &["filescan.io"],
        keys: &[
            key("key", Kind::Secret, true, "The API key."),
            key("private", Kind::Flag, false, "Nobody else may see what is submitted. True by default."),
        ],
        open: Some(|given| {
            let key = given.required("key", Vendor::MetaDefender)?;
            let private = given.flag("private").unwrap_or(true);
            Ok(Arc::new(MetaDefender::new(MetaDefenderSettings { http: given.http, key, private })?))
        }),
    },
    Product {
        name: "metadefendercloud",
        title: "OPSWAT MetaDefender Cloud, dynamic analysis",
        address: Some(METADEFENDER_CLOUD),
        clouds: &["metadefender.com"],
        keys: &[
            key("key", Kind::Secret, true, "The API key."),
            key("profile", Kind::Text, false, "The machine where none is named. windows7 by default."),
        ],
        open: Some(|given| {
            let key = given.required("key", Vendor::MetaDefenderCloud)?;
            let profile = given.text("profile").unwrap_or_else(|| METADEFENDER_PROFILE.to_owned());
            let settings = MetaDefenderCloudSettings { http: given.http, key, profile };
            Ok(Arc::new(MetaDefenderCloud::new(settings)?))
        }),
    },
    Product {
        name: "pt",
        title: "PT Sandbox",
        address: None,
        clouds: &[],
        keys: &[
            key("key", Kind::Secret, false, "The key of its Public API; without one only `belljar pt` can ask it."),
            key("source", Kind::Flag, false, "The key is bound to a source, which says how files are scanned."),
            key("login", Kind::Text, false, "Who logs in to its web interface, for what the Public API does not tell."),
            key("password", Kind::Secret, false, "The password for `login`."),
            key("ldap", Kind::Flag, false, "`login` is an account of the directory (LDAP)."),
            key("login_host", Kind::Text, false, "The host of its login page, where that is another."),
        ],
        open: Some(|given| Ok(Arc::new(Pt::new(given.into())?))),
    },
    Product {
        name: "premierlangage",
        title: "PremierLangage, or belljar serve: runs programs and analyses nothing",
        address: None,
        clouds: &[],
        keys: &[key("key", Kind::Secret, false, "The key of a belljar server that wants one.")],
        open: None,
    },
];

/// The product of a name.
#[must_use]
pub fn product(name: &str) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.name == name)
}
