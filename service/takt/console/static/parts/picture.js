/** The viewer: a picture, its anomaly map and regions in one pane, down to single pixels. */
import { html, useEffect, useMemo, useRef, useState } from "../vendor/htm-preact.js";
import { score } from "../core/format.js";
import { useFetched } from "../core/hooks.js";
import { createStore } from "../core/store.js";
import { fill, t } from "../core/strings.js";
import { paintMap, valueAt } from "./anomaly_map.js";
import { draw } from "./picture_drawing.js";
import { handsOn, zoomBy } from "./picture_hands.js";

const SMALL = 1.5e6; // pixels that are drawn in no time
const LOOK = { zoom: 1, x: 0.5, y: 0.5, cursor: null, selected: null, opacity: 0.8, drawing: false, box: null };

/**
 * Where viewers look; all that share one zoom, pan and point in step. Its store has `zoom` (1 shows all), the middle
 * `x`, `y` (shares of the picture), `cursor` (a pixel { x, y }), `selected` (a region), `opacity`, whether somebody is
 * `drawing`, and the `box` that he draws; `change` sets some.
 */
export const useView = () => useMemo(() => {
  const store = createStore(LOOK);
  return { ...store, change: (changes) => store.set({ ...store.get(), ...changes }) };
}, []);

/**
 * The picture of a URL or Blob for viewers: `{ picture, error, rendered }`. Where a browser would not show it as the service sees
 * it, of `size` once that is known, it is the picture that `instead(signal)` gets. It has `width`, `height` and `levels`: bitmaps,
 * each half as large as the one before.
 */
export function usePicture(source, size, instead) {
  const own = useLoaded(source);
  const rendered = Boolean(size && (own.error || (own.picture && (own.picture.odd || own.picture.width !== size.width))));
  const drawn = useFetched(async (signal) => (rendered ? instead(signal) : null), [rendered]);
  const theirs = useLoaded(drawn.data);
  return { picture: rendered ? theirs.picture : own.picture, error: drawn.error ?? theirs.error, rendered };
}

function useLoaded(source) {
  const [found, setFound] = useState({});
  useEffect(() => {
    const gone = new AbortController();
    const levels = [];
    const close = () => levels.splice(0).forEach((level) => level.close());
    const tell = (told) => (gone.signal.aborted ? close() : setFound({ source, ...told }));
    if (source) load(source, levels, gone.signal).then((picture) => tell({ picture }), (error) => tell({ error }));
    return () => (gone.abort(), close());
  }, [source]);
  return found.source === source ? found : {};
}

async function load(source, levels, signal) {
  const answer = source instanceof Blob ? new Response(source) : await fetch(source, { signal });
  if (!answer.ok) throw new Error(String(answer.status));
  const blob = await answer.blob();
  // Its levels as they are in the file, as the service sees them, whatever profile they have.
  levels.push(await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" }));
  const { width, height } = levels[0];
  for (let last = levels[0]; last.width * last.height > SMALL && !signal.aborted; last = levels.at(-1)) {
    const half = { resizeWidth: Math.ceil(last.width / 2), resizeHeight: Math.ceil(last.height / 2) };
    levels.push(await createImageBitmap(last, { ...half, resizeQuality: "medium" }));
  }
  const text = new TextDecoder("latin1").decode(await blob.arrayBuffer());
  const odd = /^.PNG.{20}\x10/s.test(text) || /^(.PNG|RIFF).*(eXIf|EXIF)/s.test(text); // 16 bits, or to be turned
  return { width, height, levels, odd };
}

/**
 * Panes that zoom, pan and point in step, with their tools. Each of `panes` has a `name`, `show` ("picture", "map" or
 * "overlay"), perhaps a `map` of `readMap` and the API's `regions`. All have the `view` of `useView`, `size` (width, height), the
 * `picture` of `usePicture` once it is there, perhaps a version's `roi` and the `marks` of people
 * (`{ box, kind }` each), and `of`, which says whose they are; `children` go before them.
 */
export function Panes({ panes, of, children, ...shared }) {
  return html`${children}
    <div class=${panes.length > 1 ? "panes" : "panes one"}>${panes.map((pane) =>
      html`<${Pane} key=${pane.name} of=${of} ...${shared} ...${pane} />`)}</div>
    <${Tools} ...${shared} maps=${panes.map(({ map }) => map)} />`;
}

/** One of them, without tools. */
export function Pane(props) {
  const { name, of, show, map, view, size, regions = [], marks = [] } = props;
  const label = fill(t.picture.pane, { pane: name, of, regions: regions.length, marks: marks.length });
  const [canvas, latest, pending] = [useRef(null), useRef(null), useRef(0)];
  const heat = useMemo(() => map && show !== "picture" && paintMap(map, show === "overlay"), [map, show]);
  latest.current = { ...props, heat, canvas };
  const hands = useMemo(() => handsOn(latest), []);
  const redraw = () => {
    pending.current ||= requestAnimationFrame(() => ((pending.current = 0), draw(latest.current)));
  };
  useEffect(redraw);
  useEffect(() => {
    const [observer, leave] = [new ResizeObserver(redraw), view.follow(redraw)];
    observer.observe(canvas.current);
    return () => (observer.disconnect(), leave(), cancelAnimationFrame(pending.current));
  }, [view]);
  return html`<figure class="picture"><figcaption>${name}</figcaption>
    <canvas ref=${canvas} tabindex="0" role="application" aria-label=${`${label}. ${t.picture.keys}`} ...${hands}
      style=${{ aspectRatio: `${size.width} / ${size.height}` }} /></figure>`;
}

/** Buttons of a view, the opacity and colours of its maps, and the values at the cursor. */
function Tools({ view, picture, maps }) {
  const { cursor, opacity } = view.use();
  const given = [...new Set(maps.filter(Boolean))];
  const [{ low, threshold } = {}] = given;
  const ends = [low, threshold, 2 * threshold - low].map(score);
  const button = (text, label, factor) => html`<button type="button" class="button" aria-label=${label} title=${label}
    onClick=${() => zoomBy(view, factor)}>${text}</button>`;
  return html`<div class="row picture-tools">
    ${button("+", t.picture.closer, 2)} ${button("−", t.picture.further, 0.5)} ${button(t.picture.whole, t.picture.whole, 0)}
    ${given.length > 0 && html`<label class="beside" onKeyDown=${(event) => event.stopPropagation()}>${t.picture.opacity}
        <input type="range" min="0" max="1" step="0.05" value=${opacity}
          onInput=${({ target }) => view.change({ opacity: Number(target.value) })} /></label>
      <span class="picture-scale" role="img" aria-label=${fill(t.picture.scale, ends)}>
        ${ends.map((end) => html`<span>${end}</span>`)}</span>`}
    <output aria-live=${cursor?.keys ? "polite" : "off"}>${cursor ? told(cursor, picture, given) : t.picture.hint}</output>
  </div>`;
}

/** The levels of a pixel, red, green and blue or one of all three, and what the maps have there. */
function told({ x, y }, picture, maps) {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  if (picture?.levels.length) context.drawImage(picture.levels[0], x, y, 1, 1, 0, 0, 1, 1);
  const levels = context.getImageData(0, 0, 1, 1).data.subarray(0, 3);
  const value = new Set(levels).size === 1 ? levels[0] : levels.join(" ");
  const values = maps.map((map) => score(valueAt(map, x, y)));
  return fill(maps.length ? t.picture.values : t.picture.value, { x, y, value, map: values.join(" | ") });
}
