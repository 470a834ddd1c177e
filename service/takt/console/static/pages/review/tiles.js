/** The tiles of a view, loaded page by page ahead of whoever scrolls. */
import { useCallback, useEffect, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { useFetched } from "../../core/hooks.js";

const [FIRST, MORE, AHEAD] = [200, 2000, 10000];
const AFTER_MS = 400; // thumbnails first
const NONE = { tiles: [], next: null };

/**
 * `{ tiles, total, open, error, loading, reach, mark }` of what the API is asked, the newest first. `open`: there
 * may be more than `total`; `reach(index)` loads as far as that, and `mark(judgements)` notes judgements by ids.
 */
export function useTiles(query) {
  const [held, setHeld] = useState(NONE);
  const [wanted, setWanted] = useState(AHEAD);
  const [failed, setFailed] = useState(null);
  const page = (more, signal) => call("list_tiles", { query: { ...query, ...more }, signal });
  const first = useFetched((signal) => page({ limit: FIRST }, signal), []);
  const counted = useFetched((signal) => page({ limit: 1, count: true }, signal), []);
  useEffect(() => (setFailed(null), setHeld(first.data ?? NONE)), [first.data]);
  const open = held.next !== null;
  const hungry = open && held.tiles.length < wanted && !first.loading;
  useEffect(() => {
    if (!hungry) return undefined;
    const abort = new AbortController();
    const load = () => page({ limit: MORE, cursor: held.next }, abort.signal).then(
      ({ tiles, next }) => setHeld((before) => ({ tiles: before.tiles.concat(tiles), next })),
      (error) => abort.signal.aborted || error.code === "away" || setFailed(error),
    );
    const timer = setTimeout(load, held.tiles.length > FIRST ? 0 : AFTER_MS);
    return () => (clearTimeout(timer), abort.abort());
  }, [hungry, held.next]);
  const reach = useCallback((index) => setWanted((before) => Math.max(before, index + MORE)), []);
  const mark = (judged) => setHeld((before) => ({
    ...before, tiles: before.tiles.map((tile) => (judged.has(tile.id) ? { ...tile, judgement: judged.get(tile.id) } : tile)),
  }));
  const total = open ? Math.max(counted.data?.count ?? 0, held.tiles.length + 1) : held.tiles.length;
  return { tiles: held.tiles, total, open, error: first.error ?? failed, loading: first.loading, reach, mark };
}
