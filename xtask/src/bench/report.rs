//! What was measured, as a table and as JSON.

use std::fmt;

use serde::Serialize;

use super::machine::Machine;

/// What is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// Ours at most this many times the floor.
    AtMostRatio(f64),
    /// Ours at least this many times the floor.
    AtLeastRatio(f64),
    /// Ours at most this much more than the floor.
    AboveFloor(f64),
    /// Ours so many times less than the floor.
    TimesFaster(f64),
    /// Ours at most this.
    AtMost(f64),
    /// Ours at least this.
    AtLeast(f64),
    /// Ours what the floor is.
    Exactly,
}

/// One thing that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    part: &'static str,
    measure: String,
    unit: &'static str,
    ours: Option<f64>,
    floor: Option<f64>,
    ratio: Option<f64>,
    target: Option<Target>,
    met: Option<bool>,
    note: String,
}

impl Row {
    pub(crate) fn new(part: &'static str, measure: impl Into<String>, unit: &'static str) -> Self {
        let measure = measure.into();
        Self { part, measure, unit, ours: None, floor: None, ratio: None, target: None, met: None, note: String::new() }
    }

    pub(crate) fn ours(self, ours: f64) -> Self {
        self.measured(Some(ours))
    }

    pub(crate) fn floor(self, floor: f64) -> Self {
        self.against(Some(floor))
    }

    /// What was measured, if it could be.
    pub(crate) fn measured(self, ours: Option<f64>) -> Self {
        Self { ours, ..self }
    }

    /// The floor, if it could be measured.
    pub(crate) fn against(self, floor: Option<f64>) -> Self {
        Self { floor, ..self }
    }

    pub(crate) fn target(self, target: Option<Target>) -> Self {
        Self { target, ..self }
    }

    pub(crate) fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// Fills in what follows from the rest.
    fn judged(mut self) -> Self {
        let floor = self.floor.filter(|floor| *floor > 0.0);
        self.ratio = self.ours.zip(floor).map(|(ours, floor)| ours / floor);
        self.met = self.target.and_then(|target| match target {
            Target::AtMostRatio(most) => self.ratio.map(|ratio| ratio <= most),
            Target::AtLeastRatio(least) => self.ratio.map(|ratio| ratio >= least),
            Target::TimesFaster(times) => self.ratio.map(|ratio| ratio * times <= 1.0),
            Target::AboveFloor(more) => self.ours.zip(self.floor).map(|(ours, floor)| ours <= floor + more),
            Target::AtMost(most) => self.ours.map(|ours| ours <= most),
            Target::AtLeast(least) => self.ours.map(|ours| ours >= least),
            Target::Exactly => self.ours.zip(self.floor).map(|(ours, floor)| (ours - floor).abs() < 0.5),
        });
        self
    }

    fn cells(&self) -> [String; 6] {
        let unit = self.unit;
        let number = |number: Option<f64>| number.map_or(String::new(), |number| format!("{} {unit}", short(number)));
        let target = self.target.map_or(String::new(), |target| match target {
            Target::AtMostRatio(most) => format!("<= {most} x"),
            Target::AtLeastRatio(least) => format!(">= {least} x"),
            Target::TimesFaster(times) => format!("{times} x faster"),
            Target::AboveFloor(more) => format!("<= floor + {more} {unit}"),
            Target::AtMost(most) => format!("<= {most} {unit}"),
            Target::AtLeast(least) => format!(">= {least} {unit}"),
            Target::Exactly => "= floor".to_owned(),
        });
        let verdict = match self.met {
            Some(true) => "ok",
            Some(false) => "MISSED",
            None if self.target.is_some() => "not run",
            None => "",
        };
        let ratio = self.ratio.map_or(String::new(), |ratio| format!("{ratio:.2} x"));
        [self.measure.clone(), number(self.ours), number(self.floor), ratio, target, verdict.to_owned()]
    }
}

