//! Grids over the globe. Cells are numbered along their row from west to east, the rows from the south
//! pole on: what lies side by side in a row is a range of numbers.

use std::f64::consts::PI;

use crate::pixels::Place;

/// Mean radius of the earth in metres (IUGG), as for distances.
const RADIUS: f64 = 6_371_009.0;
/// What rounding may cost, in degrees: a centimetre.
const SLACK: f64 = 1e-7;

/// A grid with so many cells to a degree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid(pub(super) u32);

impl Grid {
    /// The number of the cell that holds a place.
    pub(super) fn cell(self, place: Place) -> i64 {
        self.row(place.lat) * self.columns() + self.column(place.lon)
    }

    /// First and last cells of the rows that are at most so many metres from a place. They hold more than
    /// the circle, never less.
    pub(super) fn around(self, place: Place, metres: f64) -> Vec<(i64, i64)> {
        let reach = metres.max(0.0) / RADIUS;
        let half_height = reach.to_degrees() + SLACK;
        let (south, north) = (place.lat - half_height, place.lat + half_height);
        let spread = (reach.min(PI).sin() / place.lat.to_radians().cos()).asin();
        // NaN where the circle holds a pole.
        let half_width = spread.to_degrees() + SLACK;
        let whole = !(south > -90.0 && north < 90.0 && half_width < 180.0);
        let columns = if whole {
            vec![(0, self.columns() - 1)]
        } else {
            let (west, east) =
                (self.column(place.lon - half_width), self.column(place.lon + half_width));
            // Over the date line it is two pieces.
            if west <= east {
                vec![(west, east)]
            } else {
                vec![(west, self.columns() - 1), (0, east)]
            }
        };
        let all = self.row(south)..=self.row(north);
        let range = |row: i64, (west, east)| {
            let beginning = row * self.columns();
            (beginning + west, beginning + east)
        };
        all.flat_map(|row| columns.iter().map(move |columns| range(row, *columns))).collect()
    }

    fn columns(self) -> i64 {
        360 * i64::from(self.0)
    }

    fn row(self, lat: f64) -> i64 {
        let rows = 180 * i64::from(self.0);
        self.steps(lat + 90.0).clamp(0, rows - 1)
    }

    fn column(self, lon: f64) -> i64 {
        self.steps(lon + 180.0).rem_euclid(self.columns())
    }

    #[expect(clippy::cast_possible_truncation, reason = "some thousand steps at most")]
    fn steps(self, degrees: f64) -> i64 {
        (degrees * f64::from(self.0)).floor() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::metres;

    #[test]
    fn no_place_within_reach_is_left_out() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut inside = 0;
        for _ in 0..20_000 {
            // Everywhere, and often where it is difficult.
            let at = |random: &mut fastrand::Rng, edge: f64| match random.u8(..4) {
                0 => edge - random.f64() * 0.02,
                1 => random.f64() * 0.02 - edge,
                _ => (random.f64() * 2.0 - 1.0) * edge,
            };
            let centre = Place { lat: at(&mut random, 90.0), lon: at(&mut random, 180.0) };
            let reach = 10f64.powf(random.f64() * 3.0 + 2.0);
            let near = |random: &mut fastrand::Rng| (random.f64() - 0.5) * reach / 40_000.0;
            let lat = (centre.lat + near(&mut random)).clamp(-90.0, 90.0);
            let lon = centre.lon + near(&mut random) / lat.to_radians().cos().max(1e-6);
            let place = Place { lat, lon: (lon + 540.0).rem_euclid(360.0) - 180.0 };
            for grid in [Grid(200), Grid(2)] {
                let cell = grid.cell(place);
                let found = grid
                    .around(centre, reach)
                    .iter()
                    .any(|(first, last)| (*first..=*last).contains(&cell));
                let within = metres(centre, place) <= reach;
                inside += u32::from(within);
                assert!(found || !within, "{place:?} is {reach} m around {centre:?}");
            }
        }
        assert!(inside > 10_000, "{inside}");
    }

    #[test]
    fn a_small_circle_is_a_few_cells() {
        let club = Place { lat: 38.9179, lon: -77.0237 };
        let ranges = Grid(200).around(club, 500.0);
        let cells: i64 = ranges.iter().map(|(first, last)| last - first + 1).sum();
        assert!(ranges.len() <= 3 && cells <= 12, "{ranges:?}");
    }
}
