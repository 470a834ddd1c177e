/** The page Review: kept pictures as a grid, judged by one key. */
import { html, useMemo, useRef, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { navigate, useAddress } from "../../core/address.js";
import { useReturn } from "../../core/connection.js";
import { count } from "../../core/format.js";
import { useFetched, useKeys } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Dialog } from "../../parts/dialog.js";
import { rememberKind } from "../../parts/judging/kinds.js";
import { bodyOf, useReviewer } from "../../parts/judging/said.js";
import { Teach } from "../../parts/learning/teach.js";
import { Notice, Problem } from "../../parts/notice.js";
import { Calendar } from "./calendar.js";
import { Detail, Judging } from "./detail.js";
import { asked, filtersOf, linkOf, Tokens } from "./filters.js";
import { Grid } from "./grid.js";
import { Reach } from "./recent.js";
import { useTiles } from "./tiles.js";

const MOST = 999; // so far from the first one, since a request judges 1000
const VIEWS = { pictures: Pictures, calendar: Calendar, figures: Later };
const places = new Map(); // what was selected in each view, for who comes back to it
const r = t.review;

/** The page. */
export default function Page() {
  const { rest, query } = useAddress();
  if (!may("read")) return html`<h1>${r.title}</h1><${Notice} title=${r.mayNot} />`;
  const filters = filtersOf(query);
  const shown = rest[0] in VIEWS ? rest[0] : "pictures";
  const path = (name) => (name === "pictures" ? "/console/review" : `/console/review/${name}`);
  return html`<div class="row page-head"><h1>${r.title}</h1><div class="chips" role="group" aria-label=${r.views}>
      ${Object.keys(VIEWS).map((name) => html`<a class="button" href=${linkOf(filters, path(name))}
        aria-current=${name === shown ? "true" : null}>${r.view[name]}</a>`)}</div></div>
    <${Tokens} filters=${filters} path=${path(shown)} />
    <${VIEWS[shown]} key=${linkOf(filters, shown)} filters=${filters} />`;
}

/** The figures, whose module brings the charts: only who looks at them waits for it. */
function Later({ filters }) {
  const { data, error } = useFetched(() => import("./figures.js"), []);
  useReturn(() => error && location.reload()); // a browser tries no module again
  return data ? html`<${data.Figures} filters=${filters} />` : html`<${Problem} error=${error} />`;
}

function Pictures({ filters }) {
  const view = useTiles(asked(filters));
  const { tiles, total, open, loading } = view;
  const [kept, setKept] = useState(places.get(linkOf(filters)) ?? { places: [0, 0], ids: [] });
  places.set(linkOf(filters), kept);
  // By their numbers, once they are known: in a view that is loaded anew there are later ones before them.
  const found = kept.places.map((place, end) => {
    const now = tiles.findIndex(({ id }) => id === (kept.ids[end] ??= tiles[place]?.id));
    return now < 0 ? place : now;
  });
  const selected = useMemo(() => found, [kept, ...found]);
  const { judge, undo, saidOf, failed, said, words, setWords } = useJudging(view);
  const marking = useRef(null);
  const models = useFetched((signal) => call("list_models", { signal }), []);
  const [help, setHelp] = useState(false);
  const at = selected[1];
  const chosen = tiles.slice(Math.min(...selected), Math.max(...selected) + 1);
  const move = (index, extend) => {
    const next = Math.max(0, Math.min(index, tiles.length - 1));
    setKept({ places: [extend ? Math.max(next - MOST, Math.min(selected[0], next + MOST)) : next, next], ids: [] });
  };
  const say = (word) => {
    if (!may("review") || chosen.length === 0) return;
    if (word === "defect" && marking.current) return marking.current();
    judge(word, chosen);
    if (chosen.length === 1) move(at + 1, false);
  };
  const takeBack = undo && (() => move(undo(), false));
  const [helping, openOne] = [() => setHelp(true), () => tiles[at] && navigate(`/console/inspection/${tiles[at].id}`)];
  useKeys({ d: () => say("defect"), g: () => say("good"), u: () => say("unsure"), "Control+z": () => takeBack?.(),
    "?": helping, "Shift+?": helping });
  if (view.error?.code === "no_record") {
    return html`<${Notice} title=${r.noRecord}><p>${r.noRecordDetail}</p><pre>${r.noRecordCommand}</pre><//>`;
  }
  const counted = fill(open ? r.atLeast : r.count, { count: count(total) });
  return html`<div class="review">
    <div>
      <div class="row between"><p role="status">${loading ? t.shell.loading : total ? counted : !view.error && r.nothing}</p>
        <div class="row"><${Teach} model=${filters.model} models=${models.data?.models.map(({ name }) => name)} times=${said} />
          <button type="button" class="button keys" onClick=${helping}>${r.keys} <kbd>?</kbd></button></div></div>
      <${Reach} station=${filters.station} />
      <${Problem} error=${failed ?? view.error} />
      <${Grid} tiles=${tiles} total=${total} selected=${selected} onMove=${move} onOpen=${openOne} onReach=${view.reach} />
    </div>
    <aside>
      <${Judging} count=${chosen.length} judge=${say} undo=${takeBack} words=${words} setWords=${setWords} />
      ${tiles[at] && html`<${Detail} key=${tiles[at].id} tile=${tiles[at]} times=${said} said=${saidOf(tiles[at])}
        marking=${marking} reviewer=${words.reviewer.trim() || undefined} />`}
    </aside>
    <${Dialog} open=${help} title=${r.keys} onClose=${() => setHelp(false)}>
      <table><tbody>${r.allKeys.map(([key, does]) => html`<tr><td><kbd>${key}</kbd></td><td>${does}</td></tr>`)}</tbody></table>
    <//>
  </div>`;
}

