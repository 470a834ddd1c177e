/** Every text of the console, in the language of the page: another language is another file beside `en.json`. */

export const t = await (await fetch(`/console/static/strings/${document.documentElement.lang}.json`)).json();

/** A text with its `{names}` replaced: fill("{count} frames", { count: 3 }) is "3 frames". */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}
