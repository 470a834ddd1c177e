/** How many alarms call, for every page: asked now and then, and at once where somebody has answered one. */
import { html, useEffect } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { useReturn } from "../../core/connection.js";
import { useInterval } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { createStore } from "../../core/store.js";
import { fill, t } from "../../core/strings.js";

const LOOK_EVERY_MS = 30_000;
const calls = createStore(0);
let hasRecord = true;

/** Whoever knows says how many call. */
export const tellCalls = (number) => calls.set(number);

async function look() {
  if (!hasRecord || !may("read")) return;
  try {
    const { alarms } = await call("list_alarms", { query: { standing: true } });
    calls.set(alarms.filter((one) => one.calls).length);
  } catch (error) {
    hasRecord = error.code !== "no_record";
    if (!hasRecord) calls.set(0);
  }
}

/** The number beside the page's name; nothing where none calls. */
export function Calls() {
  const number = calls.use();
  useEffect(() => void look(), []);
  useInterval(look, LOOK_EVERY_MS);
  useReturn(() => ((hasRecord = true), look())); // a server may be back with a record, or without
  return number > 0 && html`<b class="calls" aria-label=${fill(t.watch.calls, { number })} role="img">${number}</b>`;
}
