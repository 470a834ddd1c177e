/** What another threshold would have done to the parts that were inspected and to the known good ones. */
import { html } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { apart, count } from "../../core/format.js";
import { useFetched } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Table } from "../table.js";

const c = t.consequence;
const RECORDED = ["flips_all", "flips_good", "flips_defects"];
const NONE = new Set(["no_record", "inspection_not_found"]);

/** From `now` to `to`, of the version at `path` ({ name, version }): what turns in the record and among the calibration's. */
export function Consequence({ path, now, to }) {
  const { name: model, version } = path;
  const known = useFetched((signal) => call("get_scores_of_version", { path, signal }), []);
  const recorded = useFetched((signal) => (may("read")
    ? call("propose_threshold", { query: { model, version, threshold: to }, signal }) : Promise.resolve(null)), [to]);
  const [before, after] = apart(now, to);
  const rows = [...recordedOf(recorded.data), ...knownOf(known.data, now, to)];
  const nothing = recorded.error && (NONE.has(recorded.error.code) ? c.nothingRecorded : recorded.error.detail);
  return html`<p>${fill(c.change, { old: before, now: after })}</p>
    ${rows.length > 0 && html`<${Table} number label=${c.title} head=${[c.title, c.toReject, c.toPass]} rows=${rows} />`}
    ${nothing && html`<p class="quiet">${nothing}</p>`}
    ${(known.loading || recorded.loading) && html`<p class="quiet" role="status">${t.shell.loading}</p>`}`;
}

const row = (name, toReject, toPass) => [c.rows[name], count(toReject), count(toPass)];

/** Of judged ones there is a row where any turns. */
function recordedOf(found) {
  const turned = RECORDED.map((name) => [name, found?.[name]])
    .filter(([name, one]) => one && (name === "flips_all" || one.to_reject + one.to_pass > 0));
  return turned.map(([name, { to_reject: toReject, to_pass: toPass }]) => row(name, toReject, toPass));
}

function knownOf(found, now, to) {
  const sets = Object.entries(found?.calibration ?? {}).filter(([, { scores }]) => scores.length > 0);
  return sets.map(([name, { scores, regions }]) => {
    const alone = scores.filter((_, index) => !regions[index]);
    const between = (low, high) => alone.filter((one) => one > low && one <= high).length;
    return row(name, between(to, now), between(now, to));
  });
}
