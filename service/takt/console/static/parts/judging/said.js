/** What this browser's user says of inspections in place, and how it is taken back. */
import { useEffect, useState } from "../../vendor/htm-preact.js";
import { ApiError, call } from "../../core/api.js";
import { may, useSession } from "../../core/session.js";
import { t } from "../../core/strings.js";
import { rememberKind } from "./kinds.js";

const AGAIN_MS = [300, 700, 1000, 1500, 2500]; // the record has an answer some tenths of a second later
const NOTHING = { given: null, busy: false, waits: false, error: null };
const j = t.judging;

/** Who says it, where the server knows no callers: the name that was typed on the page Review. */
export const useReviewer = () => (useSession().demandsKey ? undefined : localStorage.getItem("reviewer")?.trim() || undefined);

/**
 * What was said here of inspections, each by a `key`: `of(key, target, changed)` is `{ given, busy, waits, error, say, undo, forget }`.
 * `target` is `{ ids }` or `{ request_id }`; `say({ judgement, kind, box })` says it, instead of what was said here before;
 * `undo()` takes it back, and is null where there is nothing. `changed()` is called after each; `forget()` when it was changed elsewhere.
 */
export function useSaid() {
  const [all, setAll] = useState({});
  const [stop] = useState(() => new AbortController());
  const reviewer = useReviewer();
  useEffect(() => () => stop.abort(), []);
  return (key, target, changed = () => {}) => {
    const now = all[key] ?? NOTHING;
    const set = (changes) => stop.signal.aborted || setAll((before) => ({ ...before, [key]: { ...(before[key] ?? NOTHING), ...changes } }));
    const run = async (work) => {
      set({ busy: true, error: null });
      await work().catch((error) => set({ error }));
      set({ busy: false, waits: false });
      changed();
    };
    const takeBack = async () => {
      await call("withdraw_judgements", { body: { ids: now.given.ids, reviewer } });
      set({ given: null });
    };
    const say = (words) => run(async () => {
      if (now.given?.ids) await takeBack();
      const body = { ...target, ...bodyOf(words), reviewer };
      await judge(body, () => set({ waits: true }), stop.signal);
      rememberKind(words.kind);
      const where = target.ids || !may("read") ? { ids: target.ids } : await found(target).catch(() => ({}));
      set({ given: { ...words, ...where } });
    });
    return { ...now, say, undo: now.given?.ids ? () => run(takeBack) : null, forget: () => set(NOTHING) };
  };
}

/** The words of a judgement as the API has them. */
export const bodyOf = ({ judgement, kind, box, note }) => ({
  judgement, note: note?.trim() || undefined,
  ...(judgement === "defect" && { kind: kind?.trim() || undefined, box: box ?? undefined }),
});

/** The one inspection of a request, and whether its picture was kept. */
async function found(target) {
  const { inspections: [row] } = await call("list_inspections", { query: { ...target, limit: 1 } });
  return { ids: row && [row.id], picture: Boolean(row?.picture) };
}

async function judge(body, tell, signal) {
  for (const wait of AGAIN_MS) {
    try {
      return await call("judge_inspections", { body, signal });
    } catch (error) {
      if (error.code !== "inspection_not_found" || body.ids) throw error;
    }
    tell();
    await new Promise((resolve) => setTimeout(resolve, wait));
    signal.throwIfAborted();
  }
  throw new ApiError(404, { title: j.notYet, detail: j.notYetDetail });
}