/**
 * Judges tiles and takes it back, one request after the other; `undo` is null where there is nothing to take back.
 * `saidOf(tile)` is what was said here of one tile alone, as `useSaid` has it.
 */
function useJudging(view) {
  const [failed, setFailed] = useState(null);
  const [done, setDone] = useState([]);
  const [said, setSaid] = useState(0);
  const [words, setWords] = useState({ kind: "", note: "", reviewer: useReviewer() ?? "" });
  const [queue, waiting] = [useRef(Promise.resolve()), useRef([])];
  const forget = (gone) => setDone((all) => all.filter((one) => one !== gone));
  const tell = (operation, entry, before, after, more) => {
    view.mark(after);
    setFailed(null);
    waiting.current.push(before);
    queue.current = queue.current.then(async () => {
      if (entry.failed) return; // nothing was said that could be taken back
      await call(operation, { body: { ids: [...before.keys()], reviewer: entry.given.reviewer.trim() || undefined, ...more } });
      setSaid((times) => times + 1);
    }).catch((error) => {
      entry.failed = true;
      // Of a picture that something else is said of meanwhile, that one goes back to what was before this, should it fail, too.
      const [back, [, ...later]] = [new Map(), waiting.current];
      for (const [id, was] of before) (later.find((one) => one.has(id)) ?? back).set(id, was);
      view.mark(back);
      forget(entry);
      setFailed(error);
    }).finally(() => waiting.current.shift());
  };
  const now = (tiles) => new Map(tiles.map((tile) => [tile.id, tile.judgement]));
  const judge = (judgement, chosen, given = words, before = now(chosen)) => {
    const entry = { before, given: { ...words, ...given, judgement } }; // by whom it is taken back, too
    setDone((all) => [...all, entry]);
    localStorage.setItem("reviewer", words.reviewer);
    if (judgement === "defect") rememberKind(given.kind);
    setWords({ ...words, kind: "", note: "" });
    tell("judge_inspections", entry, before, new Map(chosen.map(({ id }) => [id, judgement])), bodyOf(entry.given));
  };
  const undo = (entry = done.at(-1)) => {
    const { before } = entry;
    forget(entry);
    tell("withdraw_judgements", entry, now(view.tiles.filter(({ id }) => before.has(id))), before);
    return view.tiles.findIndex(({ id }) => before.has(id));
  };
  const saidOf = (tile) => {
    const last = done.findLast(({ before }) => before.has(tile.id));
    const own = last?.before.size === 1 ? last : null;
    const say = (given) => {
      if (own) undo(own);
      judge(given.judgement, [tile], given, own?.before);
    };
    return { given: own?.given ?? null, busy: false, waits: false, error: null, say, undo: own && (() => undo(own)) };
  };
  return { judge, undo: done.length ? undo : null, saidOf, failed, said, words, setWords };
}
