/** Whether the server answers: told at once when it does not, and when it is back. */
import { useEffect, useRef } from "../vendor/htm-preact.js";
import { createStore } from "./store.js";

/** A file of the console: a proxy that lets the page through lets this through, and it needs no key. */
const ASKED_FOR = "/console/static/icon.svg";
const LOOK_EVERY_MS = 2000;
const LOOK_AGAIN_MS = 500;
const ANSWERS_WITHIN_MS = 3000;

const online = createStore(true);
let timer = null;

/** The hook: whether the server answers. */
export const useOnline = () => online.use();

/** Calls a function whenever the server is back after it was gone. */
export function useReturn(fn) {
  const latest = useRef(fn);
  latest.current = fn;
  useEffect(() => onReturn(() => latest.current()), []);
}

/** The same outside of components; returns how to stop. */
export function onReturn(fn) {
  return online.follow((answers) => answers && fn());
}

/** Resolves once the server is back. */
export const returned = () => new Promise((resolve) => {
  const stop = onReturn(() => (stop(), resolve()));
});

/** Whoever finds that the server does not answer says so here. */
export function lost() {
  online.set(false);
  lookIn(LOOK_AGAIN_MS);
}

/** Begins to look whether the server answers. */
export function watchConnection() {
  document.addEventListener("visibilitychange", () => document.hidden || lookIn(0));
  lookIn(LOOK_EVERY_MS);
}

function lookIn(waitMs) {
  clearTimeout(timer);
  timer = setTimeout(look, waitMs);
}

async function look() {
  if (document.hidden) return; // it looks as soon as somebody does
  try {
    const answer = await fetch(ASKED_FOR, { method: "HEAD", signal: AbortSignal.timeout(ANSWERS_WITHIN_MS), cache: "no-store" });
    online.set(answer.ok);
  } catch {
    online.set(false);
  }
  lookIn(online.get() ? LOOK_EVERY_MS : LOOK_AGAIN_MS);
}
