//! Cases in turns, and what their times say.

use std::fmt;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

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

/// CPU time that a case has used so far, whoever used it.
type Processor<'a> = Box<dyn Fn() -> Result<Duration> + 'a>;

/// Something to be measured: makes callers, which keep their connections.
pub(crate) struct Case<'a> {
    pub(crate) name: String,
    /// Makes the caller of this number, from 0.
    caller: Box<dyn Fn(usize) -> Result<Caller> + 'a>,
    /// Callers at once.
    callers: usize,
    /// A turn has so many times fewer runs.
    divisor: u32,
    processor: Option<Processor<'a>>,
    /// Somebody else's: when it fails, the rest goes on without it.
    dispensable: bool,
}

impl<'a> Case<'a> {
    pub(crate) fn new(name: impl Into<String>, caller: impl Fn() -> Result<Caller> + 'a) -> Self {
        Self::numbered(name, move |_| caller())
    }

    /// A case whose callers differ.
    pub(crate) fn numbered(name: impl Into<String>, caller: impl Fn(usize) -> Result<Caller> + 'a) -> Self {
        let caller = Box::new(caller);
        Self { name: name.into(), caller, callers: 1, divisor: 1, processor: None, dispensable: false }
    }

    pub(crate) fn callers(self, callers: usize) -> Self {
        Self { callers, ..self }
    }

    pub(crate) fn divisor(self, divisor: u32) -> Self {
        Self { divisor, ..self }
    }

    /// So many times fewer runs still.
    pub(crate) fn slower(self, times: u32) -> Self {
        let divisor = self.divisor * times;
        Self { divisor, ..self }
    }

    pub(crate) fn processor(self, so_far: impl Fn() -> Result<Duration> + 'a) -> Self {
        Self { processor: Some(Box::new(so_far)), ..self }
    }

    pub(crate) fn dispensable(self) -> Self {
        Self { dispensable: true, ..self }
    }

    fn runs(&self, runs: u32) -> u32 {
        (runs / self.divisor).max(1)
    }

    fn so_far(&self) -> Result<Duration> {
        self.processor.as_ref().map_or(Ok(Duration::ZERO), |so_far| so_far())
    }
}

/// Times of one case.
#[derive(Debug, Default, Clone)]
pub(crate) struct Samples {
    /// Each run, in seconds, in ascending order once all is done.
    times: Vec<f64>,
    /// Runs per second of each turn, in ascending order once all is done.
    rates: Vec<f64>,
    /// The median of each turn, in seconds, in ascending order once all is done.
    medians: Vec<f64>,
    /// CPU time of all runs, in seconds.
    processor: f64,
    /// Why it takes part no more.
    pub(crate) trouble: Option<String>,
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

    /// The median of the quietest turn, in seconds.
    pub(crate) fn best(&self) -> f64 {
        self.medians.first().copied().unwrap_or_default()
    }

    /// CPU time of one run, in seconds, on average; of a case that tells.
    pub(crate) fn processor(&self) -> Option<f64> {
        (self.processor > 0.0).then(|| self.processor / to_float(self.times.len()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Adds a turn.
    pub(crate) fn add(&mut self, times: &[Duration], took: Duration, processor: Duration) {
        let mut times: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
        times.sort_by(f64::total_cmp);
        self.rates.push(to_float(times.len()) / took.as_secs_f64());
        self.medians.push(quantile(&times, 0.5));
        self.processor += processor.as_secs_f64();
        self.times.extend(times);
    }

    /// Passes on what a case did; notes what went wrong with one that is dispensable.
    fn excuse<T>(&mut self, case: &Case<'_>, done: Result<T>) -> Result<Option<T>> {
        match done {
            Ok(done) => Ok(Some(done)),
            Err(error) if case.dispensable => {
                self.trouble = Some(format!("{error:#}"));
                Ok(None)
            }
            Err(error) => Err(error.context(format!("{} failed", case.name))),
        }
    }

    /// Has to be done before anything is asked for.
    pub(crate) fn sort(&mut self) {
        for numbers in [&mut self.times, &mut self.rates, &mut self.medians] {
            numbers.sort_by(f64::total_cmp);
        }
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

/// Runs every case `runs` times by each of its callers at once, then the next one, `rounds` times over; each round begins with
/// another case. Before that each runs a few times unmeasured.
///
/// # Errors
///
/// A case fails that is not dispensable.
pub(crate) fn in_turns(cases: &[Case<'_>], rounds: u32, runs: u32) -> Result<Vec<Samples>> {
    let mut all = vec![Samples::default(); cases.len()];
    let mut crews: Vec<Vec<Caller>> = Vec::new();
    for (case, samples) in cases.iter().zip(&mut all) {
        let made: Result<Vec<Caller>> = (0..case.callers).map(|number| (case.caller)(number)).collect();
        // Enough for every sandbox of the pool to have run once.
        let warmed = made.and_then(|mut crew| turn(&mut crew, case.runs(runs).min(8)).map(|_| crew));
        crews.push(samples.excuse(case, warmed)?.unwrap_or_default());
    }
    for round in 0..rounds {
        let first = usize::try_from(round)? % cases.len().max(1);
        for place in (first..cases.len()).chain(0..first) {
            let (case, crew, samples) = (&cases[place], &mut crews[place], &mut all[place]);
            if samples.trouble.is_some() {
                continue;
            }
            let before = case.so_far()?;
            let done = turn(crew, case.runs(runs));
            if let Some((times, took)) = samples.excuse(case, done)? {
                samples.add(&times, took, case.so_far()?.saturating_sub(before));
            }
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
        let samples = in_turns(&[case.callers(2)], 3, 4).expect("nothing fails");
        // Three turns and the unmeasured one, of two callers.
        assert_eq!(count.load(Ordering::Relaxed), 4 * 2 * 4);
        assert_eq!((samples[0].times.len(), samples[0].rates.len()), (24, 3));
    }

    #[test]
    fn a_round_begins_with_another_case_each_time() {
        let order = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let case = |name: char| {
            let order = std::sync::Arc::clone(&order);
            Case::new(name, move || {
                let order = std::sync::Arc::clone(&order);
                let run: Caller = Box::new(move || {
                    order.lock().map_err(|_| anyhow!("poisoned"))?.push(name);
                    Ok(())
                });
                Ok(run)
            })
        };
        in_turns(&[case('a'), case('b'), case('c')], 4, 1).expect("nothing fails");
        assert_eq!(*order.lock().expect("nobody panicked"), "abc".to_owned() + "abc" + "bca" + "cab" + "abc");
    }

    #[test]
    fn only_what_is_dispensable_may_fail() {
        let case = || Case::new("broken", || Err(anyhow!("not installed")));
        let samples = in_turns(&[case().dispensable()], 1, 1).expect("it is dispensable");
        assert_eq!(samples[0].trouble.as_deref(), Some("not installed"));
        assert!(in_turns(&[case()], 1, 1).is_err());
    }

    #[test]
    fn processor_time_is_divided_by_the_runs() {
        let so_far = std::cell::Cell::new(0);
        let case = Case::new("busy", || Ok(Box::new(|| Ok(())) as Caller)).processor(|| {
            so_far.set(so_far.get() + 10);
            Ok(Duration::from_secs(so_far.get()))
        });
        let samples = in_turns(&[case], 2, 5).expect("nothing fails");
        assert!((samples[0].processor().expect("told") - 2.0).abs() < 1e-9);
    }
}
