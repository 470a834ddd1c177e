/** A value that components follow. */
import { useEffect, useState } from "../vendor/htm-preact.js";

/** A store: `get()`, `set(value)`, `follow(fn)` which returns how to stop, and the hook `use()`. */
export function createStore(first) {
  let value = first;
  const followers = new Set();
  const follow = (fn) => {
    followers.add(fn);
    return () => followers.delete(fn);
  };
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const fn of [...followers]) fn(value);
    },
    follow,
    use() {
      const [shown, show] = useState(value);
      useEffect(() => {
        show(value);
        return follow(show);
      }, []);
      return shown;
    },
  };
}
