//! Medians, their spread, and the order of things by chance.

/// The middle of the values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    if values.is_empty() {
        return f64::NAN;
    }
    (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
}

/// A median with what it was taken from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// The median and the extremes.
    pub(crate) fn of(values: &[f64]) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self { median: median(values), low, high }
    }

    /// The median and its bootstrap 95 % interval.
    pub(crate) fn of_median(values: &[f64]) -> Self {
        let mut random = Random(1);
        let mut medians: Vec<f64> = (0..2000)
            .map(|_| {
                let sample: Vec<f64> =
                    values.iter().map(|_| values[random.below(values.len())]).collect();
                median(&sample)
            })
            .collect();
        medians.sort_by(f64::total_cmp);
        Self { median: median(values), low: medians[49], high: medians[1949] }
    }
}

/// A seeded stream of numbers: splitmix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// The numbers below `limit`, in some order.
    pub(crate) fn order(&mut self, limit: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..limit).collect();
        for at in (1..limit).rev() {
            order.swap(at, self.below(at + 1));
        }
        order
    }
}
