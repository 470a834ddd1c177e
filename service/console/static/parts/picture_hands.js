/** What pointer, fingers, wheel and keys do to a pane of the viewer. */
import { placeOf } from "./picture_drawing.js";

const WIDEST = 64; // pixels of the screen for one of the picture
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FACTORS = { "+": 1.5, "=": 1.5, "-": 1 / 1.5, 0: 0 };
const within = (value, least, most) => Math.min(Math.max(value, least), Math.max(least, most));

/** Zooms a view by a factor, at most to `most`, and leaves a point (shares of the picture) where it is. */
export function zoomBy(view, factor, most = 200, at = view.get()) {
  const before = view.get();
  const zoom = within(before.zoom * factor, 1, most);
  move(view, zoom, at.x + ((before.x - at.x) * before.zoom) / zoom, at.y + ((before.y - at.y) * before.zoom) / zoom);
}

function move(view, zoom, x, y) {
  const half = 0.5 / zoom; // the picture's edge stops at the pane's
  view.set({ ...view.get(), zoom, x: within(x, half, 1 - half), y: within(y, half, 1 - half) });
}

/** The handlers of a canvas; `latest` is a ref of its pane. */
export function handsOn(latest) {
  const fingers = new Map();
  let moved = 0;
  const at = ({ clientX, clientY }) => {
    const { canvas: { current: canvas }, size } = latest.current;
    const { fit, scale, left, top } = placeOf(latest.current);
    const corner = canvas.getBoundingClientRect();
    const x = ((clientX - corner.left) * devicePixelRatio - left) / scale;
    const y = ((clientY - corner.top) * devicePixelRatio - top) / scale;
    return { x: x / size.width, y: y / size.height, pixel: [Math.floor(x), Math.floor(y)], most: (WIDEST * devicePixelRatio) / fit };
  };
  const zoom = (factor, place) => zoomBy(latest.current.view, factor, at(place).most, at(place));
  const pan = (right, down) => {
    const { view, size } = latest.current;
    const { zoom: now, x, y } = view.get();
    const pixels = devicePixelRatio / placeOf(latest.current).scale;
    move(view, now, x + (right * pixels) / size.width, y + (down * pixels) / size.height);
  };
  const point = ([x, y], keys = false) => {
    const { view, size } = latest.current;
    const there = x >= 0 && y >= 0 && x < size.width && y < size.height;
    view.set({ ...view.get(), cursor: there ? { x, y, keys } : null });
  };
  const middle = () => {
    const [one, two = one] = [...fingers.values()];
    const apart = Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY) || 1;
    return { clientX: (one.clientX + two.clientX) / 2, clientY: (one.clientY + two.clientY) / 2, apart };
  };
  const drag = (event) => {
    const before = middle();
    fingers.set(event.pointerId, event);
    const after = middle();
    const [right, down] = [before.clientX - after.clientX, before.clientY - after.clientY];
    moved += Math.hypot(right, down);
    pan(right, down);
    if (fingers.size > 1) zoom(after.apart / before.apart, after);
  };
  const select = (event) => {
    const { regions = [], view } = latest.current;
    const [x, y] = at(event).pixel;
    const hit = ({ box: [left, top, width, height] }) => x >= left && y >= top && x < left + width && y < top + height;
    view.set({ ...view.get(), selected: regions.find(hit) ?? null });
  };
  const press = (event) => {
    const { size, view, canvas } = latest.current;
    const { cursor, x, y } = view.get();
    const [right, down] = STEPS[event.key] ?? [];
    if (event.key === "Escape" && cursor) point([-1, -1]);
    else if (event.key in FACTORS) zoomBy(view, FACTORS[event.key]);
    else if (right === undefined) return;
    else if (event.shiftKey) {
      const from = cursor ?? { x: Math.floor(x * size.width), y: Math.floor(y * size.height) };
      point([within(from.x + right, 0, size.width - 1), within(from.y + down, 0, size.height - 1)], true);
    } else pan((right * canvas.current.clientWidth) / 8, (down * canvas.current.clientHeight) / 8);
    event.preventDefault();
    event.stopPropagation(); // the page has keys of its own
  };
  const down = (event) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    moved = fingers.size ? Infinity : 0;
    fingers.set(event.pointerId, event);
  };
  const lift = (event) => fingers.delete(event.pointerId) && event.type === "pointerup" && moved < 4 && select(event);
  const wheel = (event) => (event.preventDefault(), zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.03 : 0.002)), event));
  const hover = (event) => (fingers.has(event.pointerId) && drag(event), point(at(event).pixel));
  const ready = (hand) => (event) => latest.current.size && hand(event);
  return {
    onWheel: ready(wheel), onPointerDown: ready(down), onPointerMove: ready(hover), onPointerUp: ready(lift),
    onPointerCancel: ready(lift), onPointerLeave: ready(() => point([-1, -1])),
    onKeyDown: ready((event) => event.ctrlKey || event.metaKey || event.altKey || press(event)),
  };
}
