//! Applying new rules to what an earlier run left, without running anything.

use futures_util::TryStreamExt as _;
use tokio_util::io::StreamReader;

use super::Pt;
use super::options::Scan;
use super::words::LogType;
use crate::error::{ErrorKind, Result, Step};
use crate::sample::Origin;

/// A page without anything on it: the server wants a file for what is judged by events alone.
const NO_FILE: &[u8] =
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>\n";
/// What that is called.
const NO_FILE_NAME: &str = "RESCAN_API.pdf";
/// Bytes of an earlier run's events, and of its traffic, at most.
pub const MAX_TRACE_BYTES: u64 = 4 << 30;

impl Pt {
    /// Judges again what an earlier run left: its raw events (`drakvuf-trace.log.zst`) and its traffic (`tcpdump.pcap`). The new scan's id.
    ///
    /// # Errors
    /// As [`Pt::upload`] and [`Pt::scan`].
    pub async fn rescan(&self, events: &Origin, traffic: &Origin, scan: &Scan) -> Result<String> {
        scan.check().map_err(|problem| self.invalid(Step::Submit, problem))?;
        let no_file = Origin::Bytes(NO_FILE.into());
        let (file, events, traffic) =
            tokio::try_join!(self.upload(&no_file), self.upload(events), self.upload(traffic))?;
        let of = serde_json::json!({
            "file_uri": file.file_uri, "raw_events_uri": events.file_uri, "raw_network_uri": traffic.file_uri,
        });
        let named = Scan { name: scan.name.clone().or_else(|| Some(NO_FILE_NAME.to_owned())), ..scan.clone() };
        self.create("createRetroTask", of, &named).await
    }

    /// Judges a finished scan's first run again: fetches what it left, and sends that back. The new scan's id.
    ///
    /// # Errors
    /// As [`Pt::scan_report`], [`Pt::download`] and [`Pt::rescan`]; [`ErrorKind::NotFound`] when there was no run, or it left no events.
    pub async fn rescan_task(&self, scan_id: &str, scan: &Scan) -> Result<String> {
        let (_, report) = self.scan_report(scan_id).await?;
        let log = |machine: &super::VirtualMachine, kind: LogType| {
            machine.logs.iter().find(|log| log.kind == kind).map(|log| log.file_uri.clone())
        };
        let left = report
            .machines()
            .into_iter()
            .find_map(|machine| log(machine, LogType::EventRaw).zip(log(machine, LogType::Network)));
        let Some((events, traffic)) = left else {
            let problem = "no run of this scan left both its raw events and its traffic".to_owned();
            return Err(self.error(Step::Submit, ErrorKind::NotFound(problem)));
        };
        let (events, traffic) = tokio::try_join!(self.fetched(&events), self.fetched(&traffic))?;
        self.rescan(&events, &traffic, scan).await
    }

    async fn fetched(&self, file_uri: &str) -> Result<Origin> {
        let bytes = self.download(file_uri).await?.bytes.map_err(std::io::Error::other);
        let read = Origin::read(StreamReader::new(bytes), MAX_TRACE_BYTES).await;
        read.map_err(|error| match error.downcast::<crate::Error>() {
            Ok(error) => error,
            Err(error) => self.error(Step::Artifact, ErrorKind::Sink(error)),
        })
    }
}
