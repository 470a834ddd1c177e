/** What a place has shown since its shift began; this browser keeps it, so that a reload loses nothing. */
const MOST_REJECTS = 200;
const KEPT_EVERY_MS = 1000;

/**
 * The shift of a place: `now()` is `{ since, good, all, rejects, more }`; `add(frame)` gives the frame's new rejects;
 * `seen(id)` takes a reject away, or all of them without an id, and `begin()` starts anew.
 */
export function openShift(place) {
  const key = `live.shift.${place}`;
  const fresh = () => ({ since: new Date(), good: 0, all: 0, rejects: [], more: 0 });
  let [shift, timer] = [JSON.parse(localStorage.getItem(key)) ?? fresh(), null];
  const keep = () => (clearTimeout(timer), (timer = null), localStorage.setItem(key, JSON.stringify(shift)));
  const change = (changes) => {
    shift = { ...shift, ...changes };
    timer ??= setTimeout(keep, KEPT_EVERY_MS);
  };
  return {
    now: () => shift,
    begin: () => keep(change(fresh())),
    seen: (id) => keep(change(id ? { rejects: shift.rejects.filter((one) => one.id !== id) } : { rejects: [], more: 0 })),
    add({ counts, skipped, outcome, stream: { id } }) {
      const frames = [...skipped, { score: null, anomalous: false, ...outcome }];
      const bad = frames.filter((one) => one.anomalous || one.score === null).length;
      const now = { id, all: counts.answered + counts.errors, bad: counts.anomalous + counts.errors };
      // Of a stream that is seen for the first time, what was before does not count.
      const last = shift.last?.id === id ? shift.last : { all: now.all - frames.length, bad: now.bad - bad };
      const [all, good] = [shift.all + now.all - last.all, shift.good + now.all - now.bad - (last.all - last.bad)];
      const found = frames.filter((one) => one.anomalous).map((one) => ({ id: `${id}-${one.sequence}`, score: one.score, at: Date.now() }));
      const rejects = [...found.reverse(), ...shift.rejects];
      const more = shift.more + Math.max(0, rejects.length - MOST_REJECTS);
      change({ last: now, all, good, rejects: rejects.slice(0, MOST_REJECTS), more });
      return found;
    },
  };
}
