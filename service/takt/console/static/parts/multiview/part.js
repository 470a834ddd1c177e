/** What is said of a part of several views, the same wherever it is shown: one verdict, and what decided. */
import { html } from "../../vendor/htm-preact.js";
import { fill, t } from "../../core/strings.js";
import { Verdict } from "../verdict.js";

const VERDICTS = { ok: "good", ng: "defect", no_decision: "undecided" };
const w = t.part;

/** The part's result of an inspection that is a view of it; null where it has none yet, or the picture is no view. */
export const ofInspection = (row) => row.part_verdict && { verdict: row.part_verdict, reason: row.part_reason,
  decided_by: row.part_decided_by, witness: row.part_witness };

/** The same of a result that a station has told. */
export const ofStation = ({ result, ...more }) => ({ ...more, verdict: VERDICTS[result] });

/** What decided on a part, in words; `result` has `verdict`, `reason`, `decided_by` and `witness`. */
export function whyOfPart({ verdict, reason, decided_by: view, witness }) {
  if (verdict === "good") return w.good;
  if (reason) return view && w.reasons[reason] ? fill(w.reasons[reason], { view }) : (t.stations.reasons[reason] ?? "");
  return view ? fill(w.defect, { view, by: w.by[witness] }) : "";
}

/** What decided that a picture is a defect; empty where it is none. */
export const byOf = ({ witness }) => (witness ? w.by[witness] : "");

/** A controller's number of a part, which its station has told. */
export const plcPartOf = ({ tags }) => tags?.plc_part ?? "";

/** Verdict and why, in a line. */
export const PartResult = ({ result }) => html`<${Verdict} verdict=${result.verdict} /> <span>${whyOfPart(result)}</span>`;
