//! Every repetition as a JSON line.

use crate::repeat::{Run, Standing};
use crate::table::session::Figures;
use serde_json::{Map, Value, json};

/// Where repetitions are written to, if anywhere.
pub(super) struct Journal {
    is_open: bool,
}

impl Journal {
    pub(super) fn new(is_open: bool) -> Self {
        Self { is_open }
    }

    /// Writes one repetition, whether it can be compared or not.
    pub(super) fn run(&self, row: &str, unit: &str, contestant: &str, run: &Run<Figures>) {
        if !self.is_open {
            return;
        }
        let mut line = json!({
            "row": row,
            "contestant": contestant,
            "round": run.round,
            "standing": standing(run.standing()),
            "line_round_trip_ns": [run.line_before, run.line_after],
            "seconds": run.elapsed.as_secs_f64(),
            "others_cpu_seconds": run.others.as_secs_f64(),
            "unit": unit,
        });
        match &run.outcome {
            Ok(figures) => {
                line["value"] = json!(figures.main);
                line["also"] = figures
                    .also
                    .iter()
                    .map(|(name, value)| ((*name).into(), json!(value)))
                    .collect::<Map<String, Value>>()
                    .into();
            }
            Err(error) => line["error"] = json!(error),
        }
        println!("{line}");
    }
}

fn standing(standing: Standing) -> String {
    match standing {
        Standing::Comparable(class) => class.to_string(),
        Standing::Moved => "moved".into(),
        Standing::Disturbed => "disturbed".into(),
        Standing::Failed => "failed".into(),
    }
}
