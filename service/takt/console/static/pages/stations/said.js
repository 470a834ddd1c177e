/** What a station says, in words. */
import { count } from "../../core/format.js";
import { fill, t } from "../../core/strings.js";

/* Green says that parts flow; every other state but these keeps them from it. */
const TONES = { flowing: "good", waiting: "quiet", fault: "defect" };
const s = t.stations;

/** The address of a station's page. */
export const addressOf = (name) => `/console/stations/${encodeURIComponent(name)}`;

/** Light and word of whether parts flow at a station, or of what keeps them. */
export const stateOf = ({ flow }) => ({ tone: TONES[flow] ?? "near", word: s.flows[flow] });

/** Why they do not, and what to do; empty where they do. */
export const whyOf = ({ flow, silent_ms: silent }) => fill(s.why[flow] ?? "", { seconds: count(Math.round(silent / 1000)) });

/** "bracket (7)". */
export const recipeOf = ({ number, name }) => (number === 0 ? "–" : fill(s.recipeNamed, { number, name }));

/** How many parts have a decision, and how many have none. */
export function decided({ ok, ng, no_decision: reasons }) {
  const none = Object.values(reasons).reduce((sum, one) => sum + one, 0);
  return { decided: ok + ng, none };
}
