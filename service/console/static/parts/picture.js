/** The viewer: a picture, its anomaly map and regions in one pane, down to single pixels. */
import { html, useEffect, useMemo, useRef, useState } from "../vendor/htm-preact.js";
import { score } from "../core/format.js";
import { createStore } from "../core/store.js";
import { fill, t } from "../core/strings.js";
import { paintMap, valueAt } from "./anomaly_map.js";
import { draw } from "./picture_drawing.js";
import { handsOn, zoomBy } from "./picture_hands.js";

const SMALL = 1.5e6; // pixels that are drawn in no time
const LOOK = { zoom: 1, x: 0.5, y: 0.5, cursor: null, selected: null, opacity: 0.8 };

/**
 * Where viewers look; all that share one zoom, pan and point in step. Its store has `zoom` (1 shows all), the middle
 * `x`, `y` (shares of the picture), `cursor` (a pixel { x, y }), `selected` (a region) and `opacity`.
 */
export const useView = () => useMemo(() => createStore(LOOK), []);

/**
 * Loads a picture, of a URL or Blob, for viewers: `{ picture, error }`, neither while it loads. `picture` has `width`,
 * `height` and `levels`: bitmaps, each half as large as the one before.
 */
export function usePicture(source) {
  const [found, setFound] = useState({});
  useEffect(() => {
    const gone = new AbortController();
    const levels = [];
    const close = () => levels.splice(0).forEach((level) => level.close());
    const tell = (told) => (gone.signal.aborted ? close() : setFound({ source, ...told }));
    const loaded = () => tell({ picture: { width: levels[0]?.width, height: levels[0]?.height, levels } });
    if (source) load(source, levels, gone.signal).then(loaded, (error) => tell({ error }));
    return () => (gone.abort(), close());
  }, [source]);
  return found.source === source ? found : {};
}

async function load(source, levels, signal) {
  const answer = source instanceof Blob ? null : await fetch(source, { signal });
  if (answer && !answer.ok) throw new Error(String(answer.status));
  // As the service sees it: turned upright, but its levels as they are in the file, whatever profile they have.
  const options = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  levels.push(await createImageBitmap(answer ? await answer.blob() : source, options));
  for (let last = levels[0]; last.width * last.height > SMALL && !signal.aborted; last = levels.at(-1)) {
    const half = { resizeWidth: Math.ceil(last.width / 2), resizeHeight: Math.ceil(last.height / 2) };
    levels.push(await createImageBitmap(last, { ...half, resizeQuality: "medium" }));
  }
}

/**
 * One pane; every prop but `label` may be left out.
 * @param {string} label what is shown, for those who do not see it; `caption` for those who do
 * @param {string|Blob} source of the picture, or `picture` of `usePicture`; without either, its `size` is wanted
 * @param {object} map of `readMap`; `show` is "picture", "map" or "overlay" (both, which is the default)
 * @param {object[]} regions as the API has them, and `roi` as a version has it
 * @param {object} view of `useView`, for panes that go in step; a pane without it has tools of its own
 */
export function Picture(props) {
  const own = useView();
  const canvas = useRef(null);
  const loaded = usePicture(props.picture ? null : props.source);
  const { show = "overlay", view = own, map, picture = loaded.picture, size = picture } = props;
  const heat = useMemo(() => map && show !== "picture" && paintMap(map, show === "overlay"), [map, show]);
  const latest = useRef(null);
  latest.current = { ...props, show, view, picture, size: picture ?? size, heat, canvas };
  const hands = useMemo(() => handsOn(latest), []);
  const redraw = useRedraw(latest);
  useEffect(redraw);
  useEffect(() => view.follow(redraw), [view]);
  return html`<figure class="picture">
    ${props.caption && html`<figcaption>${props.caption}</figcaption>`}
    <canvas ref=${canvas} tabindex="0" role="img" aria-label=${`${props.label}. ${t.picture.keys}`} ...${hands}
      style=${{ aspectRatio: size ? `${size.width} / ${size.height}` : "3 / 2" }} />
    ${loaded.error && html`<p role="status">${t.picture.unreadable}</p>`}
    ${!props.view && html`<${PictureTools} view=${view} picture=${picture} maps=${map ? [map] : []} />`}
  </figure>`;
}

/** Draws at the next frame of the screen, and when the pane's size changes. */
function useRedraw(latest) {
  const pending = useRef(0);
  const redraw = useMemo(() => () => {
    pending.current ||= requestAnimationFrame(() => ((pending.current = 0), draw(latest.current)));
  }, []);
  useEffect(() => {
    const observer = new ResizeObserver(redraw);
    observer.observe(latest.current.canvas.current);
    return () => (observer.disconnect(), cancelAnimationFrame(pending.current));
  }, []);
  return redraw;
}

/** Buttons of a view, the opacity and colours of its maps, and the values at the cursor. */
export function PictureTools({ view, picture, maps: [map, ...others] = [] }) {
  const { cursor, opacity } = view.use();
  const scale = map && { low: score(map.low), threshold: score(map.threshold), high: score(2 * map.threshold - map.low) };
  const button = (text, label, factor) => html`<button type="button" class="button" aria-label=${label} title=${label}
    onClick=${() => zoomBy(view, factor)}>${text}</button>`;
  return html`<div class="row picture-tools">
    ${button("+", t.picture.closer, 2)} ${button("−", t.picture.further, 0.5)} ${button("0", t.picture.whole, 0)}
    ${map && html`<label class="beside">${t.picture.opacity}<input type="range" min="0" max="1" step="0.05" value=${opacity}
        onInput=${(event) => view.set({ ...view.get(), opacity: Number(event.target.value) })} /></label>
      <span class="picture-scale" role="img" aria-label=${fill(t.picture.scale, scale)}>
        ${Object.values(scale).map((value) => html`<span>${value}</span>`)}</span>`}
    <output aria-live=${cursor?.keys ? "polite" : "off"}>
      ${cursor ? told(cursor, picture, map ? [map, ...others] : []) : t.picture.hint}</output>
  </div>`;
}

function told({ x, y }, picture, maps) {
  const levels = picture?.levels.length ? levelsAt(picture, x, y) : ["–"];
  const value = new Set(levels).size === 1 ? levels[0] : levels.join(" ");
  const values = maps.map((map) => score(valueAt(map, x, y)));
  return fill(maps.length ? t.picture.values : t.picture.value, { x, y, value, map: values.join(" | ") });
}

/** The levels [red, green, blue] of a pixel. */
function levelsAt(picture, x, y) {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  context.drawImage(picture.levels[0], x, y, 1, 1, 0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data.subarray(0, 3)];
}
