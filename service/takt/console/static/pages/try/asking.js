/** Asks the service of dropped pictures, one after another. */
import { useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { useReturn } from "../../core/connection.js";
import { useInterval } from "../../core/hooks.js";

const NOWHERE = 1e30; // a threshold that nothing reaches
const PASSING = [429, 503]; // a full queue, a model that loads
/** How long what passes by itself is waited for. */
export const AGAIN_MS = 2000;

/** The versions that answer, each with its model's `name`, a `key` and whether it is `active`. */
export const servedOf = (models = []) => models.flatMap(({ name, active, versions }) => versions
  .filter((one) => one.state === "ready")
  .map((one) => ({ ...one, name, key: `${name}/${one.version}`, active: one.version === active })));

/**
 * Pictures and what each of `choices` (versions) says of them: `{ items, add, again }`. An item has a `file`, its `url` and
 * `answers` by a version's key: what the API answers with `map`, a Blob, and its `levels`, or `{ error }`. The one at `first` goes first.
 */
export function useTried(choices, first) {
  const [items, setItems] = useState([]);
  const [abort, busy, held] = [useRef(null), useRef(false), useRef(items)];
  const hold = (now) => setItems((held.current = now));
  useEffect(() => {
    abort.current = new AbortController();
    return () => (abort.current.abort(), held.current.forEach(({ url }) => URL.revokeObjectURL(url)));
  }, []);
  const change = (answers) => hold(held.current.map((item) => ({ ...item, answers: answers(item) })));
  const without = (drop) => change((item) =>
    Object.fromEntries(Object.entries(item.answers).filter(([, { error }]) => !drop(item, error))));
  useEffect(() => {
    // Not those of the render, which lack an answer that has come since: its picture would be asked again.
    const now = held.current;
    const pairs = [now[first], ...now].flatMap((item) => (item ? choices.map((choice) => [item, choice]) : []));
    const [item, choice] = pairs.find(([one, { key }]) => !one.answers[key]) ?? [];
    if (!item || busy.current) return;
    busy.current = true;
    ask(item.file, choice, abort.current.signal).catch((error) => ({ error })).then((found) => {
      busy.current = false;
      change(({ url, answers }) => (url === item.url ? { ...answers, [choice.key]: found } : answers));
    });
  });
  const passes = (error) => PASSING.includes(error?.status);
  const waits = items.some(({ answers }) => Object.values(answers).some(({ error }) => passes(error)));
  useInterval(() => without((_, error) => passes(error)), waits ? AGAIN_MS : null);
  useReturn(() => without((_, error) => error?.status === 0));
  const add = (files) => {
    const made = [...files].map((file) => ({ file, url: URL.createObjectURL(file), answers: {} }));
    hold([...held.current, ...made]);
  };
  return { items, add, again: ({ url }) => without((item, error) => item.url === url && error) };
}

async function inspect(file, { name, version }, query, options) {
  const body = new Blob([await file.arrayBuffer()]); // a file that is gone is an error of its own
  // By these the record tells what was tried from the line's own; a tag has no comma and no equals sign.
  const label = file.name.replace(/[=,\x00-\x1f\x7f]/g, " ").trim().slice(0, 128).trim();
  const asked = { ...query, priority: "bulk", station: "try", tags: label && `file=${label}` };
  return call("inspect_picture_by_version", { path: { name, version }, query: asked, body, again: true, ...options });
}

async function ask(file, choice, signal) {
  const body = await inspect(file, choice, { heatmap: "raw" }, { signal });
  const text = atob(body.heatmap.data);
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index);
  // As they were when it was asked: by the time that somebody looks at it, others may hold.
  const { engine, map_low: low, thresholds: { pixel } } = choice;
  return { ...body, heatmap: null, map: new Blob([bytes]), engine, levels: [low, pixel] };
}

/** The picture as the service decodes it, for browsers that cannot. */
export function rendering(file, choice, signal) {
  const query = { heatmap: "overlay", format: "png", threshold: NOWHERE, pixel_threshold: NOWHERE };
  return inspect(file, choice, query, { signal, headers: { Accept: "image/png" }, as: "blob" });
}
