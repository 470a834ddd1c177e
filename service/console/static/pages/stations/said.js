/** What a station says, in words. */
import { count } from "../../core/format.js";
import { fill, t } from "../../core/strings.js";

const TONES = { online: "good", offline: "near", silent: "quiet" };
const s = t.stations;

/** The address of a station's page. */
export const addressOf = (name) => `/console/stations/${encodeURIComponent(name)}`;

/** Light and word of a station's state; a fault is graver than a station that somebody has taken out. */
export function stateOf({ state, offline_reason: why }) {
  return { tone: state === "offline" && why === "fault" ? "defect" : TONES[state], word: s.states[state] };
}

/** Why it takes no part, and what to do; empty where it does. */
export function whyOf({ state, offline_reason: why, silent_ms: silent, recipe, plc }) {
  if (state === "silent") return fill(s.silent, { seconds: count(Math.round(silent / 1000)) });
  if (state === "offline") return s.why[why] ?? "";
  if (recipe.changing) return s.changing;
  if (recipe.number === 0) return s.noRecipe;
  return plc.connected ? "" : s.noPlc;
}

/** "bracket (7)". */
export const recipeOf = ({ number, name }) => (number === 0 ? "–" : fill(s.recipeNamed, { number, name }));

/** How many parts have a decision, and how many have none. */
export function decided({ ok, ng, no_decision: reasons }) {
  const none = Object.values(reasons).reduce((sum, one) => sum + one, 0);
  return { decided: ok + ng, none };
}
