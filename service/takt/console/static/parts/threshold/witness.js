/** Why a picture was rejected or passed: its score and the peak of its map, each beside its threshold. */
import { apart } from "../../core/format.js";
import { fill, t } from "../../core/strings.js";
import { textsOf } from "../watching/fact_words.js";

const w = t.witness;

/** Score and threshold as texts that look different where they are. */
export function comparedOf(answer) {
  const [score, threshold] = apart(answer?.score, answer?.threshold);
  return { score, threshold };
}

/** The same as a sentence of its own. */
export function whyOf(answer) {
  const said = witnessesOf(answer);
  return `${said[0].toUpperCase()}${said.slice(1)}.`;
}

/** Why a picture cannot be judged, in an operator's words. */
function reasonOf({ fact, value, low, high }) {
  const [said, limit] = value < low ? [t.undecided.low, low] : [t.undecided.high, high];
  const [here, most] = textsOf(fact, value, limit);
  return fill(t.undecided.reason, { what: said[fact] ?? fact, value: here, limit: most });
}

/** The witnesses of a verdict in words; `pixel_threshold` is undefined where nobody told it. */
export function witnessesOf(answer) {
  const { anomalous, score, threshold, regions, pixel_threshold: limit, undecided } = answer;
  if (undecided) return reasonOf(undecided);
  const over = score > threshold;
  const said = over || !anomalous ? [fill(over ? w.score : w.scoreNot, comparedOf(answer))] : [];
  const peak = regions[0]?.peak;
  if (peak !== undefined) {
    const [highest, least] = apart(peak, limit ?? null);
    said.push(fill(limit === undefined ? w.region : w.peak, { peak: highest, limit: least }));
    if (!anomalous) said.push(w.notThen);
  } else if (!over && anomalous) said.push(w.map);
  return said.join("; ");
}
