//! Joe Lab: machines of one's own in Joe Sandbox's cloud.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Joe;
use super::ask::Fields;
use crate::error::{ErrorKind, Result, Step};
use crate::http::Part;
use crate::sample::Sample;
use crate::sandbox::Download;

/// What is being done when something goes wrong here.
const LAB: Step = Step::Other("working with the lab");

/// A machine of Joe Lab. What the server tells of it is given as it comes.
#[derive(Debug, Clone, Copy)]
pub struct JoeLab<'a> {
    joe: &'a Joe,
    machine: &'a str,
}

impl Joe {
    /// A machine of Joe Lab, by its name.
    #[must_use]
    pub const fn lab<'a>(&'a self, machine: &'a str) -> JoeLab<'a> {
        JoeLab { joe: self, machine }
    }

    /// Where a machine of Joe Lab may reach the internet from.
    ///
    /// # Errors
    /// The call failed.
    pub async fn lab_exit_points(&self) -> Result<Value> {
        let answer = self.ask(LAB, "joelab/internet-exitpoints/list", Vec::new()).await?;
        self.data(LAB, answer).await
    }
}

impl JoeLab<'_> {
    fn fields(&self) -> Fields<'static> {
        vec![("machine", self.machine.to_owned())]
    }

    async fn ask(&self, endpoint: &str) -> Result<Value> {
        let answer = self.joe.ask(LAB, endpoint, self.fields()).await?;
        self.joe.data(LAB, answer).await
    }

    async fn order(&self, endpoint: &str, more: Fields<'_>) -> Result<Value> {
        let fields = self.fields().into_iter().chain(more).collect();
        let answer = self.joe.order(LAB, endpoint, fields).await?;
        self.joe.data(LAB, answer).await
    }

    /// What it is and how it does.
    ///
    /// # Errors
    /// There is no such machine, or the call failed.
    pub async fn info(&self) -> Result<Value> {
        self.ask("joelab/machine/info").await
    }

    /// Its images.
    ///
    /// # Errors
    /// As [`JoeLab::info`].
    pub async fn images(&self) -> Result<Value> {
        self.ask("joelab/images/list").await
    }

    /// Makes an image of how it is now.
    ///
    /// # Errors
    /// As [`JoeLab::info`].
    pub async fn capture(&self) -> Result<Value> {
        self.order("joelab/images/capture", Vec::new()).await
    }

    /// Puts it back to an image, or to the one that it is at.
    ///
    /// # Errors
    /// As [`JoeLab::info`].
    pub async fn reset(&self, image: Option<&str>) -> Result<Value> {
        self.order("joelab/images/reset", image.map(|image| ("image", image.to_owned())).into_iter().collect()).await
    }

    /// Puts a file on it, at a path there, or where the server likes.
    ///
    /// # Errors
    /// As [`JoeLab::info`]; the sample is an address, or cannot be read.
    pub async fn upload(&self, file: &Sample, path: Option<&str>) -> Result<Value> {
        let Sample::File { name, origin } = file else {
            let problem = "an address is no file".to_owned();
            return Err(self.joe.transport.error(LAB, ErrorKind::Invalid(problem)));
        };
        let mut parts = vec![Part::field("machine", self.machine)];
        parts.extend(path.map(|path| Part::field("path", path)));
        parts.push(Part::file("file", name, origin));
        let answer = self.joe.send(self.joe.call_with_files(LAB, "joelab/filesystem/upload", parts)).await?;
        self.joe.data(LAB, answer).await
    }

    /// Fetches a file from it.
    ///
    /// # Errors
    /// As [`JoeLab::info`]; there is no such file.
    pub async fn download(&self, path: &str) -> Result<Download> {
        let fields = self.fields().into_iter().chain([("path", path.to_owned())]).collect();
        Ok(self.joe.ask(LAB, "joelab/filesystem/download", fields).await?.download())
    }

    /// How it reaches the internet.
    ///
    /// # Errors
    /// As [`JoeLab::info`].
    pub async fn network(&self) -> Result<Value> {
        self.ask("joelab/network/info").await
    }

    /// Changes how it reaches the internet: settings by the vendor's names.
    ///
    /// # Errors
    /// As [`JoeLab::info`].
    pub async fn update_network(&self, settings: &BTreeMap<String, String>) -> Result<Value> {
        let more = settings.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
        self.order("joelab/network/update", more).await
    }

    /// Begins to record its traffic.
    ///
    /// # Errors
    /// As [`JoeLab::info`].
    pub async fn start_pcap(&self) -> Result<Value> {
        self.order("joelab/pcap/start", Vec::new()).await
    }

    /// Ends recording its traffic.
    ///
    /// # Errors
    /// As [`JoeLab::info`].
    pub async fn stop_pcap(&self) -> Result<Value> {
        self.order("joelab/pcap/stop", Vec::new()).await
    }

    /// The traffic that was recorded.
    ///
    /// # Errors
    /// As [`JoeLab::info`].
    pub async fn pcap(&self) -> Result<Download> {
        Ok(self.joe.ask(LAB, "joelab/pcap/download", self.fields()).await?.download())
    }
}
