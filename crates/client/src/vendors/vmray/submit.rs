//! Submitting to VMRay: an archive may become many samples, submissions and jobs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::ask::refusal;
use super::{MAX_SAMPLES, SUBMISSION_ID, SUBMISSION_IDS, VmRay, VmRayJob, VmRaySample, VmRaySubmission};
use crate::error::{Error, ErrorKind, Result, Step};
use crate::http::{Body, Call, Part};
use crate::sample::Sample;
use crate::sandbox::{Options, Submission};
use crate::vendors::loose;

/// Fields that this client fills in.
const OURS: [&str; 3] = ["sample_file", "sample_url", "sample_filename_b64enc"];

/// What is answered to a submission.
#[derive(Debug, Deserialize)]
struct Created {
    #[serde(default, deserialize_with = "loose::list")]
    errors: Vec<Refusal>,
    #[serde(default, deserialize_with = "loose::list")]
    samples: Vec<VmRaySample>,
    #[serde(default, deserialize_with = "loose::list")]
    submissions: Vec<VmRaySubmission>,
    #[serde(default, deserialize_with = "loose::list")]
    jobs: Vec<VmRayJob>,
    #[serde(default, deserialize_with = "loose::list")]
    md_jobs: Vec<Value>,
    #[serde(default, deserialize_with = "loose::list")]
    reputation_jobs: Vec<Value>,
    #[serde(default, deserialize_with = "loose::list")]
    vt_jobs: Vec<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    #[serde(deserialize_with = "loose::text")]
    error_msg: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    submission_filename: Option<String>,
}

impl VmRay {
    pub(super) async fn submit_sample(&self, sample: &Sample, options: &Options) -> Result<Submission> {
        let mut fields = self.fields(options)?;
        let body = match sample {
            Sample::Url(address) => {
                fields.push(("sample_url".to_owned(), address.clone()));
                Body::Form(fields)
            }
            Sample::File { name, origin } => {
                if !name.is_ascii() {
                    // Names in forms are taken for what the server's language has.
                    fields.push(("sample_filename_b64enc".to_owned(), STANDARD.encode(name)));
                }
                let fields = fields.into_iter().map(|(name, text)| Part::field(name, text));
                Body::Multipart(fields.chain([Part::file("sample_file", name, origin)]).collect())
            }
        };
        let call = Call::post(Step::Submit, ["rest", "sample", "submit"], body);
        let created: Created = self.data(Step::Submit, call).await?;
        self.submission_of(created)
    }

    fn fields(&self, options: &Options) -> Result<Vec<(String, String)>> {
        let mut fields = options.vendor.clone();
        if let Some(ours) = OURS.into_iter().find(|ours| fields.contains_key(*ours)) {
            return Err(self.invalid(format!("`{ours}` is no option: this client fills it in")));
        }
        if options.environment.is_some() {
            return Err(self.invalid(
                "VMRay chooses the machines by its rules: give them as `vendor` option: jobrule_entries".to_owned(),
            ));
        }
        if let Some(time) = options.analysis_time {
            let given = fields.remove("user_config").unwrap_or_else(|| "{}".to_owned());
            let Ok(Value::Object(mut config)) = serde_json::from_str(&given) else {
                return Err(self.invalid("`user_config` is not an object of JSON".to_owned()));
            };
            config.insert("timeout".to_owned(), time.as_secs().into());
            fields.insert("user_config".to_owned(), Value::Object(config).to_string());
        }
        let password = options.archive_password.as_ref();
        fields.extend(password.map(|word| ("archive_password".to_owned(), word.reveal().to_owned())));
        Ok(fields.into_iter().collect())
    }

    /// What was submitted, by all names; nothing that was submitted is lost because something else was refused.
    fn submission_of(&self, created: Created) -> Result<Submission> {
        let Created { errors, samples, submissions, jobs, md_jobs, reputation_jobs, vt_jobs } = created;
        let refused = errors.into_iter().map(Refusal::into_words).collect::<Vec<_>>().join("; ");
        if !refused.is_empty() && submissions.is_empty() {
            return Err(self.transport.error(Step::Submit, refusal(refused)));
        }
        let mut ids: Vec<String> = Vec::new();
        let of_samples = samples.iter().filter_map(|sample| sample.sample_id.as_ref());
        let of_submissions = submissions.iter().filter_map(|one| one.submission_sample_id.as_ref());
        for id in of_samples.chain(of_submissions) {
            if !ids.contains(id) {
                ids.push(id.clone());
            }
            if ids.len() > MAX_SAMPLES {
                let problem =
                    format!("it became more than {MAX_SAMPLES} samples: submit it with max_recursive_samples");
                return Err(self.transport.error(Step::Submit, ErrorKind::Refused(problem)));
            }
        }
        let mut ids = ids.into_iter();
        let first = ids.next().ok_or_else(|| self.malformed(Step::Submit, "no `sample_id`"))?;
        let mut submission = Submission::new(first);
        submission.more = ids.collect();

        let joined = |ids: Vec<String>| Some(ids.join(",")).filter(|ids| !ids.is_empty());
        let submitted: Vec<String> = submissions.iter().filter_map(|one| one.submission_id.clone()).collect();
        let others = [
            (SUBMISSION_ID, submitted.first().cloned()),
            (SUBMISSION_IDS, joined(submitted)),
            ("job_ids", joined(jobs.into_iter().filter_map(|job| job.job_id).collect())),
            ("md_job_ids", joined(job_ids(&md_jobs, "md_job_id"))),
            ("reputation_job_ids", joined(job_ids(&reputation_jobs, "reputation_job_id"))),
            ("vt_job_ids", joined(job_ids(&vt_jobs, "vt_job_id"))),
            ("sample_sha256hash", samples.first().and_then(|sample| sample.sample_sha256hash.clone())),
            ("sample_webif_url", samples.first().and_then(|sample| sample.sample_webif_url.clone())),
            ("submission_webif_url", submissions.first().and_then(|one| one.submission_webif_url.clone())),
            (
                "errors",
                Some(refused.as_str()).filter(|words| !words.is_empty()).map(|words| self.transport.said(words)),
            ),
        ];
        let others = others.into_iter().filter_map(|(name, ids)| Some((name.to_owned(), ids?)));
        submission.others.extend(others);
        if let Some(errors) = submission.others.get("errors") {
            tracing::warn!(sandbox = self.transport.name(), errors, "A part of what was submitted was refused.");
        }
        Ok(submission)
    }

    fn invalid(&self, problem: String) -> Error {
        self.transport.error(Step::Submit, ErrorKind::Invalid(problem))
    }
}

/// The ids of jobs of other kinds.
fn job_ids(jobs: &[Value], name: &str) -> Vec<String> {
    jobs.iter().filter_map(|job| loose::id(&job[name])).collect()
}

impl Refusal {
    fn into_words(self) -> String {
        let words = self.error_msg.unwrap_or_else(|| "an error without a text".to_owned());
        match self.submission_filename {
            Some(name) => format!("{name}: {words}"),
            None => words,
        }
    }
}
