/** Asks the service of dropped pictures, one after another. */
import { useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { useReturn } from "../../core/connection.js";

const NOWHERE = 1e30; // a threshold that nothing reaches
let count = 0;

/** The versions that answer, each with its model's `name`, a `key` and whether it is `active`. */
export const servedOf = (models = []) => models.flatMap(({ name, active, versions }) => versions
  .filter((one) => one.state === "ready")
  .map((one) => ({ ...one, name, key: `${name}/${one.version}`, active: one.version === active })));

/**
 * Pictures and what each of `choices` (versions) says of them: `{ items, add, again }`. An item has a `file` and
 * `answers` by a version's key: what the API answers with `map`, a Blob, or `{ error }`. The one at `first` goes first.
 */
export function useTried(choices, first) {
  const [items, setItems] = useState([]);
  const [abort, busy] = [useRef(null), useRef(false)];
  useEffect(() => ((abort.current = new AbortController()), () => abort.current.abort()), []);
  const change = (answers) => setItems((now) => now.map((item) => ({ ...item, answers: answers(item) })));
  const without = (drop) => change((item) =>
    Object.fromEntries(Object.entries(item.answers).filter(([, { error }]) => !drop(item, error))));
  useEffect(() => {
    const pairs = [items[first], ...items].flatMap((item) => (item ? choices.map((choice) => [item, choice]) : []));
    const [item, choice] = pairs.find(([one, { key }]) => !one.answers[key]) ?? [];
    if (!item || busy.current) return;
    busy.current = true;
    ask(item.file, choice, abort.current.signal).catch((error) => ({ error })).then((found) => {
      busy.current = false;
      change(({ id, answers }) => (id === item.id ? { ...answers, [choice.key]: found } : answers));
    });
  });
  useReturn(() => without((_, error) => error?.status === 0));
  return {
    items,
    add: (files) => setItems((now) => [...now, ...[...files].map((file) => ({ id: count++, file, answers: {} }))]),
    again: ({ id }) => without((item, error) => item.id === id && error),
  };
}

async function ask(file, { name, version, engine }, signal) {
  const query = { heatmap: "raw", ...labels(file) };
  const body = await call("inspect_picture_by_version", { path: { name, version }, query, body: file, signal });
  const text = atob(body.heatmap.data);
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index);
  return { ...body, heatmap: null, map: new Blob([bytes]), engine, odd: await isOdd(file) };
}

/** Whether a file is a PNG of 16 bits, or a PNG or WebP to be turned: a browser has its own way with these. */
async function isOdd(file) {
  const text = new TextDecoder("latin1").decode(await file.arrayBuffer());
  return /^.PNG.{20}\x10/s.test(text) || /^(.PNG|RIFF).*(eXIf|EXIF)/s.test(text);
}

/** The picture as the service decodes it, for browsers that cannot. */
export function rendering(file, { name, version }, signal) {
  const query = { heatmap: "overlay", format: "png", threshold: NOWHERE, pixel_threshold: NOWHERE, ...labels(file) };
  const options = { path: { name, version }, query, headers: { Accept: "image/png" }, body: file, signal, as: "blob" };
  return call("inspect_picture_by_version", options);
}

/** By these the record tells what was tried from the line's own; a tag has no comma and no equals sign. */
function labels(file) {
  const name = file.name.replace(/[=,\x00-\x1f\x7f]/g, " ").trim().slice(0, 128).trim();
  return { priority: "bulk", station: "try", tags: name ? `file=${name}` : null };
}
