//! What only WildFire offers.

use bytes::Bytes;

use super::{LINK, WildFire, WildFireRuling, WildFireVerdict, answer, ruling};
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Body, Call, Part};
use crate::sample::{Hash, Origin};
use crate::sandbox::{Download, Options, Submission};

/// Hashes in one question, as the vendor limits it.
const MAX_HASHES: usize = 500;
/// Addresses in one submission, as the vendor limits it.
const MAX_LINKS: usize = 1000;
/// What a list of addresses begins with.
const LINKS_HEAD: &str = "panlnk";

/// A harmless file that WildFire takes for malware, made anew for each who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WildFireTestFile {
    /// For Windows.
    Pe,
    /// For Android.
    Apk,
    /// For macOS.
    MacOs,
    /// For Linux.
    Elf,
}

impl WildFireTestFile {
    const fn name(self) -> &'static str {
        match self {
            Self::Pe => "pe",
            Self::Apk => "apk",
            Self::MacOs => "macos",
            Self::Elf => "elf",
        }
    }
}

/// What is kept of the analysis of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WildFireWebArtifact {
    /// Pictures of the page.
    Screenshots,
    /// Files that it gave.
    Files,
}

impl WildFire {
    /// The verdict about a file.
    ///
    /// # Errors
    /// WildFire cannot be asked. That it has no verdict is none: see [`WildFireRuling`].
    pub async fn verdict(&self, hash: &Hash) -> Result<WildFireVerdict> {
        self.verdict_by(Step::Other("asking for a verdict"), ("hash", hash.as_str())).await
    }

    /// The verdict about an address.
    ///
    /// # Errors
    /// As [`WildFire::verdict`].
    pub async fn verdict_of_url(&self, url: &str) -> Result<WildFireVerdict> {
        self.verdict_by(Step::Other("asking for a verdict"), ("url", url)).await
    }

    /// The verdicts about files, as they are answered; 500 are asked for at once.
    ///
    /// # Errors
    /// As [`WildFire::verdict`]; also when a verdict is about a file that was not asked for.
    pub async fn verdicts(&self, hashes: &[Hash]) -> Result<Vec<WildFireVerdict>> {
        let step = Step::Other("asking for verdicts");
        let mut found = Vec::with_capacity(hashes.len());
        for hashes in hashes.chunks(MAX_HASHES) {
            let list: String = hashes.iter().map(|hash| format!("{hash}\n")).collect();
            let mut parts: Vec<Part> =
                self.credentials().into_iter().map(|(name, key)| Part::field(name, key)).collect();
            parts.push(Part::file("file", "hashes.txt", &Origin::Bytes(Bytes::from(list))));
            let call = Call::post(step, ["publicapi", "get", "verdicts"], Body::Multipart(parts)).harmless();
            let answer = self.small(step, call).await?;
            let verdicts = ruling::verdicts(&answer).map_err(|problem| self.malformed(step, problem))?;
            for verdict in verdicts {
                if ![&verdict.sha256, &verdict.md5].into_iter().flatten().any(|name| asked_for(hashes, name)) {
                    return Err(self.malformed(step, "a verdict that was not asked for"));
                }
                found.push(verdict);
            }
        }
        Ok(found)
    }

    /// The verdicts that have changed since a day, in the vendor's writing.
    ///
    /// # Errors
    /// WildFire cannot be asked.
    pub async fn changed_verdicts(&self, since: jiff::civil::Date) -> Result<Download> {
        let step = Step::Other("asking for changed verdicts");
        let mut form = self.credentials();
        form.push(("date".to_owned(), since.to_string()));
        let path = ["publicapi", "get", "verdicts", "changed"];
        let call = Call::post(step, path, Body::Form(form)).harmless();
        Ok(self.send(step, call).await?.download())
    }

