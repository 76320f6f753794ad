//! Whether two records agree: no conclusion that one states is contradicted by the other.

use super::conclusions::{Conclusion, Sign};
use anyhow::{Result, bail};

/// Prints how the conclusions of two records compare.
///
/// # Errors
/// If any two contradict each other, or if no conclusion is stated by both: that is no agreement.
pub(crate) fn check(ours: &[Conclusion], theirs: &[Conclusion]) -> Result<()> {
    let (mut both, mut one, mut against) = (0, 0, 0);
    for conclusion in ours {
        let Some(other) = theirs.iter().find(|other| other.key == conclusion.key) else { continue };
        match (conclusion.sign, other.sign) {
            (Sign::Open, Sign::Open) => {}
            (a, b) if a == b => both += 1,
            (Sign::Open, _) | (_, Sign::Open) => one += 1,
            _ => {
                against += 1;
                println!("contradicted: {}\n    {}\n    {}", conclusion.key, conclusion.text, other.text);
            }
        }
    }
    println!(
        "{both} conclusions are stated by both records, {one} by one of them only, {against} contradicted"
    );
    if against > 0 {
        bail!("{against} conclusions contradict each other");
    }
    if both == 0 {
        bail!("no conclusion is stated by both records");
    }
    Ok(())
}