/// Three digits or more, no useless ones.
fn short(number: f64) -> String {
    match number.abs() {
        size if size < 10.0 => format!("{number:.2}"),
        size if size < 100.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

/// Everything that was measured in one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    rounds: u32,
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(machine: Machine, rounds: u32) -> Self {
        Self { machine, rounds, rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row.judged());
    }
}

/// A table in Markdown that also reads well as it is.
#[derive(Debug)]
pub(crate) struct Grid<const N: usize> {
    head: [&'static str; N],
    /// For each column `:` when it is set to the right, as numbers are.
    sides: &'static str,
    rows: Vec<[String; N]>,
}

impl<const N: usize> Grid<N> {
    pub(crate) fn new(head: [&'static str; N], sides: &'static str) -> Self {
        Self { head, sides, rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: [String; N]) {
        self.rows.push(row);
    }
}

impl<const N: usize> fmt::Display for Grid<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.head.map(str::to_owned);
        let columns: Vec<(usize, bool)> = (0..N)
            .zip(self.sides.chars())
            .map(|(column, side)| {
                let cells = self.rows.iter().chain([&head]).map(|row| row[column].chars().count());
                (cells.max().unwrap_or_default(), side == ':')
            })
            .collect();
        let line = |f: &mut fmt::Formatter<'_>, cells: &[String; N]| {
            for (cell, (width, right)) in cells.iter().zip(&columns) {
                match right {
                    true => write!(f, "| {cell:>width$} ")?,
                    false => write!(f, "| {cell:<width$} ")?,
                }
            }
            writeln!(f, "|")
        };
        line(f, &head)?;
        for (width, right) in &columns {
            write!(f, "| {}{} ", "-".repeat(width.saturating_sub(1)), if *right { ":" } else { "-" })?;
        }
        writeln!(f, "|")?;
        self.rows.iter().try_for_each(|row| line(f, row))
    }
}

impl Report {
    /// What it was measured on.
    pub(crate) fn head(&self) -> String {
        let Machine { date, cpu, cpus, kernel, cgroups, commit, load } = &self.machine;
        format!(
            "date:    {date}\nCPU:     {cpu}, {cpus} usable\nkernel:  {kernel}\ncgroups: {cgroups}\ncommit:  {commit}\n\
             load:    {load}\nrounds:  {}\n\n",
            self.rounds
        )
    }

    /// The table, with the notes below.
    pub(crate) fn body(&self) -> String {
        let mut grid = Grid::new(["measure", "ours", "floor", "ratio", "target", ""], "-:::--");
        self.rows.iter().for_each(|row| grid.push(row.cells()));
        let noted = self.rows.iter().filter(|row| !row.note.is_empty());
        let notes: String = noted.map(|row| format!("- {}: {}\n", row.measure, row.note)).collect();
        let (met, missed): (Vec<bool>, Vec<bool>) = self.rows.iter().filter_map(|row| row.met).partition(|met| *met);
        format!("{grid}\n{notes}\n{} targets met, {} missed\n", met.len(), missed.len())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.head(), self.body())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_judged() {
        let row = |target, ours: f64, floor: f64| {
            Row::new("p", "m", "ms").ours(ours).floor(floor).target(Some(target)).judged()
        };
        for (target, ours, floor, met) in [
            (Target::AtMostRatio(1.3), 1.2, 1.0, true),
            (Target::AtMostRatio(1.3), 1.4, 1.0, false),
            (Target::AtLeastRatio(0.4), 50.0, 100.0, true),
            (Target::AtLeastRatio(0.4), 30.0, 100.0, false),
            (Target::TimesFaster(2.0), 1.0, 2.0, true),
            (Target::TimesFaster(2.0), 1.1, 2.0, false),
            (Target::AboveFloor(0.5), 1.4, 1.0, true),
            (Target::AboveFloor(0.5), 1.6, 1.0, false),
            (Target::AtMost(5.0), 4.9, 0.0, true),
            (Target::AtMost(5.0), 5.1, 0.0, false),
            (Target::AtLeast(5.0), 5.1, 0.0, true),
            (Target::AtLeast(5.0), 4.9, 0.0, false),
            (Target::Exactly, 1_048_576.0, 1_048_576.0, true),
            (Target::Exactly, 1_048_577.0, 1_048_576.0, false),
        ] {
            assert_eq!(row(target, ours, floor).met, Some(met), "{target:?} {ours} {floor}");
        }
        assert_eq!(Row::new("p", "m", "ms").ours(1.0).judged().met, None);
    }

    #[test]
    fn the_table_lines_up() {
        let machine = Machine {
            date: "2026-11-20".to_owned(),
            cpu: "c".to_owned(),
            cpus: 2,
            kernel: "6".to_owned(),
            cgroups: "none".to_owned(),
            commit: "0".to_owned(),
            load: "0.00".to_owned(),
        };
        let mut report = Report::new(machine, 1);
        report.add(Row::new("p", "one", "ms").ours(1.0).floor(2.0).target(Some(Target::AtMostRatio(1.0))));
        report.add(Row::new("p", "another measure", "1/s").ours(1234.5).note("a note"));
        let printed = report.to_string();
        let table: Vec<&str> = printed.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(table.len(), 4);
        assert!(table.iter().all(|line| line.chars().count() == table[0].chars().count()), "{printed}");
        assert!(printed.ends_with("1 targets met, 0 missed\n"), "{printed}");
    }
}
