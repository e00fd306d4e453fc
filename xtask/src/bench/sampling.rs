//! Cases in turns, and what their times say.

use std::fmt;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

/// What one caller does again and again.
pub(crate) trait Work: Send {
    /// One run, which is measured.
    fn run(&mut self) -> Result<()>;

    /// What has to be done before the next one, and is not measured.
    fn clean_up(&mut self) -> Result<()> {
        Ok(())
    }
}

impl<F: FnMut() -> Result<()> + Send> Work for F {
    fn run(&mut self) -> Result<()> {
        self()
    }
}

/// A caller: its work with its connection.
pub(crate) type Caller = Box<dyn Work>;

/// Something to be measured: makes a caller, which keeps its connection.
pub(crate) struct Case<'a> {
    pub(crate) name: &'static str,
    pub(crate) caller: Box<dyn Fn() -> Result<Caller> + 'a>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(name: &'static str, caller: impl Fn() -> Result<Caller> + 'a) -> Self {
        Self { name, caller: Box::new(caller) }
    }
}

/// Times of one case.
#[derive(Debug, Default, Clone)]
pub(crate) struct Samples {
    /// Each run, in seconds, in ascending order once all is done.
    times: Vec<f64>,
    /// Runs per second of each turn, in ascending order once all is done.
    rates: Vec<f64>,
}

impl fmt::Debug for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Samples {
    /// The time that this share of the runs did not take longer than, in seconds.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        quantile(&self.times, share)
    }

    pub(crate) fn p50(&self) -> f64 {
        self.quantile(0.5)
    }

    pub(crate) fn p90(&self) -> f64 {
        self.quantile(0.9)
    }

    pub(crate) fn fastest(&self) -> f64 {
        self.quantile(0.0)
    }

    /// Runs per second of all callers together: the median of the turns.
    pub(crate) fn rate(&self) -> f64 {
        quantile(&self.rates, 0.5)
    }

    fn sort(&mut self) {
        self.times.sort_by(f64::total_cmp);
        self.rates.sort_by(f64::total_cmp);
    }
}

/// A quantile of numbers in ascending order; 0 if there are none.
fn quantile(ascending: &[f64], share: f64) -> f64 {
    let last = ascending.len().saturating_sub(1);
    let place = (0..=last).find(|place| to_float(*place) >= share * to_float(last)).unwrap_or(last);
    ascending.get(place).copied().unwrap_or_default()
}

fn to_float(count: usize) -> f64 {
    // Counts of samples are small.
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// Runs every case `runs` times by each of `callers` callers at once, then the next one, `rounds` times over. Before that each runs
/// a few times unmeasured.
///
/// # Errors
///
/// A case fails.
pub(crate) fn in_turns(cases: &[Case<'_>], callers: usize, rounds: u32, runs: u32) -> Result<Vec<Samples>> {
    let failed = |case: &Case<'_>| format!("{} failed", case.name);
    let mut crews: Vec<Vec<Caller>> = Vec::new();
    for case in cases {
        let crew: Result<_> = (0..callers).map(|_| (case.caller)()).collect();
        crews.push(crew.with_context(|| failed(case))?);
    }
    let mut all = vec![Samples::default(); cases.len()];
    // Enough for every sandbox of the pool to have run once.
    let warm_up = runs.min(8);
    for (crew, case) in crews.iter_mut().zip(cases) {
        turn(crew, warm_up).with_context(|| failed(case))?;
    }
    for _ in 0..rounds {
        for ((crew, case), samples) in crews.iter_mut().zip(cases).zip(&mut all) {
            let (times, took) = turn(crew, runs).with_context(|| failed(case))?;
            samples.rates.push(to_float(times.len()) / took.as_secs_f64());
            samples.times.extend(times.iter().map(Duration::as_secs_f64));
        }
    }
    all.iter_mut().for_each(Samples::sort);
    Ok(all)
}

/// Each caller `runs` times, all at once: the time of each run, and of the whole.
fn turn(crew: &mut [Caller], runs: u32) -> Result<(Vec<Duration>, Duration)> {
    let start = Barrier::new(crew.len());
    let work = |caller: &mut Caller| {
        let mut times = Vec::new();
        start.wait();
        let began = Instant::now();
        for _ in 0..runs {
            let began = Instant::now();
            caller.run()?;
            times.push(began.elapsed());
            caller.clean_up()?;
        }
        Ok::<_, anyhow::Error>((times, began.elapsed()))
    };
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = crew.iter_mut().map(|caller| scope.spawn(move || work(caller))).collect();
        let (mut times, mut longest) = (Vec::new(), Duration::ZERO);
        for thread in threads {
            let (own, took) = thread.join().map_err(|_| anyhow!("a caller panicked"))??;
            times.extend(own);
            longest = longest.max(took);
        }
        Ok((times, longest))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn quantiles_are_samples() {
        let numbers = [1.0, 2.0, 3.0, 4.0, 100.0];
        for (share, expected) in [(0.0, 1.0), (0.5, 3.0), (0.9, 100.0), (1.0, 100.0)] {
            assert!((quantile(&numbers, share) - expected).abs() < 1e-9, "{share}");
        }
        assert!(quantile(&[], 0.5).abs() < 1e-9);
    }

    #[test]
    fn cases_take_turns() {
        let count = AtomicU32::new(0);
        let count: &'static AtomicU32 = Box::leak(Box::new(count));
        let case = Case::new("count", || {
            let run: Caller = Box::new(|| {
                count.fetch_add(1, Ordering::Relaxed);
                Ok(())
            });
            Ok(run)
        });
        let samples = in_turns(&[case], 2, 3, 4).expect("nothing fails");
        // Three turns and the unmeasured one, of two callers.
        assert_eq!(count.load(Ordering::Relaxed), 4 * 2 * 4);
        assert_eq!((samples[0].times.len(), samples[0].rates.len()), (24, 3));
    }
}
