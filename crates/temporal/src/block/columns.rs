//! Columns in memory in as few bytes as their values need: events are many, and what does not fit is read again.

/// Shorter columns are not worth a table.
const TABLE_FROM: usize = 1024;
/// Units of time in nanoseconds, finest first.
const UNITS: [i64; 4] = [1, 1_000, 1_000_000, 1_000_000_000];

/// Moments or indices.
#[derive(Debug)]
pub(super) enum Numbers {
    /// Each is the base and so many units.
    Offsets {
        base: i64,
        unit: i64,
        offsets: Vec<u32>,
    },
    Whole(Vec<i64>),
}

impl Default for Numbers {
    fn default() -> Self {
        Self::Whole(Vec::new())
    }
}

impl Numbers {
    pub fn of(values: Vec<i64>) -> Self {
        let base = values.iter().copied().min().unwrap_or(0);
        let most = values.iter().copied().max().unwrap_or(0).wrapping_sub(base);
        let fits = |unit: &&i64| {
            u32::try_from(most / **unit).is_ok()
                && values.iter().all(|value| value.wrapping_sub(base) % **unit == 0)
        };
        match UNITS.iter().find(fits) {
            Some(unit) if most >= 0 => Self::Offsets {
                base,
                unit: *unit,
                offsets: values.iter().map(|value| (value.wrapping_sub(base) / unit) as u32).collect(),
            },
            _ => Self::Whole(values),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Offsets { offsets, .. } => offsets.len(),
            Self::Whole(values) => values.len(),
        }
    }

    /// The one at a place below [`Numbers::len`].
    #[inline]
    pub fn at(&self, place: usize) -> i64 {
        match self {
            Self::Offsets { base, unit, offsets } => base + unit * i64::from(offsets[place]),
            Self::Whole(values) => values[place],
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        (0..self.len()).map(|place| self.at(place))
    }

    /// The first place whose value is not below; values ascend.
    pub fn partition(&self, below: i64) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.at(middle) < below { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Offsets { offsets, .. } => offsets.len() * 4,
            Self::Whole(values) => values.len() * 8,
        }
    }
}

/// Ordinals: themselves, or places in a table of those that there are.
#[derive(Debug)]
pub(super) enum Ordinals {
    Whole(Vec<u32>),
    Byte { table: Vec<u32>, places: Vec<u8> },
    Short { table: Vec<u32>, places: Vec<u16> },
}

impl Default for Ordinals {
    fn default() -> Self {
        Self::Whole(Vec::new())
    }
}

impl Ordinals {
    pub fn of(values: Vec<u32>) -> Self {
        let Some((table, places)) = tabled(&values) else { return Self::Whole(values) };
        if table.len() <= usize::from(u8::MAX) + 1 {
            // From another list: one made of the list itself would keep its room.
            return Self::Byte { table, places: places.iter().map(|place| *place as u8).collect() };
        }
        Self::Short { table, places }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Whole(values) => values.len(),
            Self::Byte { places, .. } => places.len(),
            Self::Short { places, .. } => places.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The one at a place below [`Ordinals::len`].
    #[inline]
    pub fn at(&self, place: usize) -> u32 {
        match self {
            Self::Whole(values) => values[place],
            Self::Byte { table, places } => table[usize::from(places[place])],
            Self::Short { table, places } => table[usize::from(places[place])],
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len()).map(|place| self.at(place))
    }

    /// Whether one of them is this.
    pub fn contains(&self, ordinal: u32) -> bool {
        match self {
            Self::Whole(values) => values.contains(&ordinal),
            Self::Byte { table, .. } | Self::Short { table, .. } => table.contains(&ordinal),
        }
    }

    /// How many different ones there are, at most.
    pub fn distinct_max(&self) -> usize {
        match self {
            Self::Whole(values) => values.len(),
            Self::Byte { table, .. } | Self::Short { table, .. } => table.len(),
        }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Whole(values) => values.len() * 4,
            Self::Byte { table, places } => table.len() * 4 + places.len(),
            Self::Short { table, places } => table.len() * 4 + places.len() * 2,
        }
    }
}

/// The ordinals that there are, as they first come, and the place of each value among them. `None`: they are too many for
/// that to take fewer bytes.
fn tabled(values: &[u32]) -> Option<(Vec<u32>, Vec<u16>)> {
    if values.len() < TABLE_FROM {
        return None;
    }
    let most = (values.len() / 2 - 1).min(usize::from(u16::MAX) + 1);
    // Open addressing, half empty at least: a place in the table and 1, or 0 where there is none.
    let bits = most.ilog2() + 2;
    let mut found = vec![0_u32; 1 << bits];
    let (mut table, mut places) = (Vec::new(), Vec::with_capacity(values.len()));
    for value in values {
        // Fibonacci hashing, as in the codec.
        let mut at = (value.wrapping_mul(0x9E37_79B9) >> (32 - bits)) as usize;
        loop {
            match found[at] {
                0 => {
                    if table.len() == most {
                        return None;
                    }
                    table.push(*value);
                    found[at] = table.len() as u32;
                }
                place if table[place as usize - 1] == *value => {}
                _ => {
                    at = (at + 1) % found.len();
                    continue;
                }
            }
            places.push((found[at] - 1) as u16);
            break;
        }
    }
    table.shrink_to_fit();
    Some((table, places))
}

#[cfg(test)]
mod tests {
    use super::super::NONE;
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let (low, high) = (i64::MIN, i64::MAX);
        for values in [
            vec![],
            vec![5],
            vec![0, 1, 4_294_967_295],
            vec![0, 1, 4_294_967_296],
            vec![1_000_000, 3_000_000, 86_400_000_000_000],
            vec![1_000_001, 3_000_000, 86_400_000_000_000],
            vec![low, high],
            vec![low, 0],
        ] {
            let numbers = Numbers::of(values.clone());
            assert_eq!(numbers.iter().collect::<Vec<_>>(), values);
            for below in values.iter().flat_map(|value| [*value, value.saturating_add(1)]) {
                assert_eq!(numbers.partition(below), values.partition_point(|value| *value < below));
            }
        }
        assert!(matches!(Numbers::of(vec![7, 86_400_000_000_007]), Numbers::Offsets { .. }));
    }

    #[test]
    fn ordinals_take_the_bytes_that_they_need() {
        for (different, bytes) in [(1, 1), (256, 1), (257, 2), (65_536, 2), (65_537, 4)] {
            let mut values: Vec<u32> = (0..70_000).map(|place| place % different).collect();
            let ordinals = Ordinals::of(values.clone());
            assert_eq!(ordinals.iter().collect::<Vec<_>>(), values);
            assert!(ordinals.bytes() < 70_000 * (bytes + 1) + different as usize * 4, "{different}");
            values[5] = NONE;
            values[6] = NONE - 1;
            assert_eq!(Ordinals::of(values.clone()).iter().collect::<Vec<_>>(), values);
            values[6] = 5;
            assert_eq!(Ordinals::of(values.clone()).iter().collect::<Vec<_>>(), values);
        }
    }
}
