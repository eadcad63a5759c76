//! From measurements to a Markdown table: medians, bad percentiles, ratios of medians.

/// One way of doing the same thing.
#[derive(Clone)]
pub(crate) struct Row {
    name: String,
    /// In the unit of the table.
    measured: Vec<f64>,
}

impl Row {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            measured: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, value: f64) {
        self.measured.push(value);
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn count(&self) -> usize {
        self.measured.len()
    }

    pub(crate) fn median(&self) -> f64 {
        self.percentile(50)
    }

    /// By nearest rank; the median of an even number is the mean of the middle two.
    fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.measured.clone();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        if percent == 50 && count > 0 && count.is_multiple_of(2) {
            return f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]);
        }
        let rank = (count * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
    }
}

/// Which end of what was measured is the bad one.
#[derive(Clone, Copy)]
pub(crate) enum Worse {
    /// Times: the 95th percentile is shown.
    High,
    /// Times of which there are thousands: the 99th.
    VeryHigh,
    /// Rates: the 5th.
    Low,
}

/// Prints the rows; the ratios are to each of the rows before.
pub(crate) fn print(title: &str, unit: &str, worse: Worse, rows: &[Row]) {
    let tail = match worse {
        Worse::High => 95,
        Worse::VeryHigh => 99,
        Worse::Low => 5,
    };
    println!("### {title}\n");
    let compared = &rows[..rows.len().saturating_sub(1)];
    print!("| | median ({unit}) | p{tail} ({unit}) | runs |");
    for row in compared {
        print!(" × {} |", row.name);
    }
    println!("\n|---|---:|---:|---:|{}", "---:|".repeat(compared.len()));
    for (index, row) in rows.iter().enumerate() {
        print!(
            "| {} | {:.1} | {:.1} | {} |",
            row.name,
            row.median(),
            row.percentile(tail),
            row.measured.len()
        );
        for (other, base) in compared.iter().enumerate() {
            if other < index {
                print!(" {:.2} |", row.median() / base.median());
            } else {
                print!(" |");
            }
        }
        println!();
    }
    println!();
}

/// Says whether `row` is at most `bound` times `base`.
pub(crate) fn goal(row: &Row, bound: f64, base: &Row) {
    let ratio = row.median() / base.median();
    say_goal(row, "at most", bound, base, ratio <= bound);
}

/// Says whether `row` is at least `bound` times `base`.
pub(crate) fn goal_at_least(row: &Row, bound: f64, base: &Row) {
    let ratio = row.median() / base.median();
    say_goal(row, "at least", bound, base, ratio >= bound);
}

/// Says whether the median of `row` is at most `bound` above that of `base`, in the unit of the table.
pub(crate) fn goal_added(row: &Row, bound: f64, unit: &str, base: &Row) {
    let added = row.median() - base.median();
    let verdict = if added <= bound { "met" } else { "MISSED" };
    println!(
        "- goal: {} at most {bound} {unit} above {}: {added:.1} {unit}, {verdict}\n",
        row.name, base.name
    );
}

fn say_goal(row: &Row, side: &str, bound: f64, base: &Row, met: bool) {
    let ratio = row.median() / base.median();
    let verdict = if met { "met" } else { "MISSED" };
    println!(
        "- goal: {} {side} {bound} × {}: {ratio:.2}, {verdict}",
        row.name, base.name
    );
}
