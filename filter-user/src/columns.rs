//! Aligned columns for people: names to the left, numbers to the right.

#![forbid(unsafe_code)]

/// A table as text, heads first, a line each; the last `numbers` columns are numbers.
pub fn columns<const N: usize>(heads: [&str; N], rows: &[[String; N]], numbers: usize) -> String {
    let heads = heads.map(String::from);
    let lines = || std::iter::once(&heads).chain(rows);
    let width = |n: usize| lines().map(|line| line[n].chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|n| width(n).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in lines() {
        let cells = line.iter().zip(&widths).enumerate();
        let cells: Vec<_> = cells
            .map(|(n, (cell, &width))| {
                if n >= N - numbers {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_to_the_left_and_numbers_to_the_right() {
        let rows = [["api", "7"], ["s", "1000"]].map(|row| row.map(String::from));
        assert_eq!(
            columns(["service", "packets"], &rows, 1),
            "service  packets\napi            7\ns           1000\n"
        );
    }
}
