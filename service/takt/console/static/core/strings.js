/** Every text of the console, in the language of the page: another language is another file beside `en.json`. */

export const t = await (await fetch(`/console/static/strings/${document.documentElement.lang}.json`)).json();

/** A text with its `{names}` replaced: fill("{count} {count:frame|frames}", { count: 3 }) is "3 frames", and of 1 it is "1 frame". */
export function fill(text, values) {
  return text.replace(/\{(\w+)(?::([^|}]*)\|([^}]*))?\}/g, (whole, name, one, many) => {
    if (!(name in values)) return whole;
    const value = String(values[name]);
    return one === undefined ? value : value === "1" ? one : many;
  });
}
