/** Every text of the console, in the language of the page. */
import en from "../strings/en.js";

export const t = en;

/** A text with its `{names}` replaced: fill("{count} frames", { count: 3 }) is "3 frames". */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}
