//! How much of a key's quota is left, as each answer's headers say.

use std::collections::BTreeMap;

use http::HeaderMap;
use serde_json::Value;

/// One quota of a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FalconLimit {
    /// How many are allowed, by the time in which they are: `minute`, `hour`, `month`.
    pub allowed: BTreeMap<String, u64>,
    /// How many have been used, by the same times and by others.
    pub used: BTreeMap<String, u64>,
    /// Nothing is left of it.
    pub reached: bool,
}

/// All quotas of a key, each as the last answer that told of it said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FalconLimits {
    /// Requests.
    pub requests: Option<FalconLimit>,
    /// Submissions.
    pub submissions: Option<FalconLimit>,
    /// Quick scans.
    pub quick_scans: Option<FalconLimit>,
}

impl FalconLimits {
    /// Takes over what an answer says; what it is silent about stays.
    pub(super) fn keep(&mut self, headers: &HeaderMap) {
        let said = |name: &str| {
            let value: Value = serde_json::from_slice(headers.get(name)?.as_bytes()).ok()?;
            FalconLimit::read(&value)
        };
        for (name, kept) in [
            ("api-limits", &mut self.requests),
            ("submission-limits", &mut self.submissions),
            ("quick-scan-limits", &mut self.quick_scans),
        ] {
            if let Some(limit) = said(name) {
                *kept = Some(limit);
            }
        }
    }

    /// Which of them are used up, for people.
    pub(super) fn remarks(&self) -> Vec<String> {
        let all =
            [("requests", &self.requests), ("submissions", &self.submissions), ("quick scans", &self.quick_scans)];
        let reached = |limit: &Option<FalconLimit>| limit.as_ref().is_some_and(|limit| limit.reached);
        all.iter()
            .filter(|(_, limit)| reached(limit))
            .map(|(what, _)| format!("the quota of {what} is used up"))
            .collect()
    }
}

impl FalconLimit {
    /// Of requests the numbers are `limits` and `used`; of submissions `quota` and `used`, one level deeper.
    fn read(value: &Value) -> Option<Self> {
        let numbers = |value: &Value| {
            let pairs = value.as_object().into_iter().flatten();
            pairs.filter_map(|(time, number)| Some((time.clone(), number.as_u64()?))).collect::<BTreeMap<_, _>>()
        };
        let of = value.as_object()?.get("total").filter(|total| total.is_object()).unwrap_or(value);
        let allowed = numbers(of.get("limits").unwrap_or(&of["quota"]));
        let told = [&value["limit_reached"], &value["quota_reached"], &of["limit_reached"], &of["quota_reached"]];
        let reached = told.into_iter().any(|reached| reached.as_bool() == Some(true));
        Some(Self { allowed, used: numbers(&of["used"]), reached })
    }
}
