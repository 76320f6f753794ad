//! What the command line of a program that prints a table asks for.

/// Which rows to measure, and how to say it: `[--quick] [--json] [ROW…]`.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Few and short repetitions, to see that everything runs. Its figures are no evidence.
    pub quick: bool,
    /// Every repetition as a JSON line on standard output; the table goes to standard error.
    pub json: bool,
    /// Parts of row names; no part means all rows.
    rows: Vec<String>,
}

impl Options {
    /// Takes one argument.
    ///
    /// # Errors
    /// What to write instead of a flag that there is not.
    pub fn take(&mut self, argument: String) -> Result<(), String> {
        match argument.as_str() {
            "--quick" => self.quick = true,
            "--json" => self.json = true,
            flag if flag.starts_with('-') => {
                return Err(format!("unknown flag {flag}: there are --quick, --json and parts of row names"));
            }
            _ => self.rows.push(argument),
        }
        Ok(())
    }

    /// Whether the row of that name is wanted.
    pub fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|part| row.contains(part))
    }
}
