/** Facts of pictures in an operator's words: their names, their values, and what to do. */
import { score } from "../../core/format.js";
import { fill, t } from "../../core/strings.js";

const SAME = (value) => value;
/** How a value is shown, where not as it is: what it is turned to, and its unit. */
const SHOWN = {
  sharpness: [(value) => 100 * Math.exp(value), " %"],
  noise: [Math.exp, ""],
  texture: [Math.exp, ""],
  dark: [SAME, " %"],
  bright: [SAME, " %"],
  shift_x: [SAME, " %"],
  shift_y: [SAME, " %"],
  turn: [SAME, "°"],
  size: [SAME, " %"],
  rejected: [(value) => 100 * value, " %"],
};
const MOST_DECIMALS = 6;

/** Every fact that has words here; the server may know more. */
export const FACTS = Object.keys(t.watch.facts).filter((name) => name !== "rejected");

/** What a fact is called: a server newer than its words calls it by its own name. */
export const nameOf = (fact) => t.watch.facts[fact]?.name ?? fact;

/** A value as charts have it. */
export const shown = (fact, value) => (SHOWN[fact] ?? [SAME])[0](value);

/** Two values with their unit: with as many decimals as the larger one needs, and more until different ones look different. */
export function textsOf(fact, ...values) {
  const changed = values.map((value) => shown(fact, value));
  const most = Math.max(...changed.map(Math.abs));
  const texts = (decimals) => changed.map((value) => value.toFixed(decimals) + unitOf(fact));
  let decimals = most > 0 ? Math.max(0, 2 - Math.floor(Math.log10(most))) : 0;
  while (decimals < MOST_DECIMALS && changed[0] !== changed[1] && new Set(texts(decimals)).size === 1) decimals += 1;
  return texts(Math.min(decimals, MOST_DECIMALS));
}

const unitOf = (fact) => SHOWN[fact]?.[1] ?? "";

/** How the values of a chart are written: with as many digits as so wide a range needs. */
export function writing(fact, width) {
  const digits = width > 0 ? Math.min(MOST_DECIMALS, Math.max(0, 1 - Math.floor(Math.log10(width)))) : null;
  return (value) => (digits === null ? score(value) : value.toFixed(digits)) + unitOf(fact);
}

/** "Brightness 104 instead of usually 130". */
export function movedText({ fact, usual, now }) {
  const [then, since] = textsOf(fact, usual, now);
  return fill(fact === "rejected" ? t.watch.movedPromise : t.watch.moved, { fact: nameOf(fact), now: since, usual: then });
}

/** What to clean or check where a fact has moved. */
export const toDo = ({ fact, side }) => t.watch.facts[fact]?.[side] ?? t.watch.unknownToDo;
