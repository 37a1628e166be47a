//! A table of text.

use std::io::{self, Write};

/// Writes rows with the first column to the left and all others to the right, two spaces between columns.
pub fn write(out: &mut impl Write, rows: &[Vec<String>]) -> io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |cell: &String| cell.chars().count();
    let widths: Vec<usize> =
        (0..columns).map(|i| rows.iter().filter_map(|row| row.get(i)).map(width).max().unwrap_or(0)).collect();
    for row in rows {
        let mut line = String::new();
        for (i, (cell, &wide)) in row.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(wide - width(cell));
            line += &if i == 0 { format!("{cell}{pad}") } else { format!("  {pad}{cell}") };
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A whole number with a comma before every three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with so many decimals, or a dash where there is none.
pub fn decimal(number: Option<f64>, decimals: usize) -> String {
    number.map_or_else(|| String::from("-"), |x| format!("{x:.decimals$}"))
}

/// A share in percent, or a dash where there is none.
pub fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| String::from("-"), |x| format!("{:.1}%", 100.0 * x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_numbers_read_well() {
        let rows = [["", "bir", "ğ"], ["satır", "1", "22"], ["ç", "", ""]].map(|row| row.map(String::from).to_vec());
        let mut out = Vec::new();
        write(&mut out, &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "       bir   ğ\nsatır    1  22\nç\n");
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([decimal(Some(1.236), 2), decimal(None, 2)], ["1.24", "-"]);
        assert_eq!([percent(Some(0.1234)), percent(None)], ["12.3%", "-"]);
    }
}
