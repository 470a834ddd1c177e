/** Hooks that pages share. */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "../vendor/htm-preact.js";
import { useReturn } from "./connection.js";

/**
 * What an asynchronous function gives: `{ data, at, error, loading, again }`; `at` is when `data` came.
 * It is called again when `wants` change or the server is back, which aborts its signal, and by `again()`, which waits for the call
 * that is on its way: where each takes longer than to the next look, none would ever show anything.
 * A server that does not answer is no error here: the head says that once, and until it is back `data` stays and is loading.
 */
export function useFetched(get, wants) {
  const [state, setState] = useState({ loading: true });
  const [round, setRound] = useState(0);
  const flight = useRef({});
  const anew = useCallback(() => setRound((before) => before + 1), []);
  const again = useCallback(() => (flight.current.on ? (flight.current.more = true) : anew()), []);
  useEffect(() => {
    const abort = new AbortController();
    const mine = (flight.current = { on: true });
    const end = (change) => {
      if (abort.signal.aborted) return;
      mine.on = false;
      setState(change);
      if (mine.more) anew();
    };
    setState((before) => ({ ...before, loading: true }));
    get(abort.signal).then(
      (data) => end({ data, at: new Date(), loading: false }),
      (error) => end((before) => (error.code === "away" ? before : { data: before.data, at: before.at, error, loading: false })),
    );
    return () => abort.abort();
  }, [...wants, round]);
  useReturn(anew);
  return { ...state, again };
}

/** Calls a function every so many milliseconds, while the page is seen; null stops. */
export function useInterval(fn, everyMs) {
  const latest = useRef(fn);
  latest.current = fn;
  useEffect(() => {
    if (everyMs === null) return undefined;
    const timer = setInterval(() => document.hidden || latest.current(), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
}

/** What an element takes so that the keyboard goes on in it when one of `wants` changes and what it was on is gone. */
export function useKeptFocus(wants) {
  const [place, had] = [useRef(null), useRef(false)];
  useEffect(() => void (had.current && document.activeElement === document.body && place.current.focus()), wants);
  return { ref: place, tabindex: -1, onfocusin: () => (had.current = true) };
}

const TYPING = "input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select, dialog *";

/**
 * Calls the function of a key, such as `{ d: judge, "Shift+ArrowRight": extend, "Control+z": undo }`.
 * It hears from the moment that what uses it is seen, and nothing while somebody types in a field or a dialog is open.
 */
export function useKeys(keys) {
  const latest = useRef(keys);
  latest.current = keys;
  useLayoutEffect(() => {
    const hear = (event) => {
      if (event.target.closest?.(TYPING) || document.querySelector("dialog[open]")) return;
      const letter = event.key.length === 1;
      if (letter && event.repeat) return; // a finger that stays on a key says it once
      const modifiers = ["Control", "Alt", "Meta", "Shift"].filter((name) => event.getModifierState(name));
      const plain = letter ? event.key.toLowerCase() : event.key;
      const action = latest.current[[...modifiers, plain].join("+")];
      if (!action) return;
      event.preventDefault();
      action(event);
    };
    document.addEventListener("keydown", hear);
    return () => document.removeEventListener("keydown", hear);
  }, []);
}
