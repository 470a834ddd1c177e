/** What a place has shown since its shift began; this browser keeps it, so that a reload loses nothing. */
const MOST_REJECTS = 200;
const KEPT_EVERY_MS = 1000;

/**
 * The shift of a place: `now()` is `{ since, good, all, rejects, more }`; `add(frame)` gives the frame's new rejects;
 * `seen(id)` takes a reject away, or all of them without an id, and `begin()` starts anew. Other tabs of this browser that show the
 * place have the same one: `changed()` is called when one of them has changed it, until `close()`.
 */
export function openShift(place, changed) {
  const key = `live.shift.${place}`;
  const fresh = () => ({ since: new Date(), good: 0, all: 0, rejects: [], more: 0 });
  let [shift, timer, unkept] = [JSON.parse(localStorage.getItem(key)) ?? fresh(), null, []];
  const keep = () => (clearTimeout(timer), ([timer, unkept] = [null, []]), localStorage.setItem(key, JSON.stringify(shift)));
  const change = (changes) => {
    shift = { ...shift, ...changes };
    timer ??= setTimeout(keep, KEPT_EVERY_MS);
  };
  const hear = (event) => event.key === key && event.newValue && (shift = JSON.parse(event.newValue), unkept.forEach(count), changed());
  function count({ counts, skipped, outcome, stream: { id } }) {
    const frames = [...skipped, { score: null, anomalous: false, ...outcome }];
    const bad = frames.filter((one) => one.anomalous || one.score === null).length;
    const now = { id, all: counts.answered + counts.errors, bad: counts.anomalous + counts.errors };
    const found = frames.filter((one) => one.anomalous).map((one) => ({ id: `${id}-${one.sequence}`, score: one.score, at: Date.now() }));
    // Of a stream that is seen for the first time, what was before does not count.
    const last = shift.last?.id === id ? shift.last : { all: now.all - frames.length, bad: now.bad - bad };
    if (now.all <= last.all) return found; // another tab has counted it
    const [all, good] = [shift.all + now.all - last.all, shift.good + now.all - now.bad - (last.all - last.bad)];
    const rejects = [...found.filter((one) => shift.rejects.every(({ id: known }) => known !== one.id)).reverse(), ...shift.rejects];
    const more = shift.more + Math.max(0, rejects.length - MOST_REJECTS);
    change({ last: now, all, good, rejects: rejects.slice(0, MOST_REJECTS), more });
    return found;
  }
  addEventListener("storage", hear);
  return {
    now: () => shift,
    begin: () => keep(change(fresh())),
    seen: (id) => keep(change(id ? { rejects: shift.rejects.filter((one) => one.id !== id) } : { rejects: [], more: 0 })),
    add: ({ counts, skipped, outcome, stream }) => count(unkept[unkept.push({ counts, skipped, outcome, stream }) - 1]),
    close: () => (removeEventListener("storage", hear), timer && keep()),
  };
}
