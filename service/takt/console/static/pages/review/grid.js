/** A grid of thousands of tiles, of which only those that are seen are there. */
import { html, useEffect, useLayoutEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { url } from "../../core/api.js";
import { score } from "../../core/format.js";
import { fill, t } from "../../core/strings.js";
import { Verdict, verdictOf } from "../../parts/verdict.js";

const [WIDTH, HEIGHT, SPARE_ROWS, STILL_MS] = [168, 184, 2, 90];
const r = t.review;

/** Regions of a picture, drawn over it by the same box, and the dashed `marks` of people. */
export function Boxes({ tile: { width, height, boxes }, marks = [] }) {
  const rect = ([x, y, w, h], name) => html`<rect class=${name} x=${x} y=${y} width=${w} height=${h} />`;
  return html`<svg class="boxes" viewBox=${`0 0 ${width} ${height}`} aria-hidden="true">
    ${boxes.map((box) => rect(box))}
    ${marks.flatMap(({ box }) => [rect(box, "under"), rect(box, "mark")])}</svg>`;
}

/** The address of a tile's thumbnail; null where no picture is kept. */
export const thumbnailOf = ({ id, picture }) => picture && url("get_thumbnail", { path: { id }, query: { sha256: picture } });

/**
 * The grid. `selected` has the tile where the selection began, and the one with the focus.
 * `onMove(index, extend)` asks for another; `onOpen()` for its page; `onReach(index)` tells how far it is scrolled.
 */
export function Grid({ tiles, total, selected, onMove, onOpen, onReach }) {
  const scroller = useRef(null);
  const timer = useRef(null);
  const [seen, setSeen] = useState({ columns: 1, rows: 0, row: 0, moving: false });
  const { columns, rows, row, moving } = seen;
  const at = selected[1];
  const look = (still) => setSeen((before) => {
    const { scrollTop: top, clientWidth: width, clientHeight: height } = scroller.current;
    const now = { columns: Math.floor(width / WIDTH) || 1, rows: Math.ceil(height / HEIGHT), row: Math.floor(top / HEIGHT) };
    // Who drags the scroll bar wants none of the pictures between.
    now.moving = !still && (before.moving || Math.abs(now.row - before.row) > SPARE_ROWS);
    return Object.keys(now).every((name) => now[name] === before[name]) ? before : now;
  });
  const scrolled = () => (clearTimeout(timer.current), (timer.current = setTimeout(look, STILL_MS, true)), look(false));
  useLayoutEffect(() => look(true), []); // the first tiles that are drawn stand in their columns
  useEffect(() => {
    const watch = new ResizeObserver(() => look(true));
    watch.observe(scroller.current);
    scroller.current.focus({ preventScroll: true });
    return () => (clearTimeout(timer.current), watch.disconnect());
  }, []);
  useEffect(() => {
    const [box, top] = [scroller.current, Math.floor(at / columns) * HEIGHT];
    box.scrollTop = Math.max(Math.min(box.scrollTop, top), top + HEIGHT - box.clientHeight);
  }, [selected, columns, total > at]);
  const first = Math.max(0, row - SPARE_ROWS) * columns;
  const last = Math.min(total, (row + rows + 1 + SPARE_ROWS) * columns);
  useEffect(() => onReach(last), [last]);
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -total, End: total,
    PageUp: -columns * rows, PageDown: columns * rows };
  const press = (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !(event.key === " " || event.key in steps)) return;
    event.preventDefault();
    if (event.key === " ") onOpen();
    else onMove(at + steps[event.key], event.shiftKey);
  };
  const active = tiles[at] && at >= first && at < last ? `tile-${tiles[at].id}` : null;
  return html`<div class="grid" ref=${scroller} role="listbox" tabindex="0" aria-label=${r.grid} aria-multiselectable="true"
    aria-activedescendant=${active} onKeyDown=${press} onScroll=${scrolled}>
    <div role="presentation" style=${{ height: `${Math.ceil(total / columns) * HEIGHT}px` }}>
      ${Array.from({ length: Math.max(0, last - first) }, (_, number) => first + number).map((index) => html`
        <div key=${tiles[index]?.id ?? -index} class=${`place ${index === at ? "focused" : ""}`} role="presentation"
          style=${{ left: `${(100 * (index % columns)) / columns}%`, top: `${Math.floor(index / columns) * HEIGHT}px`, width: `${100 / columns}%` }}
          onClick=${(event) => onMove(index, event.shiftKey)} onDblClick=${onOpen}>
          ${tiles[index] && html`<${Tile} tile=${tiles[index]} place=${index + 1} total=${total} moving=${moving}
            chosen=${index >= Math.min(...selected) && index <= Math.max(...selected)} />`}
        </div>`)}
    </div>
  </div>`;
}

/** The part, and what is said of it where the picture is but one of its views. */
const saidOf = ({ part, of_part: of }) => (of ? fill(t.part.tile, { part, verdict: t.verdict[of.verdict] }) : part);

function Tile({ tile, place, total, moving, chosen }) {
  const [ready, setReady] = useState(!moving);
  useEffect(() => moving || setReady(true), [moving]);
  const picture = tile.picture && html`<img src=${thumbnailOf(tile)} alt=${fill(r.tile, { id: tile.id })} draggable="false" />`;
  return html`<div class="tile" id=${`tile-${tile.id}`} role="option" aria-selected=${String(chosen)} aria-posinset=${place} aria-setsize=${total}>
    <div class="thumb">
      ${ready && (picture ?? html`<small>${r.noPicture}</small>`)}
      <${Boxes} tile=${tile} />
    </div>
    <div class="caption"><${Verdict} verdict=${verdictOf(tile)} /><span>${score(tile.score)}</span></div>
    <div class=${`caption ${tile.judgement ?? "quiet"}`}><span>${r.judged[tile.judgement ?? "none"]}</span><span>${saidOf(tile)}</span></div>
  </div>`;
}