    /// Has WildFire fetch a file from an address, and analyse it as if it had been sent.
    ///
    /// # Errors
    /// As a submission; [`ErrorKind::Refused`] when the address cannot be fetched.
    pub async fn submit_file_at(&self, url: &str, options: &Options) -> Result<Submission> {
        self.refuse(options)?;
        let mut parts: Vec<Part> = options.vendor.iter().map(|(name, value)| Part::field(name, value)).collect();
        parts.push(Part::field("url", url));
        let answer = self.small(Step::Submit, self.submission("url", parts)).await?;
        let found = answer::submissions(&answer).map_err(|problem| self.malformed(Step::Submit, problem))?;
        found.into_iter().next().ok_or_else(|| self.malformed(Step::Submit, "no id"))
    }

    /// Submits up to 1000 addresses at once, whose pages are analysed.
    ///
    /// # Errors
    /// As a submission; [`ErrorKind::Invalid`] for more of them, or one with a line end in it.
    pub async fn submit_links(&self, links: &[String]) -> Result<Vec<Submission>> {
        let invalid = |problem: &str| self.transport.error(Step::Submit, ErrorKind::Invalid(problem.to_owned()));
        if links.is_empty() || links.len() > MAX_LINKS {
            return Err(invalid("1 to 1000 addresses are taken at once"));
        }
        if links.iter().any(|link| link.contains(['\r', '\n'])) {
            return Err(invalid("an address with a line end in it"));
        }
        let list = format!("{LINKS_HEAD}\n{}\n", links.join("\n"));
        let parts = vec![Part::file("file", "links.txt", &Origin::Bytes(Bytes::from(list)))];
        let answer = self.small(Step::Submit, self.submission("links", parts)).await?;
        let mut found = answer::submissions(&answer).map_err(|problem| self.malformed(Step::Submit, problem))?;
        // By address is how links are asked for: those that are not named are taken in their order.
        if found.len() == links.len() {
            for (submission, link) in found.iter_mut().zip(links) {
                submission.others.entry(LINK.to_owned()).or_insert_with(|| link.clone());
            }
        }
        match found.iter().all(|submission| submission.others.contains_key(LINK)) {
            true => Ok(found),
            false => Err(self.malformed(Step::Submit, "an id without its address")),
        }
    }

    /// Asks the vendor to look at a verdict again; gives what it says to that.
    ///
    /// # Errors
    /// WildFire does not take it.
    pub async fn request_change(
        &self,
        hash: &Hash,
        should_be: WildFireRuling,
        email: &str,
        comment: &str,
    ) -> Result<String> {
        let step = Step::Other("asking for another verdict");
        let mut form = self.credentials();
        let number = should_be.number().to_string();
        for (name, value) in [("hash", hash.as_str()), ("verdict", &number), ("email", email), ("comment", comment)] {
            form.push((name.to_owned(), value.to_owned()));
        }
        let call = Call::post(step, ["publicapi", "submit", "change-request"], Body::Form(form));
        let answer = self.small(step, call).await?;
        let said = answer::text(&answer["wildfire"], "body").or_else(|| answer::text(&answer, "body"));
        Ok(said.unwrap_or_default())
    }

    /// Pictures and files of the page at an address, as tar with gzip.
    ///
    /// # Errors
    /// There are none, or WildFire cannot be asked.
    pub async fn web_artifacts(&self, url: &str, kinds: &[WildFireWebArtifact]) -> Result<Download> {
        let has = |kind| kinds.is_empty() || kinds.contains(&kind);
        let types = match (has(WildFireWebArtifact::Screenshots), has(WildFireWebArtifact::Files)) {
            (true, false) => "screenshot",
            (false, true) => "download_files",
            _ => "screenshot,download_files",
        };
        let call = self.question(Step::Artifact, "webartifacts", [("url", url), ("types", types)]);
        Ok(self.send(Step::Artifact, call).await?.download())
    }

    /// A harmless file that is judged malware. No key is needed, and none is sent.
    ///
    /// # Errors
    /// WildFire cannot be asked.
    pub async fn test_file(&self, kind: WildFireTestFile) -> Result<Download> {
        let step = Step::Other("fetching a test file");
        let call = Call::get(step, ["publicapi", "test", kind.name()]);
        Ok(self.send(step, call).await?.download())
    }
}

/// Whether a hash is one of those.
fn asked_for(hashes: &[Hash], name: &str) -> bool {
    hashes.iter().any(|hash| hash.as_str().eq_ignore_ascii_case(name.trim()))
}
