/** Kinds of defects that were named before. */
import { html } from "../../vendor/htm-preact.js";

const [PLACE, MOST] = ["kinds", 30];

/** The kinds that this browser's users have named, the latest first. */
export const kindsNamed = () => JSON.parse(localStorage.getItem(PLACE) ?? "[]");

/** Keeps a kind for the next time. */
export function rememberKind(kind) {
  const said = kind?.trim();
  if (said) localStorage.setItem(PLACE, JSON.stringify([said, ...kindsNamed().filter((one) => one !== said)].slice(0, MOST)));
}

/** The list that a field offers: those of others, and this browser's own. */
export const Kinds = ({ id, others = [] }) => html`<datalist id=${id}>
  ${[...new Set([...kindsNamed(), ...others])].map((kind) => html`<option value=${kind} />`)}</datalist>`;
